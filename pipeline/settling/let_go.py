"""Let go: messages that were taken and are this worker's no more, not all of their contacts sent.

They were given back, or another worker may have been given them, or a process ended while it held
them and the queue has not given them out to this worker again. Their contacts stay unprocessed in
this run's books, and nothing is to be done about them here: whoever is given the messages next has
them. If that is this worker, they are let go no longer.

A table that is there once there is something to be told:

    let_go  a row a message: source, identity, contacts that have no outcome
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .schema import has_table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ..intake.ranges import Ranges

__all__ = ("LetGo", "read_let_go")

_TABLE = """
CREATE TABLE IF NOT EXISTS let_go (
    source INTEGER NOT NULL REFERENCES source,
    identity TEXT NOT NULL,
    contacts INTEGER NOT NULL,
    PRIMARY KEY (source, identity)
) WITHOUT ROWID
"""


class LetGo:
    """Works within whatever transaction its connection is in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def note(self, ordinal: int, messages: Iterable[tuple[str, int]]) -> None:
        """These (identity, contacts without an outcome) are let go."""
        self._connection.execute(_TABLE)
        self._connection.executemany(
            "INSERT OR REPLACE INTO let_go VALUES (?, ?, ?)",
            [(ordinal, identity, contacts) for identity, contacts in messages],
        )

    def came(self, ordinal: int, identities: Iterable[str]) -> None:
        """These are here again."""
        if has_table(self._connection, "let_go"):
            self._connection.executemany(
                "DELETE FROM let_go WHERE source = ? AND identity = ?",
                [(ordinal, identity) for identity in identities],
            )

    def begin(self, ordinal: int, done: Ranges) -> None:
        """A process begins, and holds nothing of what was taken and not acknowledged.

        `done` are the source's positions that have an outcome.
        """
        rows = self._connection.execute(
            "SELECT identity, first, records FROM message WHERE source = ? AND acked IS NULL",
            (ordinal,),
        ).fetchall()
        left = {identity: _left(done, *at) for identity, *at in rows}
        self.came(ordinal, (identity for identity, contacts in left.items() if not contacts))
        if held := [each for each in left.items() if each[1]]:
            self.note(ordinal, held)


def _left(done: Ranges, first: int, records: int) -> int:
    return sum(at not in done for at in range(first, first + records))


def read_let_go(connection: sqlite3.Connection) -> int | None:
    """How many contacts are let go; None where the run is of no queue, as far as is known."""
    if not has_table(connection, "message"):
        return None

    if connection.execute("SELECT 1 FROM message LIMIT 1").fetchone() is None:
        return None

    if not has_table(connection, "let_go"):
        return 0

    (contacts,) = connection.execute("SELECT coalesce(sum(contacts), 0) FROM let_go").fetchone()
    return int(contacts)
