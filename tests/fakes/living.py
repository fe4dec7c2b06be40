"""A run that lives for days, by a told clock: what became of whom, as files and journal tell it.

`python -m tests.fakes.living DIRECTORY BEGAN` is a process that lives such a run, to be killed: a
day of it takes a third of a second, BEGAN being the moment at which it was DAY. It says on stdout
`settled FIRST LAST OUTCOME` when an outcome is on disk.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import orjson

from pipeline.intake.source import Mark
from pipeline.settling.compaction import contacts_of
from pipeline.settling.contacts import outcome_name
from pipeline.settling.journal import Journal
from pipeline.settling.opening import begin, replay, resume
from pipeline.settling.parts import remember_part
from pipeline.settling.result_file import holds
from pipeline.settling.results import NAMES, write_part
from pipeline.settling.rotation import next_day
from pipeline.settling.schema import opened_to_read
from pipeline.settling.store import FILE_NAME
from pipeline.settling.upkeep import Upkeep
from pipeline.settling.view import viewed
from tests.fakes.runs import ACCEPTED, DAY, REFUSED, UNHEARD, identity_of, rejection, settlement
from tests.fakes.sealed import key_of, make_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import Any

    from pipeline.intake.ranges import Ranges
    from pipeline.packing.batch import Batch
    from pipeline.sending.outcome import Outcome
    from pipeline.settling.store import JournalStore

__all__ = ("Life", "told_in_files", "told_in_journal")

SOURCE = "contacts.csv"
DAYS_A_SECOND = 3.0
KEEP_DAYS = 2.0


class Life:
    """A store, the time it is told, and what it was told became of whom."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = DAY
        self.outcomes: dict[int, str] = {}
        self.read = 0
        self.next_batch_id = 1
        self.in_flight: list[Batch] = []
        self.store = opened(directory, lambda: self.now)

    def made(self, positions: Sequence[int]) -> Batch:
        batch = make_batch(self.next_batch_id, positions)
        self.next_batch_id += 1
        return batch

    def read_on(self, count: int) -> range:
        self.read += count
        return range(self.read - count + 1, self.read + 1)

    def dispatched(self, count: int, *, gaps: bool = False, alone: bool = True) -> Batch:
        """The next contacts, every third of them rejected where there are `gaps`."""
        positions = self.read_on(count)
        gone = positions[1::3] if gaps else ()
        batch = self.made([at for at in positions if at not in gone])
        if alone:
            with self.store.transaction():
                self._dispatch(batch, gone)
        else:
            self._dispatch(batch, gone)

        self.in_flight.append(batch)
        return batch

    def _dispatch(self, batch: Batch, gone: Sequence[int]) -> None:
        self.store.dispatched(batch, 1)
        mark = Mark(self.read, None)
        self.store.settle((), [rejection(at) for at in gone], {SOURCE: mark})
        self.outcomes.update(dict.fromkeys(gone, "rejected"))

    def settle(self, batch: Batch, outcome: Outcome = ACCEPTED) -> None:
        """Within a transaction."""
        self.store.settle([settlement(batch, outcome)], (), {})
        if batch in self.in_flight:
            self.in_flight.remove(batch)

        places = [position for _, position in batch.places()]
        self.outcomes.update(dict.fromkeys(places, outcome_name(outcome)))

    def accept(self, count: int, *, gaps: bool = False) -> None:
        self.fail(count, ACCEPTED, gaps=gaps)

    def fail(self, count: int, outcome: Outcome, *, gaps: bool = False) -> None:
        batch = self.dispatched(count, gaps=gaps)
        with self.store.transaction():
            self.settle(batch, outcome)

    def reject(self, count: int) -> None:
        positions = self.read_on(count)
        with self.store.transaction():
            mark = Mark(self.read, None)
            self.store.settle((), [rejection(at) for at in positions], {SOURCE: mark})

        self.outcomes.update(dict.fromkeys(positions, "rejected"))

    def message(self, identity: str) -> None:
        """A message without a contact that would be sent, acknowledged at once."""
        with self.store.transaction():
            self.store.messages.take(SOURCE, [(identity, 0, False)])
            self.store.messages.acknowledged(SOURCE, [identity])

    def accepted_places(self) -> dict[int, list[tuple[int, int]]]:
        """(ordinal, position) of the contacts of each accepted batch."""
        with viewed(self.directory) as view:
            found: dict[int, list[tuple[int, int]]] = {}
            for contact in view.accepted():
                found.setdefault(contact.batch, []).append((0, contact.position))

        return found

    def rotate(self) -> list[str]:
        with self.store.transaction():
            return self.store.rotation.rotate(self.now)

    def live_days(self, days: int, *, batches: int) -> None:
        """So many days of so many accepted batches of three, each put aside at its end."""
        for _ in range(days):
            for _ in range(batches):
                self.accept(3)

            self.now = next_day(self.now)
            self.rotate()
            self.now += 1.0

    def begin_to_compact(self, keep_days: float) -> bool:
        """What upkeep.py does, without its tasks; whether a day is old enough."""
        with self.store.transaction():
            part = self.store.compaction.ripe(self.now - keep_days * 86_400)

        if part is None:
            return False

        with closing(opened_to_read(self.directory / FILE_NAME)) as connection:
            written, crc = part.bytes, part.crc
            if not holds(self.directory / part.file, written, crc):
                written, crc = write_part(connection, self.directory, part)

            contacts = contacts_of(connection, part)

        with self.store.transaction():
            remember_part(self.store.connection, part, written=written, crc=crc)
            return self.store.compaction.begin(part, contacts=contacts)

    def compact_step(self, most: int = 3) -> int:
        with self.store.transaction():
            return self.store.compaction.step(most)

    def compact(self, keep_days: float) -> None:
        while self.begin_to_compact(keep_days):
            while self.compact_step():
                pass

    def come_back(self, directory: Path) -> None:
        """The process has ended, or died and left `directory`; the next one opens the run."""
        if directory == self.directory:
            self.store.close()
        else:
            self.store.connection.close()

        for batch in self.in_flight:
            places = [position for _, position in batch.places()]
            self.outcomes.update(dict.fromkeys(places, "unknown"))

        self.in_flight.clear()
        self.directory = directory
        self.store = opened(directory, lambda: self.now)
        self.next_batch_id = replay(self.store.connection).next_batch_id

    def files(self) -> set[str]:
        return {path.name for path in self.directory.glob("accepted*.ndjson")}

    def check(
        self, directory: Path | None = None, *, settled: Collection[int] | None = None
    ) -> None:
        """Files, journal and their counts say what became of everybody; or of those `settled`."""
        directory = directory or self.directory
        outcomes = {
            position: outcome
            for position, outcome in self.outcomes.items()
            if settled is None or position in settled
        }
        expected = Counter((outcome, key_of(SOURCE, at)) for at, outcome in outcomes.items())
        assert anonymous(told_in_files(directory)) == anonymous(expected)
        assert told_in_journal(directory) == Counter(
            (outcome, at) for at, outcome in outcomes.items()
        )
        with viewed(directory) as view:
            summary = view.summary()

        told = Counter(outcomes.values())
        assert [getattr(summary, name) for name in NAMES] == [told[name] for name in NAMES]
        if settled is None:
            assert summary.read == self.read


def anonymous(told: Mapping[tuple[str, Any], int]) -> Counter[tuple[str, str | None]]:
    """A record that broke a rule has no key here."""
    found: Counter[tuple[str, str | None]] = Counter()
    for (outcome, key), times in told.items():
        found[outcome, key if outcome == "accepted" else None] += times

    return found


def opened(directory: Path, clock: Callable[[], float]) -> JournalStore:
    """The run's store, begun where there is none."""
    identity = identity_of()
    if not (directory / FILE_NAME).exists():
        return begin(
            directory,
            run_id="20261123-164312-3f9a",
            identity=identity,
            endpoint="events",
            clock=clock,
        )

    store, _ = resume(directory, identity=identity, endpoint="events", clock=clock)
    return store


def told_in_files(directory: Path) -> Counter[tuple[str, str | None]]:
    """(outcome, key) of every line of every day."""
    told: Counter[tuple[str, str | None]] = Counter()
    for name in NAMES:
        for path in (directory / f"{name}.ndjson", *directory.glob(f"{name}-*.ndjson")):
            for line in map(orjson.loads, path.read_bytes().splitlines()):
                keys = line["contact_keys"] if name == "accepted" else [line["contact_key"]]
                told.update((name, key) for key in keys)

    return told


def told_in_journal(directory: Path) -> Counter[tuple[str, int]]:
    """(outcome, position) of everybody, each accepted one under its own key."""
    with viewed(directory) as view:
        told: Counter[tuple[str, int]] = Counter()
        for contact in view.accepted():
            assert contact.contact_key == key_of(contact.source, contact.position)
            told["accepted", contact.position] += 1

        for row in view.failed("rejected"):
            told["rejected", row.position] += 1

        for row in view.failed("unknown"):
            told["unknown", row.position] += 1

        return told


async def _live(directory: Path, began: float) -> None:
    """Settle, and keep the directory small, for ever."""

    def clock() -> float:
        return DAY + (time.time() - began) * 86_400 * DAYS_A_SECOND

    store = opened(directory, clock)
    where = replay(store.connection)
    done, ids = where.done[SOURCE], where.next_batch_id
    async with Journal(store) as journal, anyio.create_task_group() as tasks:
        upkeep = Upkeep(
            journal,
            directory,
            keep_seconds=KEEP_DAYS * 86_400,
            remember_seconds=KEEP_DAYS * 86_400,
            emit=lambda _: None,
            clock=clock,
        )

        async def keep_up() -> None:
            while True:
                await upkeep.once(rest_seconds=0.001)
                await anyio.sleep(0.002)

        tasks.start_soon(keep_up)
        for number, positions in enumerate(_stretches(done)):
            batch = make_batch(ids + number, positions)
            outcome = (ACCEPTED, ACCEPTED, REFUSED, ACCEPTED, UNHEARD)[number % 5]
            await journal.dispatched(batch, 1)
            await journal.settle([settlement(batch, outcome)], (), {})
            name = outcome_name(outcome)
            sys.stdout.write(f"settled {positions[0]} {positions[-1]} {name}\n")
            sys.stdout.flush()


def _stretches(done: Ranges) -> Iterator[range]:
    first = 1
    while True:
        if not done.touches(first, first + 4):
            yield range(first, first + 5)

        first += 5


if __name__ == "__main__":
    anyio.run(partial(_live, Path(sys.argv[1]), float(sys.argv[2])))
