"""Notes of runs that were put aside: their rows in `injected.db` (injected.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..intake.source import Fingerprint
from .identity import Identity
from .known import Known
from .rows import Counts, RunRow
from .state import RunState
from .tally import Counters

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = ("APPLICATION_ID", "TABLES", "fingerprint_of", "note", "noted")

APPLICATION_ID: Final = 0x4A504931
"""`JPI1`: SQLite's mark of whose file it is."""

TABLES: Final = f"""
CREATE TABLE run (
    place TEXT PRIMARY KEY,               -- its directory's name in previous/
    run_id TEXT NOT NULL,
    event_definition_key TEXT NOT NULL,
    rest_host TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    finished INTEGER NOT NULL,
    untouched INTEGER NOT NULL,
    retrying TEXT,
    started_at REAL NOT NULL,
    ended_at REAL,
    read INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    batches INTEGER NOT NULL,
    removed_at REAL                       -- NULL: it lies there, and its journal has the last word
) WITHOUT ROWID;
CREATE TABLE content (
    place TEXT NOT NULL REFERENCES run,
    ordinal INTEGER NOT NULL,
    name TEXT NOT NULL,
    size INTEGER,
    digest TEXT NOT NULL,
    reading TEXT NOT NULL,
    PRIMARY KEY (place, ordinal)
) WITHOUT ROWID;
CREATE INDEX content_by_digest ON content (digest);
CREATE INDEX run_by_age ON run (started_at) WHERE removed_at IS NULL;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 1;
"""

COLUMNS: Final = (
    "place, run_id, event_definition_key, rest_host, endpoint, state, finished, retrying,"
    " started_at, ended_at, read, accepted, rejected, unknown, batches, removed_at, untouched"
)


def note(
    connection: sqlite3.Connection, place: str, known: Known, *, removed_at: float | None
) -> None:
    """Write a run down, as one transaction that is on disk afterwards."""
    run, counts = known.run, known.counts
    values = (
        *(place, run.run_id, run.identity.event_definition_key, run.identity.rest_host),
        *(run.endpoint, run.state, run.finished, run.retrying, run.started_at, run.ended_at),
        *(counts.read, counts.accepted, counts.rejected, counts.unknown, counts.batches),
        *(removed_at, known.untouched),
    )
    contents = [
        (place, ordinal, one.name, one.size, one.digest, one.reading)
        for ordinal, one in enumerate(run.identity.sources)
    ]
    marks = ", ".join("?" * len(values))
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        connection.execute(f"INSERT OR REPLACE INTO run ({COLUMNS}) VALUES ({marks})", values)  # noqa: S608
        connection.execute("DELETE FROM content WHERE place = ?", (place,))
        connection.executemany("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?)", contents)


def fingerprint_of(told: Any) -> Fingerprint:
    """From name, size, digest and reading."""
    name, size, digest, reading = told
    return Fingerprint(name=name, size=size, digest=digest, reading=reading)


def noted(connection: sqlite3.Connection, directory: Path) -> Known:
    """What was noted of a run that was put aside to `directory`."""
    place = (directory.name,)
    row = connection.execute(f"SELECT {COLUMNS} FROM run WHERE place = ?", place)  # noqa: S608
    sources = connection.execute(
        "SELECT name, size, digest, reading FROM content WHERE place = ? ORDER BY ordinal", place
    )
    return _known_of(directory, row.fetchone(), tuple(map(fingerprint_of, sources)))


def _known_of(directory: Path, row: tuple[Any, ...], sources: tuple[Fingerprint, ...]) -> Known:
    _, run_id, key, host, endpoint, state, finished, retrying, started_at, ended_at, *rest = row
    read, accepted, rejected, unknown, batches, removed_at, untouched = rest
    return Known(
        directory=directory,
        run=RunRow(
            run_id=run_id,
            identity=Identity(event_definition_key=key, rest_host=host, sources=sources),
            endpoint=endpoint,
            state=RunState(state),
            exhausted=bool(finished),
            detail=None,
            started_at=started_at,
            ended_at=ended_at,
            retrying=retrying,
            resumptions=0,
            counters=Counters(),
        ),
        counts=Counts(
            read=read, accepted=accepted, rejected=rejected, unknown=unknown, batches=batches
        ),
        untouched=bool(untouched),
        removed_at=removed_at,
    )
