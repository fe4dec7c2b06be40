"""What a journal still says of batches that left its tables (compaction.py): how many, and where.

A journal of an earlier format, whose program is still at work, has lost none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .parts import holds_parts

if TYPE_CHECKING:
    import sqlite3

__all__ = ("CompactedCounts", "compacted_counts", "compacted_hours", "compacted_ranges")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactedCounts:
    """How many batches, and how many contacts of them were accepted."""

    batches: int = 0
    accepted: int = 0


def compacted_counts(connection: sqlite3.Connection) -> CompactedCounts:
    """Count them."""
    if not holds_parts(connection):
        return CompactedCounts()

    batches, accepted = connection.execute(
        "SELECT coalesce(sum(batches), 0), coalesce(sum(accepted), 0) FROM compacted"
    ).fetchone()
    return CompactedCounts(batches=batches, accepted=accepted)


def compacted_ranges(connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
    """(ordinal, first, last) of positions that are done."""
    if not holds_parts(connection):
        return []

    return connection.execute("SELECT source, first, last FROM compacted_range").fetchall()


def compacted_hours(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """(Unix seconds at which an hour begins, contacts accepted in it), ascending."""
    if not holds_parts(connection):
        return []

    return connection.execute("SELECT hour * 3600, accepted FROM compacted ORDER BY 1").fetchall()
