"""Arrivals: messages that are there and have no positions yet, as one process notes them.

Between the moment a message arrives and the one its contacts have positions it is in no table but
this one. If the process dies in between, the queue gives the message out again and says that
somebody had it. It was this run, and nothing of it was sent: without positions nothing is.

A note is taken away in the transaction that gives its messages positions, so that none is ever
older than what else is known of them. Each tells of what was taken together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

__all__ = ("Arrivals",)


class Arrivals:
    """Works within whatever transaction its connection is in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._own: dict[int, set[str]] = {}  # this process's notes, and what is left of each
        self.load()

    def load(self) -> None:
        """Read again what earlier processes have left, after a transaction was rolled back."""
        rows = self._connection.execute("SELECT number, source, identities FROM arrival")
        left = {number: (source, set(orjson.loads(told))) for number, source, told in rows}
        self._left: dict[int, tuple[int, set[str]]] = {
            number: note for number, note in left.items() if number not in self._own
        }

    def note(self, ordinal: int, identities: Collection[str], now: float) -> None:
        """These are there. They are given positions together."""
        highest = "SELECT coalesce(max(number), 0) + 1 FROM arrival"
        (number,) = self._connection.execute(highest).fetchone()
        self._own[number] = set(identities)
        self._connection.execute(
            "INSERT INTO arrival VALUES (?, ?, ?, ?)",
            (number, ordinal, now, orjson.dumps(list(identities)).decode()),
        )

    def placed(self, ordinal: int, identities: Iterable[str]) -> set[str]:
        """These have positions now: which of them an earlier process has noted."""
        wanted, found = set(identities), set[str]()
        for number, noted in list(self._own.items()):
            noted.difference_update(wanted)
            if not noted:
                del self._own[number]
                self._drop(number)

        for number, (source, noted) in list(self._left.items()):
            if source == ordinal and (known := noted & wanted):
                found |= known
                self._keep(number, noted - known)

        return found

    def _keep(self, number: int, noted: set[str]) -> None:
        """Of an earlier process's note these are left."""
        source, _ = self._left.pop(number)
        if not noted:
            self._drop(number)
            return

        self._left[number] = source, noted
        self._connection.execute(
            "UPDATE arrival SET identities = ? WHERE number = ?",
            (orjson.dumps(list(noted)).decode(), number),
        )

    def _drop(self, number: int) -> None:
        self._connection.execute("DELETE FROM arrival WHERE number = ?", (number,))

    def missed(self, ordinal: int, digest: str) -> list[str]:
        """Messages without a name that hold what `digest` tells, left by earlier processes."""
        begin = f"{digest}."
        return [
            identity
            for source, noted in self._left.values()
            if source == ordinal
            for identity in noted
            if identity.startswith(begin)
        ]

    def forget(self, before: float) -> None:
        """What was noted before that time will not come any more."""
        rows = self._connection.execute("SELECT number FROM arrival WHERE at < ?", (before,))
        for (number,) in rows.fetchall():
            if self._left.pop(number, None) is not None:
                self._drop(number)
