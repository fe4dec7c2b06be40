"""The beginning: what Marketing Cloud counted before a run's first contact was sent.

Kept in a table that is there where it could be asked, and was not too late to ask:

    beginning  one row: told, as JSON
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import orjson

from .single import read_single

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

__all__ = ("Beginning", "note_beginning", "read_beginning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What was counted: how many ever entered, by the journey's key, and the rows stored."""

    populations: Mapping[str, int] = field(default_factory=dict)
    stored: int | None = None


def note_beginning(connection: sqlite3.Connection, beginning: Beginning) -> None:
    """Write it down, within the transaction that the connection is in, unless it was before."""
    connection.execute("CREATE TABLE IF NOT EXISTS beginning (told TEXT NOT NULL)")
    connection.execute(
        "INSERT INTO beginning SELECT ? WHERE NOT EXISTS (SELECT 1 FROM beginning)",
        (orjson.dumps(asdict(beginning)).decode(),),
    )


def read_beginning(connection: sqlite3.Connection) -> Beginning:
    """What was written down; nothing counted where nothing was."""
    told = read_single(connection, "beginning")
    return Beginning() if told is None else Beginning(**orjson.loads(told))
