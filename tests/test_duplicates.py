"""Runs whose sources name contacts more than once."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pipeline.config import load
from pipeline.errors import UsageError
from pipeline.events import DuplicatesDecided
from pipeline.running.legs import RunOptions
from pipeline.settling.view import viewed
from pipeline.verbs.rehearsal import rehearse
from tests.fakes.audit import audit
from tests.fakes.configs import write_config
from tests.fakes.injection import standing
from tests.fakes.processes import kill
from tests.fakes.program import Program, eventually
from tests.fakes.runs import lines_of
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

HEADER = "customer_id,EmailAddress,FirstName\n"


def write(path: Path, keys: Sequence[str], *, bad: Sequence[int] = ()) -> Path:
    """A row for each key; those at the positions in `bad` have no e-mail address."""
    rows = (
        f"{key},{'' if at in bad else 'a@example.com'},Row {at}\n" for at, key in enumerate(keys, 1)
    )
    path.write_text(HEADER + "".join(rows))
    return path


def names(place: Path) -> dict[int, str]:
    """What was said of each dropped contact, by its position."""
    return {
        line["position"]: line["detail"]
        for line in lines_of(place / "run", "rejected")
        if line["reason"] == "duplicate_contact_key"
    }


@pytest.mark.parametrize(
    ("mode", "sent", "kept"),
    [
        ("first", {"A": "Row 1", "B": "Row 2", "C": "Row 4"}, {3: 1, 5: 2, 6: 1}),
        ("last", {"A": "Row 6", "B": "Row 5", "C": "Row 4"}, {1: 6, 2: 5, 3: 6}),
    ],
)
async def test_one_of_each(
    mode: str, sent: dict[str, str], kept: dict[int, int], tmp_path: Path
) -> None:
    """The others are rejected, each naming the position that is sent in its stead."""
    write(tmp_path / "contacts.csv", ["A", "B", "A", "C", "B", "A"])
    async with standing(tmp_path, keep_data=True) as stand:
        injected = await stand.inject(mapping={"duplicates": mode})
        assert (injected.exit_code, injected.counts) == (1, (6, 3, 3, 0, 0))
        assert {key: data["FirstName"] for key, data in stand.data().items()} == sent
        assert set(stand.taken().values()) == {1}

    told = "has the same contact key, and is the one that is sent"
    assert names(tmp_path) == {
        position: f"record {other} of contacts.csv {told}" for position, other in kept.items()
    }
    line = injected.lines("rejected")[0]
    assert line["stage"] == "mapping"
    assert line["contact_key"] == line["record"]["ContactKey"]
    decided = injected.seen(DuplicatesDecided)[-1]
    assert decided == DuplicatesDecided(contacts=6, dropped=3, kept=mode)


async def test_all_are_sent_unless_it_is_asked(tmp_path: Path) -> None:
    """The default keeps every contact: a journey may want a contact's every visit."""
    write(tmp_path / "contacts.csv", ["A", "B", "A"])
    async with standing(tmp_path) as stand:
        injected = await stand.inject()
        assert (injected.exit_code, injected.counts) == (0, (3, 3, 0, 0, 0))
        assert injected.summary["duplicates"] == 1
        assert stand.taken() == {"A": 2, "B": 1}

    assert injected.seen(DuplicatesDecided) == []


async def test_they_are_counted_over_all_legs(tmp_path: Path) -> None:
    """Whatever became of them; a run without any has nothing to tell."""
    write(tmp_path / "contacts.csv", ["A", "B", "A", "C", "C", "A"], bad=[5])
    async with standing(tmp_path, poison_keys=("B",)) as stand:
        limited = await stand.inject(options=RunOptions(limit=2))
        assert "duplicates" not in limited.summary
        injected = await stand.inject()
        assert injected.counts == (6, 4, 2, 0, 0)
        assert injected.summary["duplicates"] == 3
        with viewed(tmp_path / "run") as view:
            assert view.summary().to_dict() == injected.summary

        write(tmp_path / "more.csv", ["A", "B", "C"])
        assert "duplicates" not in (await stand.inject("more.csv")).summary


async def test_a_record_that_breaks_a_rule_is_kept_by_nobody(tmp_path: Path) -> None:
    """Only contacts are compared: the first row of A is no contact, so the second is the first."""
    write(tmp_path / "contacts.csv", ["A", "A", "A"], bad=[1])
    async with standing(tmp_path, keep_data=True) as stand:
        injected = await stand.inject(mapping={"duplicates": "first"})
        assert injected.counts == (3, 1, 2, 0, 0)
        assert stand.data()["A"]["FirstName"] == "Row 2"

    reasons = {line["position"]: line["reason"] for line in injected.lines("rejected")}
    assert reasons == {1: "missing_field", 3: "duplicate_contact_key"}


async def test_over_several_files(tmp_path: Path) -> None:
    """The files are one list, in the order of their names."""
    write(tmp_path / "part1.csv", ["A", "B"])
    write(tmp_path / "part2.csv", ["B", "C", "A"])
    async with standing(tmp_path) as stand:
        injected = await stand.inject("part*.csv", mapping={"duplicates": "last"})
        assert injected.counts == (5, 3, 2, 0, 0)
        assert stand.taken() == {"A": 1, "B": 1, "C": 1}

    details = [line["detail"].split(" has")[0] for line in injected.lines("rejected")]
    assert sorted(details) == ["record 1 of part2.csv", "record 3 of part2.csv"]


@pytest.mark.parametrize(("mode", "read"), [("first", 5), ("last", 4)])
async def test_a_limit_counts_what_is_sent(mode: str, read: int, tmp_path: Path) -> None:
    """The rest comes with the next run, which goes by what was decided for the whole."""
    write(tmp_path / "contacts.csv", ["A", "A", "B", "A", "C", "C", "D"])
    async with standing(tmp_path) as stand:
        mapping = {"duplicates": mode}
        limited = await stand.inject(
            options=RunOptions(limit=3 if mode == "first" else 2), mapping=mapping
        )
        sent = {"A", "B", "C"} if mode == "first" else {"A", "B"}
        assert limited.counts == (read, len(sent), read - len(sent), 0, 0)
        assert stand.taken().keys() == sent
        resumed = await stand.inject(mapping=mapping)
        assert (resumed.exit_code, resumed.counts) == (1, (7, 4, 3, 0, 0))
        assert resumed.seen(DuplicatesDecided) == []
        assert stand.taken() == {"A": 1, "B": 1, "C": 1, "D": 1}


@pytest.mark.parametrize(("begun", "then"), [("keep", "first"), ("first", "last"), ("last", None)])
async def test_the_rule_cannot_be_changed_in_mid_run(
    begun: str, then: str | None, tmp_path: Path
) -> None:
    """A contact that is sent cannot be the one that is not: the run is refused, not bent."""
    write(tmp_path / "contacts.csv", ["A", "A", "B"])
    async with standing(tmp_path) as stand:
        await stand.inject(options=RunOptions(limit=2), mapping={"duplicates": begun})
        changed = await stand.inject(mapping={"duplicates": then})
        assert isinstance(changed.error, UsageError)
        assert f'begun with mapping.duplicates = "{begun}"' in str(changed.error)
        assert changed.exit_code == 2
        back = await stand.inject(mapping={"duplicates": begun})
        assert back.summary["state"] == "completed"


@pytest.mark.parametrize("mode", ["keep", "first", "last"])
@pytest.mark.parametrize("limit", [None, 3])
async def test_a_dry_run_tells_what_a_run_would_do(
    mode: str, limit: int | None, tmp_path: Path
) -> None:
    """It leaves out whom a run leaves out, counts alike, and leaves nothing behind."""
    write(tmp_path / "contacts.csv", ["A", "B", "A", "C", "B", "A", "D"], bad=[7])
    async with standing(tmp_path) as stand:
        path = stand.configured(mapping={"duplicates": mode})
        rehearsal = await rehearse(load(path, {}), limit=limit, emit=lambda _: None)
        assert not (tmp_path / "run").exists()
        injected = await stand.inject(mapping={"duplicates": mode}, options=RunOptions(limit=limit))

    told = rehearsal.as_summary()
    names = ("read", "rejected", "batches")
    assert [told[name] for name in names] == [injected.summary[name] for name in names]
    assert (told["unprocessed"], told["accepted"]) == (injected.summary["accepted"], 0)
    assert rehearsal.reasons == Counter(line["reason"] for line in injected.lines("rejected"))
    if limit is None:  # a run counts them once all is read
        assert told["duplicates"] == injected.summary["duplicates"] == 3
        assert "3 contacts share their key with an earlier one" in "\n".join(rehearsal.lines())


# Killed, and from a pipe: in processes of their own


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess("--latency", "0.01") as simulator:
        yield simulator


CONTACTS = 3_000
KEYS = 2_000


def has_taken(simulator: SimulatorProcess, contacts: int) -> bool:
    count: int = simulator.summary()["contacts"]["taken"]
    return count >= contacts


def many() -> list[str]:
    """Three thousand contacts, half of the first two thousand keys twice."""
    return [f"C{number % KEYS:05}" for number in range(CONTACTS)]


def configured(place: Path, simulator: SimulatorProcess, *, mode: str, source: str) -> None:
    simulator.reset()
    write_config(
        place / "journey.toml",
        url=simulator.url,
        source=source,
        mapping={"duplicates": mode},
        batch={"max_records": 50},
    )


def audited(place: Path, simulator: SimulatorProcess, *, mode: str, source: str) -> None:
    """One of each key has an outcome of its own; the others name it."""
    numbers = range(KEYS) if mode == "first" else range(CONTACTS - KEYS, CONTACTS)
    kept = {many()[number]: number + 1 for number in numbers}
    stands = {(source, at): key if kept[key] == at else None for at, key in enumerate(many(), 1)}
    dropped = names(place)
    assert dropped.keys() == {at for (_, at), key in stands.items() if key is None}
    for at, detail in dropped.items():
        assert detail.startswith(f"record {kept[many()[at - 1]]} of {source} has")

    audit(place / "run", stands, simulator.contacts())


@pytest.mark.parametrize("mode", ["first", "last"])
def test_killed_and_gone_on_with(
    mode: str, program: Program, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """Whether it was decided or not: nobody is sent twice, and nobody left out."""
    write(tmp_path / "contacts.csv", many())
    configured(tmp_path, simulator, mode=mode, source="contacts.csv")
    for taken in (0, 500, 1_200):
        with program.start("run", "journey.toml") as running:
            eventually((tmp_path / "run/journal.db").exists)
            eventually(partial(has_taken, simulator, taken))
            kill(running.pid)

    ran = program("run", "journey.toml", "--json")
    assert (ran.code, ran.json["state"], ran.json["read"]) == (1, "completed", CONTACTS)
    audited(tmp_path, simulator, mode=mode, source="contacts.csv")


@pytest.mark.parametrize("mode", ["first", "last"])
def test_from_a_pipe(
    mode: str, program: Program, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """Standard input is kept until it has ended; given again after a kill, it goes on."""
    content = write(tmp_path / "contacts.csv", many()).read_bytes()
    configured(tmp_path, simulator, mode=mode, source="-")
    with program.start("run", "journey.toml") as running:
        running.stdin.write(content)
        running.stdin.close()
        eventually(partial(has_taken, simulator, 500))
        kill(running.pid)

    ran = program("run", "journey.toml", "--json", stdin=content)
    assert (ran.code, ran.json["state"], ran.json["read"]) == (1, "completed", CONTACTS)
    audited(tmp_path, simulator, mode=mode, source="stdin")
    dry = program("run", "journey.toml", "--dry-run", "--json", stdin=content)
    assert (dry.code, dry.json["rejected"], dry.json["unprocessed"]) == (1, CONTACTS - KEYS, KEYS)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert not {name for name in files if name.startswith("tmp")}
