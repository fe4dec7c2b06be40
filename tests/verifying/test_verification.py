"""Whole verifications over HTTP: who entered, who did not, and nothing concluded too early."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.config import load
from pipeline.errors import PermissionDeniedError, RunDirectoryError, UsageError
from pipeline.running.legs import RunOptions
from pipeline.settling.lock import locked
from pipeline.settling.view import viewed
from pipeline.simulator.fault_spec import parse_fault
from pipeline.simulator.faults import Scope
from pipeline.simulator.schedule import Schedule
from pipeline.verbs.verification import VerifyOptions, verify
from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing
from tests.fakes.runs import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.verbs.verification import Verified
    from tests.fakes.injection import Stand

NEVER = "SingleEntryAcrossAllVersions"
UNCHECKED = {"journey": {"event_definition_key": "APIEvent-rehearsal", "check_fields": False}}


async def asked(stand: Stand, **options: Any) -> Verified:
    """Verify the stand's run, nobody being given time to enter later."""
    config = load(stand.place / "journey.toml", {})
    return await verify(
        config, VerifyOptions(**({"margin_seconds": 0.0} | options)), tell=lambda _: None
    )


def keys(stand: Stand, outcome: str) -> list[str]:
    with viewed(stand.place / "run") as view:
        return [row.contact_key for row in view.verified(outcome)]


def reasons(stand: Stand, outcome: str = "missing") -> dict[str, str]:
    with viewed(stand.place / "run") as view:
        return {row.contact_key: row.reason for row in view.verified(outcome)}


def key(number: int) -> str:
    return f"C{number:05}"


def write_rows(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    lines = [",".join(row) for row in (("customer_id", "EmailAddress", "FirstName"), *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


async def test_everybody_entered(tmp_path: Path) -> None:
    """Exit 0, the summary says so on disk too, and nothing is left behind."""
    write_contacts(tmp_path / "contacts.csv", range(1, 36))
    async with standing(tmp_path) as stand:
        before = (await stand.inject()).summary
        verified = await asked(stand)

    assert verified.exit_code == 0
    told = verified.summary.to_dict()
    assert told == before | {"entered": 35, "missing": 0, "pending": 0}
    assert sorted(keys(stand, "entered")) == [key(n) for n in range(1, 36)]
    assert (tmp_path / "run" / "summary.json").read_text() == verified.summary.to_json() + "\n"
    assert not (tmp_path / "run" / "verify.db").exists()


RULE = "likely one of: a field rule of the event's data extension that it breaks"
TWICE = "likely one of: 'Rehearsal of APIEvent-rehearsal' lets nobody in twice, and the contact"
LOST = [
    ({"vanishing": "[37]$"}, RULE),
    ({"vanishing": "."}, RULE),
    ({"fields": ("EmailAddress:EmailAddress:required", "FirstName:Text(4)")}, RULE),
    ({"fields": ("EmailAddress:EmailAddress", "City:Text")}, RULE),
    ({"journey_status": "Paused"}, "lets nobody in: it is paused"),
    ({"journey_status": "Stopped"}, "lets nobody in: it is stopped"),
    ({"journey_status": "Unpublished"}, "lets nobody in: it is finishing"),
    ({"published_journeys": 0}, "lets nobody in: it is a draft: publish it"),
    ({"entry_mode": NEVER, "vanishing": "1"}, TWICE),
    ({"vanishing": "[37]$", "failed_rows": True}, "the journey history says: vanished"),
    ({"vanishing": "[37]$", "entry_activities": ("trigger", "startinteractionactivity")}, RULE),
    (
        {"vanishing": "[37]$", "published_journeys": 2, "history_ignores_definitions": True},
        RULE,
    ),
]


@pytest.mark.parametrize(("options", "said"), LOST, ids=str)
async def test_those_lost_in_silence_are_missing_and_nobody_else(
    tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    """By each cause: the set is exactly that of the simulator's own book, and a reason is told.

    A likely one, from how the journeys stand; only what history itself says is no guess.
    """
    rows = [
        (key(n), f"c{n}@example.com" if n % 5 else "no address", "Anna-Maria" if n % 7 else "Ann")
        for n in range(1, 41)
    ]
    write_rows(tmp_path / "contacts.csv", rows)
    async with standing(tmp_path, sections=UNCHECKED, **options) as stand:
        assert (await stand.inject()).summary["accepted"] == 40
        verified = await asked(stand)
        lost = sorted(line["contact_key"] for line in stand.said() if not line["entered"])

    assert lost
    assert sorted(keys(stand, "missing")) == lost
    assert sorted(keys(stand, "entered")) == sorted({row[0] for row in rows} - set(lost))
    assert verified.exit_code == 1
    assert (verified.summary.missing, verified.summary.pending) == (len(lost), 0)
    (reason,) = verified.told["reasons"]
    assert reason["contacts"] == len(lost)
    assert said in reason["detail"]
    assert ("likely" in reason["detail"]) == ("history says" not in said)


async def test_who_entered_before_and_who_comes_twice(tmp_path: Path) -> None:
    """An entry from before the run is none of it; of one key's records the first entered."""
    numbers = [1, 2, 3, 3, 3]
    write_rows(tmp_path / "contacts.csv", [(key(n), "a@b.cd", "Ann") for n in numbers])
    async with standing(tmp_path, entry_mode=NEVER) as stand:
        stand.cloud.journey.enter_before([key(1)], time.time() - 3600)
        await stand.inject()
        verified = await asked(stand)

    assert keys(stand, "entered") == [key(2), key(3)]
    assert keys(stand, "missing") == [key(1), key(3), key(3)]
    assert reasons(stand) == {key(1): "entered_before", key(3): "duplicate_key"}
    with viewed(tmp_path / "run") as view:
        assert [row.position for row in view.verified("missing")] == [1, 4, 5]

    assert verified.summary.missing == 3


async def test_history_may_spell_keys_in_another_case(tmp_path: Path) -> None:
    """Who entered is neither missing nor absent, and two spellings are one contact."""
    keys_sent = ["Ab1", "ab2", "aB3", "AB3", "ab4", "ab5", "ab6"]
    write_rows(tmp_path / "contacts.csv", [(key, "a@b.cd", "Ann") for key in keys_sent])
    faults = ("close:after_body,at=3,taken=true", "close:after_body,at=4,taken=false")
    sections = {"delivery": {"max_in_flight": 1, "requests_per_second": 1000.0}}
    async with standing(tmp_path, *faults, sections=sections, vanishing="^AB3$") as stand:
        injected = await stand.inject(batch={"max_records": 2})
        assert injected.counts == (7, 4, 0, 3, 0)
        pages = stand.cloud.history.pages

        def shouted(*arguments: Any, **options: Any) -> Any:
            return (page.upper() for page in pages(*arguments, **options))

        stand.cloud.history.pages = shouted  # type: ignore[method-assign]
        verified = await asked(stand)

    assert verified.told["unknown"] == {"entered": 2, "absent": 1, "undecided": 0}
    assert sorted(keys(stand, "entered")) == ["Ab1", "aB3", "ab2", "ab4", "ab5"]
    assert reasons(stand) == {"AB3": "duplicate_key"}


async def test_history_that_is_late_keeps_everybody_pending(tmp_path: Path) -> None:
    """Until it is complete for their time; the lost are missing only then."""
    write_contacts(tmp_path / "contacts.csv", range(1, 12))
    async with standing(tmp_path, history_lag_seconds=3600, vanishing="7$") as stand:
        await stand.inject()
        first = await asked(stand)
        assert (first.exit_code, first.summary.pending) == (1, 11)
        assert set(reasons(stand, "pending").values()) == {"too_fresh"}
        stand.cloud.history.policy = replace(stand.cloud.history.policy, lag_seconds=0.0)
        second = await asked(stand)

    assert keys(stand, "missing") == [key(7)]
    assert (second.summary.entered, second.summary.pending) == (10, 0)


async def test_a_journey_is_given_time_to_let_them_in(tmp_path: Path) -> None:
    """Whoever has entered has, but nobody is missing before the margin is over."""
    write_contacts(tmp_path / "contacts.csv", range(1, 12))
    async with standing(tmp_path, vanishing="7$") as stand:
        await stand.inject()
        verified = await asked(stand, margin_seconds=60.0)

    assert keys(stand, "pending") == [key(7)]
    assert verified.summary.entered == 10


async def test_waiting_until_nobody_is_pending(tmp_path: Path) -> None:
    """It asks again by itself, and says so."""
    write_contacts(tmp_path / "contacts.csv", range(1, 12))
    said: list[str] = []
    async with standing(tmp_path, history_lag_seconds=2, vanishing="7$") as stand:
        await stand.inject()

        def tell(line: str) -> None:
            said.append(line)
            if "pending" in line:
                stand.cloud.history.policy = replace(stand.cloud.history.policy, lag_seconds=0.0)

        config = load(tmp_path / "journey.toml", {})
        options = VerifyOptions(margin_seconds=0.0, wait_seconds=60.0)
        verified = await verify(config, options, tell=tell)

    assert any("pending; asked again in" in line for line in said)
    assert (verified.summary.entered, verified.summary.missing) == (10, 1)
    assert verified.summary.pending == 0


async def test_waiting_asks_only_about_what_was_not_complete(tmp_path: Path) -> None:
    """Nobody who entered is forgotten; and who is missing at last is not in the whole history."""
    write_contacts(tmp_path / "contacts.csv", range(1, 41))
    began: list[float] = []
    async with standing(tmp_path, history_lag_seconds=600, vanishing="7$") as stand:
        await stand.inject()
        now = time.time()
        for number, batch in enumerate(stand.cloud.history._batches):
            batch.at = now - 3600 + 1_100 * number  # the last after what is complete at first

        with closing(sqlite3.connect(tmp_path / "run" / "journal.db")) as connection, connection:
            connection.execute("UPDATE run SET started_at = ?", (now - 3700,))

        pages = stand.cloud.history.pages

        def noted(question: Any, *arguments: Any, **options: Any) -> Any:
            began.append(round(now - question.start))
            return pages(question, *arguments, **options)

        stand.cloud.history.pages = noted  # type: ignore[method-assign,assignment]

        def tell(line: str) -> None:
            if "pending" in line:
                stand.cloud.history.policy = replace(stand.cloud.history.policy, lag_seconds=0.0)

        config = load(tmp_path / "journey.toml", {})
        options = VerifyOptions(margin_seconds=0.0, wait_seconds=2.0)
        verified = await verify(config, options, tell=tell)

    assert sorted(keys(stand, "missing")) == [key(n) for n in (7, 17, 27, 37)]
    assert (verified.summary.entered, verified.summary.pending) == (36, 0)
    assert list(dict.fromkeys(began)) == [3731, pytest.approx(661, abs=5)]
    assert began[-1] == 3731


async def test_what_nothing_can_decide_is_not_waited_for(tmp_path: Path) -> None:
    """Where history is not to be had, time does not help."""
    write_contacts(tmp_path / "contacts.csv", range(1, 12))
    async with standing(tmp_path, history="forbidden") as stand:
        await stand.inject()
        verified = await asked(stand, wait_seconds=3600.0, sample=0)

    assert verified.summary.pending == 11


async def test_the_unknown_are_settled_both_ways(tmp_path: Path) -> None:
    """Those who entered are accepted, the others may be sent again, and the books balance."""
    write_contacts(tmp_path / "contacts.csv", range(1, 41))
    faults = ("close:after_body,at=2,taken=true", "close:after_body,at=3,taken=false")
    sections = {"delivery": {"max_in_flight": 1, "requests_per_second": 1000.0}}
    async with standing(tmp_path, *faults, sections=sections, vanishing="15$") as stand:
        injected = await stand.inject(batch={"max_records": 10})
        assert injected.counts == (40, 20, 0, 20, 0)
        verified = await asked(stand)
        assert verified.told["unknown"] == {"entered": 9, "absent": 11, "undecided": 0}
        assert (verified.summary.accepted, verified.summary.unknown) == (29, 11)
        assert verified.summary.entered == 29
        assert len(lines_of(tmp_path / "run", "unknown")) == 11
        accepted = [
            k for line in lines_of(tmp_path / "run", "accepted") for k in line["contact_keys"]
        ]
        assert sorted(accepted) == [key(n) for n in (*range(1, 15), *range(16, 21), *range(31, 41))]

        again = await stand.inject(options=RunOptions(retry="absent"), batch={"max_records": 10})
        assert again.counts == (40, 40, 0, 0, 0)
        assert max(stand.taken().values()) == 2  # the one that vanished was taken before
        last = await asked(stand)

    assert keys(stand, "missing") == [key(15)]
    assert (last.summary.entered, last.summary.missing) == (39, 1)


async def test_nobody_unknown_is_absent_while_a_journey_is_paused(tmp_path: Path) -> None:
    """They may wait at its door: sent again by `retry --of absent`, they would enter twice."""
    write_contacts(tmp_path / "contacts.csv", range(1, 21))
    async with standing(tmp_path, "close:at=2,taken=true", journey_status="Paused") as stand:
        injected = await stand.inject(batch={"max_records": 10}, delivery={"max_in_flight": 1})
        assert injected.counts == (20, 10, 0, 10, 0)
        verified = await asked(stand)

    assert verified.told["unknown"] == {"entered": 0, "absent": 0, "undecided": 10}
    assert (verified.summary.missing, verified.summary.pending) == (10, 0)
    assert any("is paused, and whoever waits there" in note for note in verified.told["notes"])


async def test_the_missing_are_sent_again(tmp_path: Path) -> None:
    """And nobody else; what becomes of them is asked anew."""
    write_contacts(tmp_path / "contacts.csv", range(1, 41))
    async with standing(tmp_path, vanishing="7$") as stand:
        await stand.inject()
        assert (await asked(stand)).summary.missing == 4
        stand.cloud.journey.vanish(None)
        again = await stand.inject(options=RunOptions(retry="missing"))
        assert again.counts == (40, 40, 0, 0, 0)
        assert (again.summary["missing"], again.summary["pending"]) == (0, 4)
        assert sorted(keys(stand, "pending")) == [key(n) for n in (7, 17, 27, 37)]
        verified = await asked(stand)

    assert verified.exit_code == 0
    twice = {name for name, times in stand.taken().items() if times == 2}
    assert twice == {key(n) for n in (7, 17, 27, 37)}


@pytest.mark.parametrize("fault", ["truncated", "garbled", "close", "429", "503", "401", "html"])
async def test_a_download_that_breaks_is_begun_again(tmp_path: Path, fault: str) -> None:
    """Nothing of it counts twice, nothing is missed."""
    write_contacts(tmp_path / "contacts.csv", range(1, 61))
    async with standing(tmp_path, f"{fault}:on=history,at=3", vanishing="7$") as stand:
        await stand.inject()
        verified = await asked(stand)
        assert stand.cloud.summary()["history"]["requests"] == 4

    assert sorted(keys(stand, "missing")) == [key(n) for n in range(7, 61, 10)]
    assert verified.told["notes"] == [] or "data extension" in verified.told["notes"][0]


async def test_fewer_rows_than_announced_prove_nothing(tmp_path: Path) -> None:
    """A file that is cut where it looks whole: nobody is missing for it."""
    write_contacts(tmp_path / "contacts.csv", range(1, 61))
    async with standing(tmp_path) as stand:
        await stand.inject()
        pages = stand.cloud.history.pages

        def short(*arguments: Any, **options: Any) -> Any:
            for page in pages(*arguments, **options):
                yield b"".join(page.splitlines(keepends=True)[:21])

        stand.cloud.history.pages = short  # type: ignore[method-assign]
        verified = await asked(stand)

    assert (verified.summary.entered, verified.summary.pending) == (20, 40)
    assert set(reasons(stand, "pending").values()) == {"incomplete"}


@pytest.mark.parametrize("history", ["forbidden", "absent"])
async def test_without_history_a_sample_is_looked_for(tmp_path: Path, history: str) -> None:
    """Who is found inside has entered; of all others nothing is concluded."""
    write_contacts(tmp_path / "contacts.csv", range(1, 201))
    fault = "close:after_body,at=2,taken=false"
    async with standing(tmp_path, fault, history=history, vanishing="1$") as stand:
        await stand.inject()
        verified = await asked(stand, sample=60)
        lookups = stand.cloud.traffic[Scope.LOOKUP].requests

    told = verified.told
    assert (told["by"], told["sampled"]) == ("sample", 60)
    assert verified.summary.entered == told["seen"] > 40
    assert verified.summary.missing == 0
    assert verified.summary.unknown == 10
    assert told["unknown"]["absent"] == 0
    assert set(reasons(stand, "entered").values()) == {"in_journey_now"}
    assert not any(name.endswith("1") for name in keys(stand, "entered"))
    assert lookups < 12


async def test_a_file_that_would_be_too_large_is_asked_for_in_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the estimate; each entry lies in one of them."""
    monkeypatch.setattr("pipeline.verifying.window.FILE_BYTES", 300)
    write_contacts(tmp_path / "contacts.csv", range(1, 201))
    async with standing(tmp_path, history_file_bytes=300, vanishing="7$") as stand:
        await stand.inject()
        now = time.time()
        for number, batch in enumerate(stand.cloud.history._batches):
            batch.at = now - 3600 + 150 * number

        with closing(sqlite3.connect(tmp_path / "run" / "journal.db")) as connection, connection:
            connection.execute("UPDATE run SET started_at = ?", (now - 3700,))

        verified = await asked(stand)

    assert stand.cloud.summary()["history"]["requests"] > 10
    assert (verified.summary.entered, verified.summary.missing) == (180, 20)
    assert sorted(keys(stand, "missing")) == [key(n) for n in range(7, 201, 10)]


async def test_an_unfinished_run_is_verified_as_far_as_it_is(tmp_path: Path) -> None:
    """What comes later is pending until it is asked again; who was seen to enter stays so."""
    write_contacts(tmp_path / "contacts.csv", range(1, 41))
    async with standing(tmp_path) as stand:
        await stand.inject(options=RunOptions(limit=20))
        assert (await asked(stand)).summary.entered == 20
        rest = await stand.inject()
        assert (rest.summary["entered"], rest.summary["pending"]) == (20, 20)
        assert set(reasons(stand, "pending").values()) == {"not_asked"}
        stand.cloud.history.forget()
        lost = await asked(stand)
        assert (lost.summary.entered, lost.summary.missing) == (20, 20)


async def test_a_run_that_is_going_on_is_left_alone(tmp_path: Path) -> None:
    """It has the run directory; so it is with no run at all, or another's."""
    write_contacts(tmp_path / "contacts.csv", range(1, 4))
    async with standing(tmp_path) as stand:
        await stand.inject()
        with locked(tmp_path / "run"), pytest.raises(RunDirectoryError, match="in use by process"):
            await asked(stand)

        config = load(tmp_path / "journey.toml", {})
        journey = replace(config.journey, event_definition_key="APIEvent-2")
        other = config.model_copy(update={"journey": journey})
        with pytest.raises(RunDirectoryError, match="its journey is APIEvent-rehearsal"):
            await verify(other, VerifyOptions(), tell=lambda _: None)

        directory = replace(config.run, directory=str(tmp_path / "nowhere"))
        nowhere = config.model_copy(update={"run": directory})
        with pytest.raises(RunDirectoryError, match="holds no run yet"):
            await verify(nowhere, VerifyOptions(), tell=lambda _: None)

        with viewed(tmp_path / "run") as view, pytest.raises(UsageError, match="nobody has asked"):
            list(view.verified("missing"))


async def test_without_the_permission_to_read_journeys_nothing_is_told(tmp_path: Path) -> None:
    """The rows could not be told from those of other journeys."""
    write_contacts(tmp_path / "contacts.csv", range(1, 4))
    async with standing(tmp_path) as stand:
        await stand.inject()
        stand.cloud.schedule = Schedule([parse_fault("403:on=lookup")])
        with pytest.raises(PermissionDeniedError, match="may not read the journeys"):
            await asked(stand)


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        (
            {},
            [
                "has 10 rows more for 11 accepted contacts",
                "the journey counts 10 more since then",
            ],
        ),
        (UNCHECKED, ["holds 10 rows for 11 accepted contacts", "counts 10 in all its life"]),
    ],
    ids=["counted at the beginning", "not counted"],
)
async def test_counts_that_disagree_are_told(
    tmp_path: Path, sections: dict[str, Any], told: list[str]
) -> None:
    """Rows that are fewer than the accepted, and contacts that entered more often than sent."""
    write_contacts(tmp_path / "contacts.csv", range(1, 12))
    async with standing(tmp_path, sections=sections, vanishing="7$") as stand:
        if not sections:  # who was there before does not make up for those who are lost
            stand.cloud.journey.enter_before(["B1", "B2", "B3"], time.time() - 90 * 86_400)

        await stand.inject()
        stand.cloud.history.note(time.time(), [key(1), key(2)])
        notes = "\n".join((await asked(stand)).told["notes"])

    assert "2 contact keys entered more often than this run sent them" in notes
    assert "12 entries into" in notes
    for words in told:
        assert words in notes


async def test_a_journey_that_counts_more_than_history_tells_of(tmp_path: Path) -> None:
    """Somebody who seems to be missing may be in it; where history is late, that is nothing."""
    write_contacts(tmp_path / "contacts.csv", range(1, 12))
    async with standing(tmp_path) as stand:
        await stand.inject()
        stand.cloud.history.forget()
        late = stand.cloud.history.policy
        stand.cloud.history.policy = replace(late, lag_seconds=3600.0)
        assert not any("counts" in note for note in (await asked(stand)).told["notes"])
        stand.cloud.history.policy = late
        notes = "\n".join((await asked(stand)).told["notes"])

    assert "counts 11 entries since the run began, and history tells of 0" in notes
