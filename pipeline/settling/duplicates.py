"""Duplicates: contacts of a run that share a contact key, and which of them is sent.

With `mapping.duplicates = "first"` or `"last"` all sources are read once before anything is sent.
Among the contacts of a key (records that break no rule), over all sources in their order, the first
or the last is kept. Every other one is in the journal's table from then on, beside the place of the
one that is kept:

    duplicate_mode  one row: "first" or "last", written together with the decisions
    duplicate       (source, position, kept_source, kept_position)

So it is decided once for the whole run, in one transaction: killed before, it is decided anew;
killed afterwards, every leg goes by the same decisions, and a contact that was sent is the one that
was kept. Both tables are there only where they were asked for.

Memory is bounded: keys lie in temporary files by their hash, and only those of one file are looked
at together, key by key. Equal hashes of different keys cost nothing but company in a file.
"""

from __future__ import annotations

import marshal
import sqlite3
from typing import IO, TYPE_CHECKING, Self, TypeVar

from anyio import to_thread

from ..intake.source import Rejection, Stage
from ..mapping.rules import Duplicates
from .nameless import NamelessFiles
from .single import read_single

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ..mapping.contacts import Contacts

    Place = tuple[str, int]

Result = TypeVar("Result")

__all__ = ("Decisions", "Dropped", "Scratch", "Spill", "drop", "sifted")

PARTS = 64
HELD_CONTACTS = 100_000
"""How many contacts are held before they go into the files."""

TABLES = """
CREATE TABLE IF NOT EXISTS duplicate_mode (mode TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS duplicate (
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    kept_source INTEGER NOT NULL REFERENCES source,
    kept_position INTEGER NOT NULL,
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
"""


class Spill(NamelessFiles):
    """Takes every contact's key, then yields those that share one. A context manager."""

    def __init__(self, directory: Path | None = None) -> None:
        super().__init__(directory, number=PARTS)
        self._held: list[list[tuple[str, int, str]]] = [[] for _ in range(PARTS)]
        self._holding = 0
        self.contacts = 0
        """How many were added."""

    def add(self, contacts: Contacts) -> None:
        """Take the keys of a chunk; chunks come in the order of the sources. Blocks on files."""
        held, source = self._held, contacts.source
        for key, position in zip(contacts.keys, contacts.positions, strict=True):
            held[hash(key) % PARTS].append((source, position, key))

        self.contacts += len(contacts)
        self._holding += len(contacts)
        if self._holding >= HELD_CONTACTS:
            self._flush()

    def dropped(self, mode: Duplicates) -> Iterator[tuple[Place, Place]]:
        """Yield the place of each contact that is not sent, and of the one that is kept instead."""
        self._flush()
        for file in self.files:
            yield from _dropped(list(_rows(file)), mode)

    def _flush(self) -> None:
        with self.translated():
            for rows, file in zip(self._held, self.files, strict=True):
                marshal.dump(rows, file)
                rows.clear()

        self._holding = 0


def _rows(file: IO[bytes]) -> Iterator[tuple[str, int, str]]:
    end = file.tell()
    file.seek(0)
    while file.tell() < end:
        yield from marshal.load(file)  # noqa: S302  # our own file, which has no name


def _dropped(rows: list[tuple[str, int, str]], mode: Duplicates) -> Iterator[tuple[Place, Place]]:
    kept: dict[str, Place] = {}
    for source, position, key in rows if mode is Duplicates.FIRST else reversed(rows):
        place = kept.setdefault(key, (source, position))
        if place != (source, position):
            yield (source, position), place


Dropped = dict[int, tuple[str, int]]
"""Of one source: the position of a contact that is not sent, and the place of the one kept."""


class Decisions:
    """The decisions as the journal keeps them, in whatever transaction its connection is in."""

    def __init__(self, connection: sqlite3.Connection, ordinals: Mapping[str, int]) -> None:
        self._connection = connection
        self._ordinals = ordinals

    @property
    def mode(self) -> str | None:
        """By which rule it was decided; None where it was not."""
        return read_single(self._connection, "duplicate_mode")

    def decide(self, mode: Duplicates, spill: Spill) -> int:
        """Write down which contacts are not sent; how many they are."""
        for statement in filter(str.strip, TABLES.split(";")):
            self._connection.execute(statement)

        ordinals = self._ordinals
        count = self._connection.executemany(
            "INSERT INTO duplicate VALUES (?, ?, ?, ?)",
            (
                (ordinals[source], position, ordinals[kept_source], kept_position)
                for (source, position), (kept_source, kept_position) in spill.dropped(mode)
            ),
        ).rowcount
        self._connection.execute("INSERT INTO duplicate_mode VALUES (?)", (mode.value,))
        return max(count, 0)

    def between(self, source: str, first: int, last: int) -> Dropped:
        """What is not sent of the positions from `first` to `last`."""
        names = {ordinal: name for name, ordinal in self._ordinals.items()}
        rows = self._connection.execute(
            "SELECT position, kept_source, kept_position FROM duplicate"
            " WHERE source = ? AND position BETWEEN ? AND ?",
            (self._ordinals[source], first, last),
        )
        return {position: (names[ordinal], kept) for position, ordinal, kept in rows}


class Scratch:
    """Decisions of a dry run, kept as a journal keeps them, and gone with it."""

    def __init__(self, sources: Iterable[str]) -> None:
        # A database without a name lies in memory, and in a temporary file when it grows.
        self._connection = sqlite3.connect("", check_same_thread=False)
        ordinals = {name: number for number, name in enumerate(sources)}
        self.decisions = Decisions(self._connection, ordinals)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    async def within(self, work: Callable[[Scratch], Result]) -> Result:
        """As a journal's."""
        return await to_thread.run_sync(work, self)


def drop(contacts: Contacts, dropped: Dropped) -> Contacts:
    """The contacts without those that are not sent, which are among the rejected then."""
    if not dropped:
        return contacts

    gone = [at for at, position in enumerate(contacts.positions) if position in dropped]
    rejected = [_rejection(contacts, at, kept=dropped[contacts.positions[at]]) for at in gone]
    return contacts.without(gone, rejected)


def sifted(contacts: Contacts, decisions: Decisions) -> Contacts:
    """The contacts less those that were decided not to be sent."""
    if not contacts.keys:
        return contacts

    first, last = contacts.positions[0], contacts.positions[-1]
    return drop(contacts, decisions.between(contacts.source, first, last))


def _rejection(contacts: Contacts, index: int, *, kept: Place) -> Rejection:
    source, position = kept
    place = f"record {position} of {source}"
    return Rejection(
        source=contacts.source,
        position=contacts.positions[index],
        stage=Stage.MAPPING,
        reason="duplicate_contact_key",
        detail=f"{place} has the same contact key, and is the one that is sent",
        record=contacts.written(index),
        contact_key=contacts.keys[index],
    )
