"""The roll: which runs `injected.db` has ever known, kept outside of it.

`injected.db-count` has a line for each: `run`, and sixteen hexadecimal digits made of its place and
its id. No row is ever taken away from `injected.db`. Where it has none for a line although all
journals in `previous/` were read, it was deleted, or an older copy was put in its place, and a run
that was removed is not known any more, however many have come since.

A run is in `injected.db`, on disk, before it is on the roll: whatever kills the process, the roll
never has more. What it has less is added when somebody asks next.

A row in there, in a table made with the first, says how many lines there were when all of them had
a row, and what the last was. While that is so, and there are no more rows than lines, nothing need
be compared: the table is as old as the roll. The file of earlier programs held the number of runs
alone, as text; so many there must be.
"""

from __future__ import annotations

import os
import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from ..errors import RunDirectoryError
from .whole import write_whole
from .witness import ENDING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from pathlib import Path

    from .noted import Key

__all__ = ("call_the_roll",)

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS roll (
    ordinal INTEGER PRIMARY KEY CHECK (ordinal = 1),
    lines INTEGER NOT NULL,
    last BLOB NOT NULL
)
"""

_LINE_BYTES: Final = 21
_LINE: Final = re.compile(rb"^run [0-9a-f]{16}\n", re.MULTILINE)


def call_the_roll(connection: sqlite3.Connection, path: Path, *, new: Collection[Key]) -> None:
    """Hold the runs noted in `path` against its roll, then let that have all of them.

    All journals that there are must be noted; `new` are those that were not before. Raises
    RunDirectoryError where a run was known that is not any more: nobody else knows of it.
    """
    roll = path.with_name(path.name + ENDING)
    connection.execute(_TABLE)
    query = "SELECT lines, last FROM roll"
    compared: tuple[int, bytes] = connection.execute(query).fetchone() or (0, b"")
    (rows,) = connection.execute("SELECT count(*) FROM run").fetchone()
    added = sorted(map(_line, new))
    if compared == _end(roll) and rows == compared[0] + len(added):
        if not added:
            return

        _append(roll, added)
    else:
        added = _compared(connection, path, roll)
        write_whole(roll, b"".join(added), synced=True)

    if added:
        query = "INSERT OR REPLACE INTO roll VALUES (1, ?, ?)"
        connection.execute(query, (rows, added[-1]))


def _compared(connection: sqlite3.Connection, path: Path, roll: Path) -> list[bytes]:
    """The lines of all runs that are noted, if those on the roll are among them."""
    there = {_line(key) for key in connection.execute("SELECT place, run_id FROM run")}
    content = roll.read_bytes().strip(b"\0") if roll.exists() else b""
    if content.isdigit():  # of an earlier program
        known = int(content)
        lost = known - len(there)
    else:
        lines = set(_LINE.findall(content))  # what a machine without power left of one is none
        known, lost = len(lines), len(lines - there)

    if lost > 0:
        raise RunDirectoryError(
            f"{path} does not know {lost:,} of the {known:,} runs any more that it knew: "
            "it was deleted, or is an older copy, and their journals are gone. Their files would "
            f"be sent once more: put it back as it was. To let them, remove {roll.name}"
        )

    return sorted(there)


def _line(key: Key) -> bytes:
    told = "\0".join(key).encode(errors="surrogateescape")
    return b"run %s\n" % blake2b(told, digest_size=8).hexdigest().encode()


def _end(roll: Path) -> tuple[int, bytes]:
    """How many lines it has, and the last of them; no such pair where it is none of ours."""
    try:
        descriptor = os.open(roll, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return 0, b""

    try:
        size = os.fstat(descriptor).st_size
        last = os.pread(descriptor, _LINE_BYTES, max(0, size - _LINE_BYTES))
    finally:
        os.close(descriptor)

    return size // _LINE_BYTES if size % _LINE_BYTES == 0 else -1, last


def _append(roll: Path, lines: list[bytes]) -> None:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(roll, flags, 0o600), "ab") as file:
        file.write(b"".join(lines))
