"""Whole runs by the documented endpoints: a verdict for each contact, and no guess about any."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest
import stamina

from pipeline.errors import EndpointError, EventDefinitionError
from pipeline.events import AttemptFailed, DoubtSettled
from pipeline.running.legs import RunOptions
from pipeline.simulator.fault_spec import parse_fault
from pipeline.simulator.schedule import Schedule
from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.fakes.injection import Stand

ASYNC = {
    "account": {"auth": "v2"},
    "journey": {"endpoint": "async-events"},
    "batch": {"max_records": 10},
}
SINGLE = {
    "account": {"auth": "v2"},
    "journey": {"endpoint": "events"},
    "batch": {"max_records": 1},
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Backoff in hundredths of its time; look-ups that are tried again do not wait at all."""
    monkeypatch.setattr("pipeline.sending.retry.FIRST_SECONDS", 0.01)
    monkeypatch.setattr("pipeline.sending.inquiry.WAITS_SECONDS", (0.01, 0.02))
    with stamina.set_testing(True, attempts=8, cap=True):
        yield


def key(number: int) -> str:
    return f"C{number:05}"


def contacts(place: Path, number: int) -> dict[int, str | None]:
    write_contacts(place / "contacts.csv", range(1, number + 1))
    return {position: key(position) for position in range(1, number + 1)}


def enhanced(place: Path, *faults: str, **options: Any) -> AbstractAsyncContextManager[Stand]:
    """A tenant with an enhanced package alone, its contacts going by async-events."""
    return standing(place, *faults, sections=ASYNC, package="enhanced", **options)


@pytest.mark.parametrize("sections", [ASYNC, SINGLE], ids=["async-events", "events"])
async def test_all_enter(sections: dict[str, Any], tmp_path: Path) -> None:
    """With v2 tokens alone every contact enters, its data as it stood."""
    source = contacts(tmp_path, 35)
    options = {"package": "enhanced", "keep_data": True}
    async with standing(tmp_path, sections=sections, **options) as stand:
        injected = await stand.inject()
        assert (injected.exit_code, injected.counts) == (0, (35, 35, 0, 0, 0))
        requests = 4 if sections is ASYNC else 35
        assert (injected.summary["requests"], injected.summary["tokens"]) == (requests, 1)
        assert injected.summary["endpoint"] == sections["journey"]["endpoint"]
        assert stand.data()[key(35)] == {
            "EmailAddress": "customer.35@example.com",
            "FirstName": "Ann",
        }
        stand.audit(source)

    assert all(line["event_instance_id"] for line in injected.lines("accepted"))


async def test_a_single_event_names_its_definition(tmp_path: Path) -> None:
    """The body is the contact, and is kept as it was sent where it is refused."""
    contacts(tmp_path, 5)
    async with standing(tmp_path, sections=SINGLE, poison_keys=(key(3),)) as stand:
        injected = await stand.inject()
        assert injected.counts == (5, 4, 1, 0, 0)

    (rejected,) = injected.lines("rejected")
    assert rejected["reason"] == "refused_400"
    assert "The contact is not active" in rejected["detail"]
    assert rejected["record"] == {
        "ContactKey": key(3),
        "EventDefinitionKey": "APIEvent-rehearsal",
        "Data": {"EmailAddress": "customer.3@example.com", "FirstName": "Ann"},
    }


async def test_verdicts(tmp_path: Path) -> None:
    """Refused contacts are rejected each by its verdict; nobody is sent twice to find them."""
    source = contacts(tmp_path, 200)
    poison = {key(number) for number in (3, 4, 57, 200)}
    async with enhanced(tmp_path, poison_keys=tuple(poison)) as stand:
        injected = await stand.inject()
        assert injected.counts == (200, 196, 4, 0, 0)
        assert injected.summary["requests"] == 20
        stand.audit(source)

    rejected = injected.lines("rejected")
    assert {line["contact_key"] for line in rejected} == poison
    assert {(line["stage"], line["reason"], line["detail"]) for line in rejected} == {
        ("delivery", "not_queued", "errorcode 10005: A value of the member is not valid")
    }


@pytest.mark.parametrize("code", [10006, 30000])
async def test_passing_errors(code: int, tmp_path: Path) -> None:
    """Only the contacts that were told to come again are sent again."""
    source = contacts(tmp_path, 100)
    async with enhanced(tmp_path, f"members:at=2+5,errorcode={code},share=0.3") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert (injected.exit_code, injected.counts) == (0, (100, 100, 0, 0, 0))
        stand.audit(source)

    assert injected.summary["requests"] == 12
    assert injected.summary["retries"] == 2
    reasons = {event.reason for event in injected.seen(AttemptFailed)}
    assert reasons == {"passing_error"}
    lengths = Counter(len(line["contact_keys"]) for line in injected.lines("accepted"))
    assert lengths == {10: 8, 7: 2, 3: 2}


async def test_errors_that_never_pass(tmp_path: Path) -> None:
    """After the last attempt the contact is rejected, and it alone; its batch got through."""
    source = contacts(tmp_path, 40)
    async with enhanced(tmp_path, "members:at=2+3+4,errorcode=10006,share=0.1") as stand:
        injected = await stand.inject(delivery={"max_attempts": 3, "max_in_flight": 1})
        assert injected.counts == (40, 39, 1, 0, 0)
        stand.audit(source)

    (rejected,) = injected.lines("rejected")
    assert rejected["reason"] == "attempts_exhausted"
    assert "Unable to save rows" in rejected["detail"]


@pytest.mark.parametrize("by", ["order", "length", "count"])
async def test_verdicts_that_contradict(by: str, tmp_path: Path) -> None:
    """Where the verdicts do not fit, the whole batch is unknown, and the line says why."""
    source = contacts(tmp_path, 50)
    async with enhanced(tmp_path, f"muddled:at=3,by={by}", status_there=False) as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert (injected.exit_code, injected.counts) == (1, (50, 40, 0, 10, 0))
        stand.audit(source)

    unknown = injected.lines("unknown")
    assert {line["reason"] for line in unknown} == {"verdicts_contradict"}
    said = {"order": "verdict 1 is of contact", "length": "verdicts for 9", "count": "says 1"}
    assert said[by] in unknown[0]["detail"]


@pytest.mark.parametrize("fault", ["empty", "garbled", "html"])
async def test_no_verdicts_at_all(fault: str, tmp_path: Path) -> None:
    """A 2xx without verdicts says of nobody whether they were queued."""
    source = contacts(tmp_path, 30)
    async with enhanced(tmp_path, f"{fault}:at=2", status_there=False) as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert injected.counts == (30, 20, 0, 10, 0)
        stand.audit(source)


@pytest.mark.parametrize(
    "fault",
    ["muddled:at=2", "500:at=2,taken=true", "close:at=2,taken=true", "empty:at=2"],
)
async def test_a_lost_answer_is_asked_for(fault: str, tmp_path: Path) -> None:
    """Found by the status route, the contacts are accepted; no one is sent twice for it."""
    source = contacts(tmp_path, 30)
    async with enhanced(tmp_path, fault) as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert (injected.exit_code, injected.counts) == (0, (30, 30, 0, 0, 0))
        (settled,) = injected.seen(DoubtSettled)
        assert settled.contacts == 10
        stand.audit(source)


async def test_what_was_not_taken_is_not_found(tmp_path: Path) -> None:
    """Nothing is concluded from silence: it stays unknown."""
    source = contacts(tmp_path, 30)
    async with enhanced(tmp_path, "500:at=2,taken=false") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert injected.counts == (30, 20, 0, 10, 0)
        assert injected.seen(DoubtSettled) == []
        stand.audit(source)


async def test_an_earlier_request_is_not_this_one(tmp_path: Path) -> None:
    """The same contacts, injected by an earlier run, prove nothing about this one's."""
    contacts(tmp_path, 10)
    async with enhanced(tmp_path) as stand:
        assert (await stand.inject()).exit_code == 0
        await anyio.sleep(2.1)  # a date is in whole seconds
        stand.cloud.schedule = Schedule([parse_fault("500:at=1,taken=false")])
        again = await stand.inject(options=RunOptions(again=True))
        assert again.counts == (10, 0, 0, 10, 0)


async def test_contacts_that_were_queued_and_errored(tmp_path: Path) -> None:
    """Where the status tells an error of a contact in doubt, that is its verdict."""
    contacts(tmp_path, 10)
    fields = ("EmailAddress:EmailAddress:required", "FirstName:Text(2)")
    journey = {"endpoint": "async-events", "check_fields": False}
    async with enhanced(tmp_path, "500:at=2,taken=true", fields=fields) as stand:
        await stand.inject(options=RunOptions(limit=1), journey=journey)
        injected = await stand.inject(journey=journey)
        assert injected.summary["unknown"] == 0

    lines = injected.lines("rejected")
    assert {line["reason"] for line in lines} == {"errored"}
    assert {line["detail"] for line in lines} == {"errored after it was queued: too_long"}


async def test_nobody_is_queued(tmp_path: Path) -> None:
    """Refused alike from the first: the request is wrong, and nobody is rejected for it."""
    source = contacts(tmp_path, 60)
    async with enhanced(tmp_path, poison_pattern=".") as stand:
        injected = await stand.inject()
        assert isinstance(injected.error, EndpointError)
        assert (injected.summary["accepted"], injected.summary["rejected"]) == (0, 0)

    async with enhanced(tmp_path) as stand:
        assert (await stand.inject()).counts == (60, 60, 0, 0, 0)
        stand.audit(source)


async def test_a_refused_batch_is_halved_here_too(tmp_path: Path) -> None:
    """An answer to the whole request is read like any other endpoint's."""
    source = contacts(tmp_path, 60)
    async with enhanced(tmp_path, "400:at=2,errorcode=10001", "429:at=4,retry_after=0") as stand:
        injected = await stand.inject(delivery={"max_in_flight": 1})
        assert (injected.exit_code, injected.counts) == (0, (60, 60, 0, 0, 0))
        assert injected.summary["requests"] == 6 + 2 + 1
        stand.audit(source)


@pytest.mark.parametrize("sections", [ASYNC, SINGLE], ids=["async-events", "events"])
async def test_an_unknown_definition(sections: dict[str, Any], tmp_path: Path) -> None:
    """The key is looked at by each endpoint, and halts the run before anybody is sent."""
    contacts(tmp_path, 5)
    changed = {**sections, "journey": {**sections["journey"], "check_fields": False}}
    async with standing(
        tmp_path, sections=changed, event_definition_keys=("APIEvent-other",)
    ) as stand:
        injected = await stand.inject()
        assert isinstance(injected.error, EventDefinitionError)
        assert injected.counts[1:4] == (0, 0, 0)
