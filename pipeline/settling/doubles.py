"""Doubles: how many contacts of a run have a contact key that another of them has before.

Counted once the sources have ended, from what the journal says of all legs: accepted, rejected and
unknown contacts, as far as they have a key. Kept in a table that is there where it was counted:

    duplicate_count  one row: contacts

Most files are in the order of their keys, as a database gave them out. That is seen by comparing
neighbours, and then nobody has a key twice; most of them are compared while the last answers are
waited for. Otherwise the keys' 64-bit hashes lie in temporary files without a name by their lowest
bits, and one file is looked at after the other, so that memory is bounded. That two keys share a
hash is one chance in a million for millions of contacts, and costs no contact anything: it is a
number for people. A dry run counts in the latter way.
"""

from __future__ import annotations

import os
from array import array
from itertools import islice
from operator import lt
from typing import IO, TYPE_CHECKING

import orjson

from .accepted import accepted_batches, left_out
from .compacted import compacted_counts
from .nameless import NamelessFiles
from .single import read_single

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ("Doubles", "KeyOrder", "count_doubles", "read_doubles")

PARTS = 256
HELD_HASHES = 250_000
KEYS_AT_ONCE = 500
BATCHES_AT_ONCE = 50
MOST_FAILED = 100_000
"""So many keys of contacts that were not accepted are looked for among the others at once."""

_FAILED = "SELECT contact_key FROM contact WHERE superseded IS NULL AND contact_key IS NOT NULL"
_AS_PACKED = (
    "SELECT keys FROM settlement JOIN batch USING (batch_id)"
    " WHERE outcome = 'accepted' ORDER BY batch_id"
)
_SETTLED = "SELECT count(*) FROM settlement WHERE outcome = 'accepted'"
_FROM_THERE_ON = (
    "SELECT batch_id, keys, outcome FROM batch LEFT JOIN settlement USING (batch_id)"
    " WHERE batch_id > ? ORDER BY batch_id"
)


class Doubles(NamelessFiles):
    """Counts those of the keys it is given that it was given before. A context manager."""

    def __init__(self, directory: Path | None = None) -> None:
        super().__init__(directory, number=PARTS)
        self._held = [array("q") for _ in range(PARTS)]
        self._holding = 0

    def add(self, keys: Iterable[str]) -> None:
        """Take some keys. Blocks on files."""
        hashes = list(map(hash, keys))
        for number in hashes:
            self._held[number % PARTS].append(number)

        self._holding += len(hashes)
        if self._holding >= HELD_HASHES:
            self._flush()

    def count(self) -> int:
        """How many were there before."""
        self._flush()
        with self.translated():
            return sum(map(_doubles, self.files))

    def _flush(self) -> None:
        with self.translated():
            for numbers, file in zip(self._held, self.files, strict=True):
                file.write(numbers.tobytes())
                del numbers[:]

        self._holding = 0


class KeyOrder:
    """Whether accepted contacts came in the order of their keys, each once; looked at in parts."""

    def __init__(self) -> None:
        self._batches = 0  # that were looked at
        self._last = 0  # the number of the last one
        self._key = ""  # and its last key
        self._broken = False

    def look(self, connection: sqlite3.Connection) -> bool:
        """Look at some more batches, while others are under way; whether there are more to look at.

        None is passed over that may get its outcome later.
        """
        before = self._batches
        rows = connection.execute(_FROM_THERE_ON, (self._last,))
        for batch_id, packed, outcome in islice(rows, BATCHES_AT_ONCE):
            if self._broken or outcome is None or batch_id != self._last + 1:
                return False

            self._take(batch_id, packed, outcome)

        return self._batches == before + BATCHES_AT_ONCE

    def holds(self, connection: sqlite3.Connection) -> bool:
        """Whether it holds for all batches. Where a contact was not accepted, it does not."""
        for batch_id, packed, outcome in connection.execute(_FROM_THERE_ON, (self._last,)):
            if self._broken:
                return False

            self._take(batch_id, packed, outcome)

        (settled,) = connection.execute(_SETTLED).fetchone()  # it may have passed over some
        return not self._broken and settled == self._batches

    def _take(self, batch_id: int, packed: bytes, outcome: str | None) -> None:
        keys = orjson.loads(packed)
        self._broken = outcome != "accepted" or not all(map(lt, (self._key, *keys), keys))
        self._batches += 1
        self._last, self._key = batch_id, keys[-1]


def count_doubles(
    connection: sqlite3.Connection, directory: Path, order: KeyOrder | None = None
) -> int | None:
    """Count, and write it down within the transaction that the connection is in.

    None, and nothing is written down, where nobody knows all keys any more. `order` may know
    already that none is there twice.
    """
    if left_out(connection):
        return None

    doubles = None if compacted_counts(connection).batches else _of_ordered(connection, order)
    if doubles is None:
        doubles = _of_any(connection, directory)

    connection.execute("CREATE TABLE IF NOT EXISTS duplicate_count (contacts INTEGER NOT NULL)")
    connection.execute("DELETE FROM duplicate_count")
    connection.execute("INSERT INTO duplicate_count VALUES (?)", (doubles,))
    return doubles


def _of_ordered(connection: sqlite3.Connection, order: KeyOrder | None) -> int | None:
    """The count where accepted contacts came in the order of their keys, each once; else None."""
    (overtaken,) = connection.execute("SELECT count(*) FROM overtaken").fetchone()
    failed = [key for (key,) in islice(connection.execute(_FAILED), MOST_FAILED + 1)]
    if overtaken or len(failed) > MOST_FAILED:
        return None

    if order is not None and not failed and order.holds(connection):
        return 0

    several = set(failed)
    doubles = len(failed) - len(several)
    last = ""
    for (packed,) in connection.execute(_AS_PACKED):
        keys = orjson.loads(packed)
        if not all(map(lt, (last, *keys), keys)):
            return None

        if several:
            doubles += len(several.intersection(keys))

        last = keys[-1]

    return doubles


def _of_any(connection: sqlite3.Connection, directory: Path) -> int:
    with Doubles(directory) as doubles:
        for keys in _keys(connection):
            doubles.add(keys)

        return doubles.count()


def read_doubles(connection: sqlite3.Connection) -> int | None:
    """What was counted, if it was."""
    return read_single(connection, "duplicate_count")


def _keys(connection: sqlite3.Connection) -> Iterator[Iterable[str]]:
    for batch in accepted_batches(connection):
        yield orjson.loads(batch.keys)

    failed = connection.execute(_FAILED)
    while keys := [key for (key,) in islice(failed, KEYS_AT_ONCE)]:
        yield keys


def _doubles(file: IO[bytes]) -> int:
    numbers = array("q")
    file.flush()
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    numbers.frombytes(file.read(size))
    return len(numbers) - len(set(numbers))
