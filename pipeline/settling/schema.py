"""The journal's tables, and the only places where its file is created, recognised and opened.

What the tables mean together, and how a journal is recovered, is told in `journal.py`; two more,
where one of a key's contacts is sent, in `duplicates.py`. A journal is recognised by its header
alone (SQLite's application id and user version), so that a file that is not ours, or is of a later
format, is refused before SQLite has touched it.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from ..errors import ConservationError, RunDirectoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = (
    "APPLICATION_ID",
    "VERSION",
    "create",
    "opened_to_read",
    "opened_to_write",
    "sync_directory",
    "translated",
)

APPLICATION_ID = 0x4A504A31
"""`JPJ1`: SQLite's mark of whose file it is."""

VERSION = 2
"""The format's version: a program refuses what is of another than its own."""

BUSY_SECONDS = 5.0
"""How long an opening waits for a reader that holds the file for a moment."""

TABLES = """
CREATE TABLE run (                    -- one row: whose journal this is, and how far the run is
    id INTEGER PRIMARY KEY CHECK (id = 1),
    run_id TEXT NOT NULL,
    event_definition_key TEXT NOT NULL,
    rest_host TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    state TEXT NOT NULL,              -- as in summary.json
    exhausted INTEGER NOT NULL,       -- 1: completed, and the sources were read to their end
    detail TEXT,                      -- why the last leg ended as it did
    started_at REAL NOT NULL,         -- Unix seconds, as every time here
    ended_at REAL,
    resumptions INTEGER NOT NULL,
    requests INTEGER NOT NULL,        -- these four over all legs
    retries INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    seconds REAL NOT NULL
);
CREATE TABLE source (
    ordinal INTEGER PRIMARY KEY,      -- what positions refer to
    name TEXT NOT NULL,               -- the latest name of this content
    size INTEGER,
    digest TEXT NOT NULL,
    reading TEXT NOT NULL,            -- how it is cut into records: positions depend on it
    read INTEGER NOT NULL,            -- the highest position known to have been read
    mark_position INTEGER NOT NULL,   -- the newest mark
    mark_offset INTEGER NOT NULL
);
CREATE TABLE mark (                   -- one in about 50,000 positions: where a resume may begin
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL,
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
CREATE TABLE batch (                  -- written ahead of the first byte, never changed
    batch_id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL,
    round INTEGER NOT NULL,           -- 0: the run; n: the nth retry of its contacts
    contacts INTEGER NOT NULL,
    at REAL NOT NULL,
    spans TEXT NOT NULL,              -- as told in spans.py
    keys BLOB NOT NULL                -- JSON list of contact keys, in the order of the spans
);
CREATE TABLE settlement (             -- a batch's outcome; a batch without one is in flight
    seq INTEGER PRIMARY KEY,
    batch_id INTEGER NOT NULL UNIQUE REFERENCES batch,
    attempt INTEGER NOT NULL,
    outcome TEXT NOT NULL,            -- accepted, rejected, unknown
    contacts INTEGER NOT NULL,
    at REAL NOT NULL,
    event_instance_id TEXT,
    reason TEXT,
    detail TEXT
);
CREATE TABLE contact (                -- a row a contact, for the rejected and the unknown alone
    seq INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    contact_key TEXT,
    stage TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    record TEXT NOT NULL,             -- JSON: the record as read, or the contact as sent
    batch_id INTEGER,
    attempt INTEGER,
    round INTEGER NOT NULL,           -- in which it was settled
    at REAL NOT NULL,
    superseded INTEGER                -- the later round whose outcome stands instead
);
CREATE UNIQUE INDEX one_outcome ON contact (source, position) WHERE superseded IS NULL;
CREATE TABLE retry (                  -- a row a round, from 1
    round INTEGER PRIMARY KEY,
    outcome TEXT NOT NULL,            -- whose contacts are sent again
    began_at REAL NOT NULL,
    ended_at REAL                     -- NULL: not all of them yet; the newest row alone
);
CREATE TABLE overtaken (              -- accepted contacts that a retry has sent once more
    source INTEGER NOT NULL REFERENCES source,
    position INTEGER NOT NULL,
    round INTEGER NOT NULL,           -- what was accepted in earlier ones counts no more
    times INTEGER NOT NULL,           -- how many accepted outcomes that is
    PRIMARY KEY (source, position)
) WITHOUT ROWID;
CREATE TABLE result_file (            -- how far each file derived from the tables is written
    name TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,           -- -1: to be written anew
    seq INTEGER NOT NULL,             -- the last settlement or contact that is in it
    crc INTEGER NOT NULL              -- CRC-32 of these bytes
);
"""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise about `path` into an error for a person."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ConservationError(
            f"{path}: the books would not balance ({error}); the journal stands as it was"
        ) from error
    except sqlite3.Error as error:
        raise RunDirectoryError(
            f"{path}: {error}. Nothing written before is lost: see to the disk or to the file, "
            "then `run` goes on, or name another run.directory"
        ) from error
    except OSError as error:
        raise RunDirectoryError(
            f"{error.filename or path}: {error.strerror or error}. Mend that, then `run` goes on, "
            "or name another run.directory"
        ) from error


def create(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a journal at `path`, its first rows put in by `fill`: afterwards it is there whole.

    A process killed on the way leaves nothing at `path`. What lies there is replaced.
    """
    draft = path.with_name(path.name + ".new")
    stale = [path.with_name(path.name + end) for end in ("-wal", "-shm", ".new", ".new-journal")]
    with translated(path):
        for leftover in stale:
            leftover.unlink(missing_ok=True)

        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.executescript(f"BEGIN; {TABLES}")
            fill(connection)
            connection.execute("COMMIT")

        draft.replace(path)
        sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def opened_to_write(path: Path) -> sqlite3.Connection:
    """The one writing connection; whoever calls holds the run directory's lock."""
    _recognise(path)
    with translated(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise

        return connection


def opened_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, inside one read transaction, beside a running writer.

    In a directory where nothing may be created SQLite cannot make its shared memory file; there
    the file alone is read, provided that no write-ahead log lies beside it.
    """
    _recognise(path)
    with translated(path):
        uri = path.absolute().as_uri()
        try:
            return _reading(f"{uri}?mode=ro")
        except sqlite3.OperationalError:
            log = path.with_name(path.name + "-wal")
            if log.exists() and log.stat().st_size:
                raise

            return _reading(f"{uri}?mode=ro&immutable=1")


def _reading(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT run_id FROM run").fetchone()
    except sqlite3.Error:
        connection.close()
        raise

    return connection


def _recognise(path: Path) -> None:
    """Raise RunDirectoryError unless the file's header is that of a journal we can read."""
    with translated(path), open(path, "rb", opener=_itself) as file:
        header = file.read(100)

    if len(header) < 100 or not header.startswith(b"SQLite format 3\x00"):
        raise RunDirectoryError(f"{path} is no journal: {_WAY_OUT}")

    (version,), (application,) = (
        struct.unpack_from(">I", header, 60),
        struct.unpack_from(">I", header, 68),
    )
    if application != APPLICATION_ID:
        raise RunDirectoryError(f"{path} is a database of another program: {_WAY_OUT}")

    if version > VERSION:
        raise RunDirectoryError(
            f"{path} was written by a later journey-pipeline (format {version}, this one reads "
            f"{VERSION}): update the program, or name another run.directory"
        )

    if version < VERSION:
        raise RunDirectoryError(
            f"{path} was begun by an earlier journey-pipeline (format {version}, this one reads "
            f"{VERSION}): finish it with that one, or name another run.directory"
        )


def _itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # neither a link nor a pipe


_WAY_OUT = "it was not touched; move it away, or name another run.directory"
