"""Parts: the result files of days that are over, as the journal remembers them.

How they come to be is told in `rotation.py`, what leaves the journal because they have it in
`compaction.py`. A journal of an earlier format, whose program is still at work, has none.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .schema import has_table

if TYPE_CHECKING:
    import sqlite3

__all__ = (
    "Part",
    "compacted_until",
    "directory_of",
    "has_size",
    "holds_parts",
    "known_file",
    "lies_whole",
    "read_parts",
    "remember_part",
)

_COLUMNS = "name, seq, after, file, began, at, bytes, crc, contacts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A day's result file: its lines are those of the settlements or contacts in (after, seq].

    `contacts`: how many accepted ones nothing but this file tells of; None where the tables do.
    `bytes` is -1 where it is to be written anew.
    """

    name: str
    seq: int
    after: int
    file: str
    began: float
    at: float
    bytes: int
    crc: int
    contacts: int | None = None

    @property
    def compacted(self) -> bool:
        """Whether it can no more be written anew."""
        return self.contacts is not None


def holds_parts(connection: sqlite3.Connection) -> bool:
    """Whether the journal's format knows of parts."""
    return has_table(connection, "result_part")


def read_parts(connection: sqlite3.Connection) -> list[Part]:
    """Every part, the oldest of each name first."""
    if not holds_parts(connection):
        return []

    rows = connection.execute(f"SELECT {_COLUMNS} FROM result_part ORDER BY seq, name")  # noqa: S608  # ours
    return [Part(**dict(zip(Part.__slots__, row, strict=True))) for row in rows]


def compacted_until(connection: sqlite3.Connection) -> int:
    """The settlement up to which the files of days alone tell of accepted contacts."""
    return max((part.seq for part in read_parts(connection) if part.compacted), default=0)


def known_file(connection: sqlite3.Connection, file: str) -> bool:
    """Whether a part has this name."""
    query = "SELECT 1 FROM result_part WHERE file = ?"
    return connection.execute(query, (file,)).fetchone() is not None


def has_size(directory: Path, part: Part) -> bool:
    """Whether what lies at its place is a file of its size. Raises OSError."""
    there = (directory / part.file).lstat()
    return stat.S_ISREG(there.st_mode) and there.st_size == part.bytes


def lies_whole(directory: Path, part: Part) -> bool:
    """Whether a file of its size lies at its place."""
    with suppress(OSError):
        return has_size(directory, part)

    return False


def remember_part(connection: sqlite3.Connection, part: Part, *, written: int, crc: int) -> None:
    """Write down that a part is these bytes."""
    connection.execute(
        "UPDATE result_part SET bytes = ?, crc = ? WHERE name = ? AND seq = ?",
        (written, crc, part.name, part.seq),
    )


def directory_of(connection: sqlite3.Connection) -> Path:
    """Where the journal lies, and the result files beside it."""
    _, _, path = connection.execute("PRAGMA database_list").fetchone()
    return Path(path).parent
