"""Retries: contacts of a run are sent again, and the journal tells of each what is true now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import AlreadyInjectedError, RunDirectoryError
from pipeline.events import RetryStarted
from pipeline.intake.ranges import Ranges
from pipeline.running.legs import RunOptions
from pipeline.settling.recalled import RecalledSource
from pipeline.settling.view import viewed
from tests.fakes.audit import settled_so_far
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.injection import standing
from tests.fakes.processes import kill
from tests.fakes.program import Program, eventually
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REJECTED = RunOptions(retry="rejected")
UNKNOWN = RunOptions(retry="unknown")


def key(number: int) -> str:
    return f"C{number:05}"


def contacts(place: Path, number: int, name: str = "contacts.csv") -> dict[int, str | None]:
    write_contacts(place / name, range(1, number + 1))
    return {position: key(position) for position in range(1, number + 1)}


STRICT: dict[str, Any] = {
    "mapping": {"fields": {"EmailAddress": {"column": "email", "required": True}}}
}
LENIENT: dict[str, Any] = {
    "mapping": {"fields": {"EmailAddress": {"column": "email", "default": "no@example.com"}}}
}
"""A mapping that refuses whoever has no address, and the same, mended."""


def some_without(place: Path, *numbers: int, of: int = 30) -> dict[int, str | None]:
    """Contacts, some of whom have no address."""
    addresses = {n: "" if n in numbers else f"c{n}@example.com" for n in range(1, of + 1)}
    lines = [f"{key(n)},{address}\n" for n, address in addresses.items()]
    (place / "contacts.csv").write_text("customer_id,email\n" + "".join(lines))
    return {position: key(position) for position in range(1, of + 1)}


async def test_mended_mapping(tmp_path: Path) -> None:
    """Whoever a rule refused is sent once the rule is mended, and nobody else is."""
    async with standing(tmp_path) as stand:
        stands = some_without(tmp_path, 3, 17, 30)
        first = await stand.inject(**STRICT)
        assert first.counts == (30, 27, 3, 0, 0)
        retried = await stand.inject(options=REJECTED, **LENIENT)
        assert retried.counts == (30, 30, 0, 0, 0)
        assert retried.exit_code == 0
        (told,) = retried.seen(RetryStarted)
        assert (told.outcome, told.contacts, told.continued) == ("rejected", 3, False)
        assert retried.lines("rejected") == []
        stand.audit(stands)


async def test_still_refused(tmp_path: Path) -> None:
    """What is not mended is rejected again, once, and may be tried as often as one likes."""
    async with standing(tmp_path, poison_keys=(key(5),)) as stand:
        stands = some_without(tmp_path, 3)
        await stand.inject(**STRICT)
        for _ in range(2):
            retried = await stand.inject(options=REJECTED, **STRICT)
            assert retried.counts == (30, 28, 2, 0, 0)
            assert retried.exit_code == 1
            assert {line["position"] for line in retried.lines("rejected")} == {3, 5}

        stand.audit(stands)


async def test_unknown(tmp_path: Path) -> None:
    """Unknown contacts are sent again because somebody says so: some of them come twice."""
    async with standing(tmp_path, "close:after_body,at=2,taken=true") as stand:
        contacts(tmp_path, 30)
        first = await stand.inject()
        assert first.counts == (30, 20, 0, 10, 0)
        retried = await stand.inject(options=UNKNOWN)
        assert retried.counts == (30, 30, 0, 0, 0)
        unknown = {line["contact_key"] for line in first.lines("unknown")} or set(stand.taken())
        assert {name for name, times in stand.taken().items() if times == 2} <= unknown
        assert sorted(stand.taken().values()) == [1] * 20 + [2] * 10


async def test_unknown_and_then_refused(tmp_path: Path) -> None:
    """Refused the second time, a contact is rejected, and may have been taken the first time."""
    fault = "close:after_body,at=1,taken=true"
    async with standing(tmp_path, fault, poison_keys=(key(4),)) as stand:
        contacts(tmp_path, 10)
        await stand.inject()
        retried = await stand.inject(options=UNKNOWN)
        assert retried.counts == (10, 9, 1, 0, 0)
        (line,) = retried.lines("rejected")
        assert line["position"] == 4
        assert line["detail"].endswith("; an earlier attempt may have been taken")


async def test_unknown_and_not_to_be_mapped_any_more(tmp_path: Path) -> None:
    """What is not sent again is as unknown as before, whatever the mapping makes of it."""
    async with standing(tmp_path, "close:after_body,at=1,taken=true") as stand:
        some_without(tmp_path, 3, of=10)
        await stand.inject(**LENIENT)
        retried = await stand.inject(options=UNKNOWN, **STRICT)
        assert retried.counts == (10, 9, 0, 1, 0)
        (line,) = retried.lines("unknown")
        assert (line["position"], line["stage"]) == (3, "mapping")
        assert line["detail"].endswith("; an earlier attempt may have been taken")


async def test_unknown_again(tmp_path: Path) -> None:
    """A retry that ends in doubt leaves its contacts unknown, and they can be retried again."""
    async with standing(tmp_path, "close:after_body,at=1+2,taken=true") as stand:
        contacts(tmp_path, 10)
        await stand.inject()
        assert (await stand.inject(options=UNKNOWN)).counts == (10, 0, 0, 10, 0)
        assert (await stand.inject(options=UNKNOWN)).counts == (10, 10, 0, 0, 0)
        assert set(stand.taken().values()) == {3}


async def test_limit_and_the_rest(tmp_path: Path) -> None:
    """A retry that was stopped goes on with whom it had not come to; nobody twice."""
    async with standing(tmp_path, "close:after_body,at=1+3,taken=true") as stand:
        contacts(tmp_path, 10)
        await stand.inject()
        limited = await stand.inject(options=replace(UNKNOWN, limit=4))
        assert limited.counts == (10, 4, 0, 6, 0)
        again = await stand.inject(options=UNKNOWN)
        (told,) = again.seen(RetryStarted)
        assert (told.contacts, told.continued) == (6, True)
        assert again.counts == (10, 4, 0, 6, 0)
        assert sorted(stand.taken().values()) == [2] * 10


async def test_nobody(tmp_path: Path) -> None:
    """Where nobody has the outcome nothing is sent, and the run stands as it stood."""
    async with standing(tmp_path) as stand:
        contacts(tmp_path, 10)
        await stand.inject(options=RunOptions(limit=5))
        retried = await stand.inject(options=UNKNOWN)
        assert (retried.counts, retried.exit_code) == ((5, 5, 0, 0, 0), 0)
        assert retried.seen(RetryStarted)[0].contacts == 0
        assert (await stand.inject()).counts == (10, 10, 0, 0, 0)


async def test_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """A run need not be finished: the retry leaves what was never read to the run."""
    async with standing(tmp_path) as stand:
        stands = some_without(tmp_path, 3, 17, 29)
        await stand.inject(options=RunOptions(limit=18), **STRICT)
        retried = await stand.inject(options=REJECTED, **LENIENT)
        assert retried.counts == (20, 20, 0, 0, 0)
        finished = await stand.inject(**LENIENT)
        assert finished.counts == (30, 30, 0, 0, 0)
        stand.audit(stands)


async def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    """`run` does not send everybody again because a retry was broken off, and says how to go on."""
    async with standing(tmp_path, "close:after_body,at=1,taken=true") as stand:
        contacts(tmp_path, 10)
        await stand.inject()
        await stand.inject(options=replace(UNKNOWN, limit=4))
        with pytest.raises(AlreadyInjectedError, match=r"`retry --of unknown` goes on with"):
            await stand.inject()


async def test_another_outcome_begins_another_retry(tmp_path: Path) -> None:
    """Whoever one retry did not come to is still what it was, and can be retried later."""
    async with standing(tmp_path, "close:after_body,at=1,taken=true") as stand:
        some_without(tmp_path, 13, 14, of=20)
        await stand.inject(**STRICT)
        await stand.inject(options=replace(UNKNOWN, limit=4), **STRICT)
        retried = await stand.inject(options=REJECTED, **LENIENT)
        assert retried.counts == (20, 14, 0, 6, 0)
        again = await stand.inject(options=UNKNOWN, **STRICT)
        assert not again.seen(RetryStarted)[0].continued
        assert again.counts == (20, 20, 0, 0, 0)


async def test_source_that_has_changed(tmp_path: Path) -> None:
    """Positions mean other records in another file: nobody is sent, and the way out is told."""
    async with standing(tmp_path) as stand:
        some_without(tmp_path, 3)
        await stand.inject(**STRICT)
        some_without(tmp_path)
        with pytest.raises(RunDirectoryError, match=r"has grown since.*`results --of rejected`"):
            await stand.inject(options=REJECTED, **STRICT)

        assert len(stand.taken()) == 29


async def test_source_read_in_another_way(tmp_path: Path) -> None:
    """So they do where the file is cut into records in another way."""
    async with standing(tmp_path) as stand:
        some_without(tmp_path, 3)
        await stand.inject(**STRICT)
        (tmp_path / "contacts.csv").rename(tmp_path / "contacts.ndjson")
        with pytest.raises(RunDirectoryError, match=r"was read as csv.*and now as ndjson"):
            await stand.inject("contacts.ndjson", REJECTED, **STRICT)


async def test_no_run(tmp_path: Path) -> None:
    """There must be a run to retry."""
    async with standing(tmp_path) as stand:
        contacts(tmp_path, 3)
        with pytest.raises(RunDirectoryError, match=r"run holds no run yet: there is nobody"):
            await stand.inject(options=REJECTED)


async def test_several_files(tmp_path: Path) -> None:
    """Each source is read where it has somebody to send, and no further."""
    async with standing(tmp_path) as stand:
        for name, bad in (("a.csv", [2]), ("b.csv", []), ("c.csv", [30])):
            some_without(tmp_path, *bad)
            (tmp_path / "contacts.csv").rename(tmp_path / name)

        first = await stand.inject("?.csv", **STRICT)
        assert first.counts == (90, 88, 2, 0, 0)
        retried = await stand.inject("?.csv", REJECTED, **LENIENT)
        assert retried.counts == (90, 90, 0, 0, 0)


async def test_more_than_the_budget(tmp_path: Path) -> None:
    """A retry mends failures and makes none: it is the way out where too many failed."""
    async with standing(tmp_path) as stand:
        stands = some_without(tmp_path, 1, 2, 3)
        budget: dict[str, Any] = {"delivery": {"max_errors": 2}}
        first = await stand.inject(**STRICT, **budget)
        assert first.exit_code == 4
        await stand.inject(options=REJECTED, **LENIENT, **budget)
        finished = await stand.inject(**LENIENT, **budget)
        assert (finished.counts, finished.exit_code) == ((30, 30, 0, 0, 0), 0)
        stand.audit(stands)


# What came through a pipe


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--poison", key(7), "--keep-data") as simulator:
        yield simulator


def piped(
    place: Path, simulator: SimulatorProcess, rule: dict[str, Any], form: str = "csv"
) -> None:
    simulator.reset()
    path = write_config(
        place / "journey.toml",
        url=simulator.url,
        source="-",
        journey={"check_fields": form == "csv"},
        batch={"max_records": 10},
        delivery={"requests_per_second": 1000.0, "max_in_flight": 1},
        **rule,
    )
    path.write_text(path.read_text().replace('"url" = "-"', f'url = "-"\nformat = "{form}"'))


def settled(run: Path) -> dict[str, list[tuple[str, int]]]:
    return settled_so_far(run) if (run / "journal.db").exists() else {"unknown": []}


def table(*without: int, of: int = 30) -> bytes:
    lines = [f"{key(n)},{'' if n in without else f'c{n}@example.com'}" for n in range(1, of + 1)]
    return "\n".join(["customer_id,email", *lines]).encode()


def test_pipe(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Standard input is not read again: what the journal has of the rejected is sent."""
    piped(tmp_path, simulator, STRICT)
    with Program(tmp_path) as program:
        assert program("run", "journey.toml", stdin=table(3, 17)).code == 1
        piped(tmp_path, simulator, LENIENT)
        running = program.start("retry", "journey.toml", "--of", "rejected", "--json")
        eventually(lambda: not running.alive())  # though its standard input stays open
        ran = running.ended()
        assert (ran.code, ran.json["accepted"], ran.json["rejected"]) == (1, 29, 1)
        assert {line["contact_key"] for line in simulator.contacts(taken="1+")} == {key(3), key(17)}


def test_pipe_recalled_by_threads(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Where threads encode, each chunk is read in whichever is free, and so is the end."""
    piped(tmp_path, simulator, STRICT)
    with Program(tmp_path) as program:
        assert program("run", "journey.toml", stdin=table(3, 17)).code == 1

    with viewed(tmp_path / "run") as view:
        (known,) = view.run().identity.sources

    chunks = RecalledSource(path=tmp_path / "run" / "journal.db", known=known).chunks(Ranges())
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        first = one.submit(next, chunks).result()
        rest = other.submit(list, chunks).result()
        assert [each.positions for each in (first, *rest)] == [[3], [7], [17]]


def test_pipe_and_the_unknown(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Unknown contacts are sent as they were; those of a dead process are beyond recall."""
    piped(tmp_path, simulator, LENIENT)
    simulator.set_faults("close:after_body,at=1,taken=true", "hang:at=2")
    with Program(tmp_path) as program:
        running = program.start("run", "journey.toml")
        running.stdin.write(table())
        running.stdin.close()
        eventually(lambda: len(settled(tmp_path / "run")["unknown"]) == 10)
        eventually(lambda: simulator.summary()["requests"]["requests"] == 2)
        kill(running.pid)
        running.ended()
        simulator.set_faults()
        ran = program("retry", "journey.toml", "--of", "unknown", "--json")
        assert (ran.json["accepted"], ran.json["unknown"]) == (9, 10)
        assert ran.json["state"] == "interrupted"  # the run is
        assert ran.json["rejected"] == 1  # C00007
        assert "9 more" not in ran.stderr
        assert "10 more stay as they are: their source cannot be read again" in ran.stderr
        again = program("retry", "journey.toml", "--of", "unknown", "--json")
        assert (again.code, again.json["unknown"]) == (1, 10)
        assert again.json["state"] == "interrupted"  # the run is not finished
        assert "no unknown contacts to send again; 10 stay as they are" in again.stderr
        finished = program("run", "journey.toml", "--json", stdin=table())
        assert (finished.json["accepted"], finished.json["unprocessed"]) == (19, 0)


def test_pipe_of_exact_records(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Recalled, a number has its digits still, and what the journal cannot hold stays rejected."""
    records = (
        b'{"id":"a","email":"","n":12345678901234567890123,"x":0.1000000000000000055511151231257827}\n'
        b'{"id":"b","email":"","t":"\\ud800"}\n'
    )
    for rule in (STRICT, LENIENT):
        fields = {**rule["mapping"]["fields"], "n": "n", "x": "x"}
        piped(tmp_path, simulator, {"mapping": {"contact_key": "id", "fields": fields}}, "ndjson")
        verb = ("run",) if rule is STRICT else ("retry", "--of", "rejected")
        with Program(tmp_path) as program:
            ran = program(verb[0], "journey.toml", "--json", *verb[1:], stdin=records)

        accepted = 0 if rule is STRICT else 1
        assert (ran.json["accepted"], ran.json["rejected"]) == (accepted, 2 - accepted)

    assert "1 more stay as they are" in ran.stderr
    (taken,) = simulator.contacts(taken="1+")
    assert taken["data"]["n"] == 12345678901234567890123
