"""Evidence: claims and entries on disk, sorted by key, for as long as a verification lasts.

An SQLite file of its own beside the journal, made anew by each verification and removed at its
end; a process that is killed leaves it, and the next one replaces it. It is never the truth, so
nothing in it need be durable, and memory stays small however many contacts there are.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ..settling.contents import EVIDENCE_NAME
from ..settling.schema import translated
from .reconciliation import Tallied

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .history import Entry

__all__ = ("Evidence", "evidence_in")

CACHE_KIB: Final = 48 << 10

_TABLES: Final = """
CREATE TABLE claim (key TEXT NOT NULL, number INTEGER NOT NULL);
CREATE TABLE entry (
    key TEXT NOT NULL,
    at INTEGER NOT NULL,          -- milliseconds
    journey INTEGER NOT NULL,
    activity INTEGER NOT NULL,
    kind INTEGER NOT NULL,        -- RowKind
    message INTEGER NOT NULL
);
"""
_TALLIES: Final = """
SELECT key, sum(kind = 0), sum(kind = 1), sum(kind = 2), max(message),
       max(iif(kind = 0, at, 0))
FROM entry GROUP BY key, journey, activity ORDER BY key, journey, activity
"""


class Evidence:
    """What is claimed, and what is told. Every method blocks."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def forget_claims(self) -> None:
        """Nothing is claimed."""
        with translated(self._path):
            self._connection.execute("DELETE FROM claim")

    def claim(self, claims: Iterable[tuple[str, int]]) -> None:
        """These contacts are claimed, each with its number."""
        with translated(self._path):
            self._connection.executemany("INSERT INTO claim VALUES (?, ?)", claims)

    def add(self, entries: Iterable[Entry]) -> None:
        """History tells of these."""
        with translated(self._path):
            self._connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", entries)

    def forget_entries(self, since: float | None = None) -> None:
        """Nothing is told; or nothing since then (Unix seconds)."""
        with translated(self._path):
            if since is None:
                self._connection.execute("DELETE FROM entry")
            else:
                self._connection.execute("DELETE FROM entry WHERE at >= ?", (round(since * 1000),))

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is added inside counts only if nothing is raised."""
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

        self._connection.execute("COMMIT")

    def claims(self) -> Iterator[tuple[str, int]]:
        """Yield (key, number), ascending."""
        with translated(self._path):
            yield from self._connection.execute("SELECT key, number FROM claim ORDER BY 1, 2")

    def tallies(self) -> Iterator[Tallied]:
        """Yield what is told of each key in each journey by each activity, ascending by key."""
        with translated(self._path):
            yield from map(Tallied._make, self._connection.execute(_TALLIES))

    def by_journey(self) -> dict[int, int]:
        """How many rows of entries each journey has, by the activity that tells of most."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT journey, activity, count(*) FROM entry WHERE kind = 0 GROUP BY 1, 2"
            ).fetchall()

        found: dict[int, int] = {}
        for journey, _, count in rows:
            found[journey] = max(found.get(journey, 0), count)

        return found


@contextmanager
def evidence_in(directory: Path) -> Iterator[Evidence]:
    """Make the file in `directory`, readable by its owner alone, and remove it at the end."""
    path = directory / EVIDENCE_NAME
    with translated(path):
        _remove(path)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    try:
        with translated(path):
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA temp_store = FILE")
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            connection.executescript(_TABLES)

        yield Evidence(connection, path)
    finally:
        connection.close()
        with translated(path):
            _remove(path)


def _remove(path: Path) -> None:
    for end in ("", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)
