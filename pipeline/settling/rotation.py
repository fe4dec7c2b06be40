"""Rotation: the result files of a run that lives on are put aside day by day.

    accepted.ndjson              what was settled today, by UTC; and what was before, until midnight
    accepted-2026-11-29.ndjson   what was settled on that day
    accepted-2026-11-29-2.ndjson if there is such a file already

The same for `rejected` and `unknown`; a day without a line has no file. A file that was not put
aside at its day's end, because no process lived then, is as soon as one does, under the name of the
day of its last line. What is settled in the moments between midnight and the putting aside is in
the file of the day that is over.

The format
----------
A row of `result_part` a file that was put aside: its name, its bytes, their CRC, and the
settlements (`accepted`) or contacts (the others) whose lines are in it: those after `after`, up to
`seq`. All before the first of `result_file`'s are in the parts, none in two.

1. What is written of a file is made durable.
2. One transaction writes the part's row, and that the newest file is empty from its `seq` on.
3. After the commit, before any line is appended: the file is renamed, a new one made, and the
   directory made durable.

Killed before the commit of 2, nothing has happened. Killed after it, opening the journal finds the
newest file longer than it is to be, and cuts it; and where 3 had not come so far, no file of the
part's name, and writes it. Lines that waited for 3 are in the journal and are written from it.

A part is written anew from the journal where it is gone, cut, or tells of contacts that a retry has
overtaken since; but not once its batches have left the journal (compaction.py).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from .parts import known_file
from .results import NAMES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from .books import Books
    from .results import ResultFiles

__all__ = ("Rotation", "day_of", "file_name", "next_day", "over")

_OLDEST = {
    "accepted": "SELECT at FROM settlement WHERE seq > :after AND seq <= :seq"
    " AND outcome = :name ORDER BY seq LIMIT 1",
    **dict.fromkeys(
        NAMES[1:],
        "SELECT at FROM contact WHERE seq > :after AND seq <= :seq AND outcome = :name"
        " ORDER BY seq LIMIT 1",
    ),
}
_NEWEST = {
    name: query.replace("ORDER BY seq", "ORDER BY seq DESC") for name, query in _OLDEST.items()
}


def day_of(at: float) -> date:
    """The day of a time (Unix seconds), by UTC as all that the journal tells."""
    return datetime.fromtimestamp(at, UTC).date()


def next_day(now: float) -> float:
    """When the day is over that it is now."""
    begins = datetime.combine(day_of(now) + timedelta(days=1), datetime.min.time(), UTC)
    return begins.timestamp()


def over(oldest: float, newest: float, *, now: float) -> date | None:
    """The day that lines settled from `oldest` to `newest` are put aside for; None: not yet."""
    yesterday = day_of(now) - timedelta(days=1)
    return None if day_of(oldest) > yesterday else min(day_of(newest), yesterday)


def file_name(name: str, day: date, *, taken: Callable[[str], bool]) -> str:
    """What a part is called: a name that is not `taken`."""
    stem, number = f"{name}-{day.isoformat()}", 1
    while taken(file := f"{stem}.ndjson" if number == 1 else f"{stem}-{number}.ndjson"):
        number += 1

    return file


class Rotation:
    """Works within whatever transaction its connection is in."""

    def __init__(
        self, connection: sqlite3.Connection, directory: Path, *, books: Books, results: ResultFiles
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._books = books
        self._results = results

    def rotate(self, now: float) -> list[str]:
        """Put aside what is of a day that is over, once this transaction is on disk; the files."""
        return [file for name in NAMES if (file := self._put_aside(name, now)) is not None]

    def _put_aside(self, name: str, now: float) -> str | None:
        query = self._connection.execute
        (after,) = query(
            "SELECT coalesce(max(seq), 0) FROM result_part WHERE name = ?", (name,)
        ).fetchone()
        of = {"name": name, "after": after, "seq": self._results.last(name)}
        oldest, newest = query(_OLDEST[name], of).fetchone(), query(_NEWEST[name], of).fetchone()
        if not oldest or not self._results.written(name):
            return None

        day = over(oldest[0], newest[0], now=now)
        if day is None:
            return None

        file = file_name(name, day, taken=self._taken)
        written, seq, crc = self._results.put_aside(name, file)
        query(
            "INSERT INTO result_part VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (name, seq, after, file, oldest[0], now, written, crc),
        )
        self._books.begin_anew(name, seq)
        return file

    def _taken(self, file: str) -> bool:
        return known_file(self._connection, file) or (self._directory / file).exists()
