"""The only places where the journal's file is created, recognised and opened (tables.py).

What the tables mean together, and how a journal is recovered, is told in `journal.py`; two more,
where one of a key's contacts is sent, in `duplicates.py`. A journal is recognised by its header
alone (SQLite's application id and user version), so that a file that is not ours, or is of a later
format, is refused before SQLite has touched it. Where the header does not have the latest format
yet, but the log beside it has, SQLite tells.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import orjson

from ..errors import ConservationError, RunDirectoryError
from .tables import APPLICATION_ID, TABLES, UPGRADES, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = (
    "bring_up_to_date",
    "create",
    "has_table",
    "opened_to_read",
    "opened_to_write",
    "sync_directory",
    "translated",
)

OLDEST = 2
"""The earliest format that can be read as it is."""

LOG_BYTES = 16 << 20
"""What the log is cut back to once a reader has left for whose sake it had grown."""

BUSY_SECONDS = 5.0
"""How long an opening waits for a reader that holds the file for a moment."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system raise about `path` into an error for a person."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ConservationError(
            f"{path}: the books would not balance ({error}); the journal stands as it was"
        ) from error
    except (UnicodeDecodeError, orjson.JSONDecodeError) as error:
        raise _damaged(path, error) from error
    except sqlite3.Error as error:
        if type(error) is sqlite3.DatabaseError:  # SQLITE_CORRUPT and SQLITE_NOTADB
            raise _damaged(path, error) from error

        raise RunDirectoryError(
            f"{path}: {error}. Nothing written before is lost: see to the disk or to the file, "
            "then `run` goes on, or name another run.directory"
        ) from error
    except OSError as error:
        raise RunDirectoryError(
            f"{error.filename or path}: {error.strerror or error}. Mend that, then `run` goes on, "
            "or name another run.directory"
        ) from error


def _damaged(path: Path, error: Exception) -> RunDirectoryError:
    return RunDirectoryError(
        f"{path} is damaged ({error}): put back a whole copy of it, taken together with its -wal "
        "file, to go on. A run in another run.directory would send everybody again"
    )


def create(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a journal at `path`, its first rows put in by `fill`: afterwards it is there whole.

    A process killed on the way leaves nothing at `path`. What lies there is replaced.
    """
    draft = path.with_name(path.name + ".new")
    stale = [
        path.with_name(path.name + end)
        for end in ("-wal", "-shm", "-count", ".new", ".new-journal")
    ]
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
    """The one writing connection of a run, whose directory is locked; brought up to date by it."""
    _recognise(path)
    with translated(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _refuse_unknown(path, _version(connection))
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
            # Some builds write zeros over every page that is freed: a page more for each batch.
            connection.execute("PRAGMA secure_delete = FAST")
            _upgrade(connection)
        except (sqlite3.Error, RunDirectoryError):
            connection.close()
            raise

        return connection


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether there is such a table: an earlier format has fewer, some are made when needed."""
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(known, (name,)).fetchone() is not None


def _version(connection: sqlite3.Connection) -> int:
    """The format; the file's header has it only once the log is taken into the file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring an earlier format up to date, in one transaction a step.

    Others who open it at the same moment may have taken the step before it is this one's turn.
    """
    while (step := _version(connection)) < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            if _version(connection) == step:
                for statement in _statements(UPGRADES[step]):
                    connection.execute(statement)

                connection.execute(f"PRAGMA user_version = {step + 1}")


def _statements(script: str) -> Iterator[str]:
    """One by one, each with its end on a line of its own: a script would commit what is begun."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def bring_up_to_date(path: Path) -> None:
    """Give a journal of an earlier format the tables of this one. No process may work on it.

    Where that cannot be written, nor anything else maybe, it stays as it is, and is read so.
    """
    if (version := _recognise(path)) < VERSION and _is_writable(path):
        try:
            opened_to_write(path).close()
        except RunDirectoryError:
            if version < OLDEST:
                raise


def opened_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, inside one read transaction, beside a running writer.

    An earlier format must have been brought up to date, but that the newest tables may be missing
    while the program that knows none of them is at work, or where nothing may be written.

    In a directory where nothing may be created SQLite cannot make its shared memory file; there
    the file alone is read, provided that no write-ahead log lies beside it.
    """
    _recognise(path)
    with translated(path):
        try:
            return _reading(path, "mode=ro")
        except sqlite3.OperationalError:
            log = path.with_name(path.name + "-wal")
            if not (log.exists() and log.stat().st_size):
                return _reading(path, "mode=ro&immutable=1")

            if _is_writable(path):
                raise

            raise RunDirectoryError(
                f"{path} cannot be read without its log, {log.name}, nor with it where nothing may "
                "be written: copy the whole directory to where you may write, and read it there"
            ) from None


def _reading(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,  # a retry's records are read a chunk a hop, in any thread
    )
    try:
        connection.execute("BEGIN")
        connection.execute("SELECT run_id FROM run").fetchone()
        _refuse_unknown(path, _version(connection), oldest=OLDEST)
    except (sqlite3.Error, RunDirectoryError):
        connection.close()
        raise

    return connection


def _recognise(path: Path) -> int:
    """The file's format; raises RunDirectoryError unless it is a journal we can read."""
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

    _refuse_unknown(path, version)
    return int(version)


def _refuse_unknown(path: Path, version: int, *, oldest: int = 1) -> None:
    """Raise RunDirectoryError for a later format, and for one before the `oldest`."""
    if version > VERSION:
        raise RunDirectoryError(
            f"{path} was written by a later journey-pipeline (format {version}, this one reads "
            f"{VERSION}): update the program, or name another run.directory"
        )

    if version < oldest:
        way_out = (
            "and that is still at work on it: let it end first"
            if _is_writable(path)
            else "and nothing may be written there: copy the directory to where you may write"
        )
        raise RunDirectoryError(
            f"{path} was begun by an earlier journey-pipeline (format {version}), {way_out}"
        )


def _is_writable(path: Path) -> bool:
    """Whether a file may be written to, and others beside it."""
    return all(os.access(each, os.W_OK, effective_ids=True) for each in (path, path.parent))


def _itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # neither a link nor a pipe


_WAY_OUT = "it was not touched; move it away, or name another run.directory"
