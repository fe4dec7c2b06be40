"""Verifying what `async-events` queued: what became of an event later counts for its contact."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import stamina

from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing
from tests.verifying.test_verification import asked, key, keys, reasons, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.fakes.injection import Stand

ASYNC: dict[str, Any] = {
    "account": {"auth": "v2"},
    "journey": {"endpoint": "async-events", "check_fields": False},
    "batch": {"max_records": 10},
    "delivery": {"max_in_flight": 1, "requests_per_second": 1000.0},
}
FIELDS = ("EmailAddress:EmailAddress:required", "FirstName:Text")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("pipeline.sending.inquiry.WAITS_SECONDS", ())
    with stamina.set_testing(True, attempts=8, cap=True):
        yield


def enhanced(place: Path, *faults: str, **options: Any) -> AbstractAsyncContextManager[Stand]:
    return standing(place, *faults, sections=ASYNC, package="enhanced", **options)


def rows(place: Path) -> None:
    """Thirty contacts, every tenth without an e-mail address that is one."""
    addresses = ("a@b.cd" if n % 10 else "none at all" for n in range(1, 31))
    write_rows(
        place / "contacts.csv",
        [(key(n), address, "Ann") for n, address in enumerate(addresses, 1)],
    )


async def test_who_errored_is_missing_for_that_reason(tmp_path: Path) -> None:
    """Not for a guess; whoever was lost without a word still is."""
    rows(tmp_path)
    async with enhanced(tmp_path, fields=FIELDS, vanishing="7$") as stand:
        assert (await stand.inject()).counts == (30, 30, 0, 0, 0)
        verified = await asked(stand)

    assert reasons(stand) == dict.fromkeys([key(10), key(20), key(30)], "errored") | dict.fromkeys(
        [key(7), key(17), key(27)], "not_in_history"
    )
    assert len(keys(stand, "entered")) == 24
    details = {one["reason"]: one["detail"] for one in verified.told["reasons"]}
    assert details["errored"] == "its event errored after it was queued: not_an_email"


@pytest.mark.parametrize("options", [{"history": "forbidden"}, {"history_lag_seconds": 3600}])
async def test_an_error_needs_no_history(tmp_path: Path, options: dict[str, Any]) -> None:
    """It is missing at once; about the others nothing is concluded yet."""
    rows(tmp_path)
    async with enhanced(tmp_path, fields=FIELDS, **options) as stand:
        await stand.inject()
        verified = await asked(stand, sample=0)

    assert reasons(stand) == dict.fromkeys([key(10), key(20), key(30)], "errored")
    assert (verified.summary.entered, verified.summary.pending) == (0, 27)


async def test_who_is_queued_is_waited_for(tmp_path: Path) -> None:
    """Accepted or unknown: nobody is missing or absent while an event of theirs may yet enter."""
    write_contacts(tmp_path / "contacts.csv", range(1, 31))
    faults = ("close:after_body,at=2,taken=true",)
    async with enhanced(tmp_path, *faults, vanishing="[27]$", queue_seconds=3600) as stand:
        assert (await stand.inject()).counts == (30, 20, 0, 10, 0)
        first = await asked(stand)
        assert first.told["unknown"] == {"entered": 8, "absent": 0, "undecided": 2}
        assert reasons(stand, "pending") == dict.fromkeys(
            [key(n) for n in (2, 7, 22, 27)], "still_queued"
        )
        events = stand.cloud._async
        events._rules = replace(events._rules, queue_seconds=0.0)
        second = await asked(stand)

    assert second.told["unknown"] == {"entered": 0, "absent": 2, "undecided": 0}
    assert keys(stand, "missing") == [key(n) for n in (2, 7, 22, 27)]


async def test_more_in_the_queue_than_can_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may be among them, so nobody is missing; and it is said."""
    monkeypatch.setattr("pipeline.sending.statuses.MOST_PAGES", 1)
    monkeypatch.setattr("pipeline.sending.items.PAGE", 5)
    write_contacts(tmp_path / "contacts.csv", range(1, 31))
    async with enhanced(tmp_path, vanishing="7$", queue_seconds=3600) as stand:
        await stand.inject()
        verified = await asked(stand)

    assert (verified.summary.entered, verified.summary.missing) == (27, 0)
    assert any("more events are still queued" in note for note in verified.told["notes"])


async def test_without_the_route_history_decides_alone(tmp_path: Path) -> None:
    """And that it could not be asked is told."""
    rows(tmp_path)
    async with enhanced(tmp_path, fields=FIELDS, status_there=False) as stand:
        await stand.inject()
        verified = await asked(stand)

    assert set(reasons(stand).values()) == {"not_in_history"}
    assert keys(stand, "missing") == [key(10), key(20), key(30)]
    assert any("what became of queued events" in note for note in verified.told["notes"])
