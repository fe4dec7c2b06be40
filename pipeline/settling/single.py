"""Single: what the journal has in a table of one row and one column, made once there is something.

Such a table is no part of the format: a run that never needed it has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .schema import has_table

if TYPE_CHECKING:
    import sqlite3

__all__ = ("read_single",)


def read_single(connection: sqlite3.Connection, table: str) -> Any | None:
    """The one value in `table`; None where there is no such table, or nothing in it."""
    rows = f"SELECT * FROM {table}"  # noqa: S608  # a name of ours
    found = has_table(connection, table) and connection.execute(rows).fetchone()
    return found[0] if found else None
