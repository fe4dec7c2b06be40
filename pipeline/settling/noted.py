"""Notes of runs that were put aside: their rows in `injected.db` (injected.py).

A place may have had several runs: where one that was put aside is named as run.directory, `--again`
begins another there.

No row is ever taken away (roll.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..intake.source import Fingerprint
from .identity import Identity
from .known import Known
from .plains import COLUMNS as PLAIN_COLUMNS
from .plains import plain_of, values_of
from .rows import Counts, RunRow
from .state import RunState
from .tally import Counters

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

__all__ = (
    "APPLICATION_ID",
    "TABLES",
    "UPGRADES",
    "VERSION",
    "Key",
    "is_noted",
    "note",
    "note_removed",
    "noted",
    "removed_at",
)

Key = tuple[str, str]
"""A run by its place, the directory's name in previous/, and its id."""

APPLICATION_ID: Final = 0x4A504931
"""`JPI1`: SQLite's mark of whose file it is."""

VERSION: Final = 3

PLAINS: Final = """
CREATE TABLE plain (                      -- what it was uncompressed, where known (plains.py)
    place TEXT NOT NULL,
    run_id TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    size INTEGER NOT NULL,
    digest TEXT NOT NULL,
    checksum INTEGER,
    whole INTEGER NOT NULL,
    rungs TEXT NOT NULL,
    head TEXT,                            -- the lowest rung, which many others share
    PRIMARY KEY (place, run_id, ordinal),
    FOREIGN KEY (place, run_id, ordinal) REFERENCES content
) WITHOUT ROWID;
CREATE INDEX plain_by_digest ON plain (digest);
CREATE INDEX plain_by_head ON plain (head);
"""

TABLES: Final = f"""
CREATE TABLE run (
    place TEXT NOT NULL,                  -- its directory's name in previous/
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
    removed_at REAL,                      -- NULL: it lies there, and its journal has the last word
    PRIMARY KEY (place, run_id)
) WITHOUT ROWID;
CREATE TABLE content (
    place TEXT NOT NULL,
    run_id TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    name TEXT NOT NULL,
    size INTEGER,
    digest TEXT NOT NULL,
    reading TEXT NOT NULL,
    PRIMARY KEY (place, run_id, ordinal),
    FOREIGN KEY (place, run_id) REFERENCES run
) WITHOUT ROWID;
CREATE TABLE begun_anew (                 -- where another run lies by now than was put aside there
    place TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE INDEX content_by_digest ON content (digest);
CREATE INDEX run_by_age ON run (started_at) WHERE removed_at IS NULL;
{PLAINS}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""

UPGRADES: Final = {
    1: f"""
ALTER TABLE run RENAME TO former_run;
ALTER TABLE content RENAME TO former_content;
DROP INDEX content_by_digest;
DROP INDEX run_by_age;
{TABLES}
INSERT INTO run SELECT * FROM former_run;
INSERT INTO content SELECT place, run_id, ordinal, name, size, digest, reading
    FROM former_content JOIN former_run USING (place);
DROP TABLE former_content;
DROP TABLE former_run;
""",  # noqa: S608  # no value of anybody is in it
    2: f"{PLAINS} PRAGMA user_version = {VERSION};",
}
"""From each earlier format to this one. In the first a place had one run alone."""

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
        (place, run.run_id, ordinal, one.name, one.size, one.digest, one.reading)
        for ordinal, one in enumerate(run.identity.sources)
    ]
    marks = ", ".join("?" * len(values))
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        connection.execute(f"INSERT OR REPLACE INTO run ({COLUMNS}) VALUES ({marks})", values)  # noqa: S608
        of = (place, run.run_id)
        connection.execute("DELETE FROM plain WHERE place = ? AND run_id = ?", of)
        connection.execute("DELETE FROM content WHERE place = ? AND run_id = ?", of)
        connection.executemany("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?, ?)", contents)
        _note_plains(connection, of, run.identity.sources)


def _note_plains(
    connection: sqlite3.Connection, key: Key, sources: tuple[Fingerprint, ...]
) -> None:
    connection.executemany(
        f"INSERT INTO plain (place, run_id, ordinal, head, {PLAIN_COLUMNS})"  # noqa: S608
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*key, ordinal, one.plain.head, *values_of(one.plain))
            for ordinal, one in enumerate(sources)
            if one.plain is not None
        ],
    )


def note_removed(connection: sqlite3.Connection, key: Key, *, at: float) -> None:
    """Write down that the run, which is noted, does not lie there any more."""
    query = "UPDATE run SET removed_at = ? WHERE place = ? AND run_id = ?"
    connection.execute(query, (at, *key))


def _fingerprint_of(told: Any) -> Fingerprint:
    """From name, size, digest and reading, and what it was uncompressed."""
    name, size, digest, reading, *plain = told
    known = None if plain[0] is None else plain_of(plain)
    return Fingerprint(name=name, size=size, digest=digest, reading=reading, plain=known)


def is_noted(connection: sqlite3.Connection, key: Key) -> bool:
    """Whether the run has a row."""
    query = "SELECT 1 FROM run WHERE place = ? AND run_id = ?"
    return connection.execute(query, key).fetchone() is not None


def removed_at(connection: sqlite3.Connection, key: Key) -> float | None:
    """When the run was removed; None where it was not, or is not noted."""
    query = "SELECT removed_at FROM run WHERE place = ? AND run_id = ?"
    (found,) = connection.execute(query, key).fetchone() or (None,)
    return None if found is None else float(found)


def noted(connection: sqlite3.Connection, directory: Path, run_id: str) -> Known:
    """What was noted of a run that was put aside to `directory`."""
    key = (directory.name, run_id)
    row = connection.execute(f"SELECT {COLUMNS} FROM run WHERE place = ? AND run_id = ?", key)  # noqa: S608
    sources = connection.execute(
        "SELECT name, content.size, content.digest, reading, plain.size, plain.digest, checksum,"
        " whole, rungs FROM content LEFT JOIN plain USING (place, run_id, ordinal)"
        " WHERE place = ? AND run_id = ? ORDER BY ordinal",
        key,
    )
    return _known_of(directory, row.fetchone(), tuple(map(_fingerprint_of, sources)))


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
