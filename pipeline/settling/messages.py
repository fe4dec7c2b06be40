"""Messages: which positions the contacts of a queue's messages have, so that each is sent once.

A queue numbers messages, not contacts, and delivers them again whenever it is in doubt. So each
message that is taken is written down, with the positions its contacts get, before anything of it
may be dispatched, and before that already that it is there (arrivals.py): positions count on from
the highest of the source. A message that comes again is known by its identity and has its old
positions; those of them that are done are not sent again. If it was in doubt when it was first
taken it stays so: no process takes it for this worker's own.

A message is forgotten long after the queue was told to forget it: a queue may lose that word, be
put back from a copy of itself, or be told by a person to begin anew. How long is the caller's to
say, a month as a rule (`run.keep_days`): longer than Kafka (a week, unless told otherwise) and SQS
(two weeks at the most) keep anything. RabbitMQ keeps nothing that was acknowledged; Redis and NATS
keep a stream as they are told to, and give out what was acknowledged only to who asks for it anew.
One that the queue never brought again, because it went to another worker or was deleted there, is
forgotten after the same time, and after two weeks at the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .arrivals import Arrivals
from .let_go import LetGo

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence

    from ..intake.ranges import Ranges
    from .books import Books

__all__ = ("Messages", "Placed")

LOST_SECONDS: Final = 14 * 86_400.0
NOWHERE: Final = (-1, "")
"""Before the first message."""

LOOKED_AT: Final = 2_000
"""How many messages are looked at within a transaction that others wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where the contacts of a message are in their source.

    `known`: it was taken before. `doubt`: when it was first taken, another worker had had it.
    """

    first: int
    records: int
    known: bool
    doubt: bool


class Messages:
    """Works within whatever transaction its connection is in."""

    def __init__(
        self, connection: sqlite3.Connection, *, books: Books, clock: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._books = books
        self._clock = clock
        self._looked_at = NOWHERE
        self.arrivals = Arrivals(connection)
        self._let_go = LetGo(connection)

    def begin(self, source: str, done: Ranges) -> None:
        """A process begins, and holds nothing yet; `done` are positions that have an outcome."""
        self._let_go.begin(self._books.ordinals[source], done)

    def let_go(self, source: str, messages: Iterable[tuple[str, int]]) -> None:
        """These (identity, contacts without an outcome) are this worker's no more."""
        self._let_go.note(self._books.ordinals[source], messages)

    def arrived(self, source: str, identities: Collection[str]) -> None:
        """Messages are there that no other worker had; they will have positions, or come again."""
        self.arrivals.note(self._books.ordinals[source], identities, self._clock())

    def take(self, source: str, taken: Sequence[tuple[str, int, bool]]) -> list[Placed]:
        """Give positions to the contacts of messages: (identity, records, doubt), none twice.

        A message that is known keeps what it has, its doubt too; in one that had arrived here
        before is none.
        """
        ordinal = self._books.ordinals[source]
        ours = self.arrivals.placed(ordinal, (identity for identity, *_ in taken))
        ask, now, following = self._connection.execute, self._clock(), self._following(ordinal)
        placed, rows, again = [], [], []
        for identity, records, doubt in taken:
            row = ask(
                "SELECT first, records, doubt FROM message WHERE source = ? AND identity = ?",
                (ordinal, identity),
            ).fetchone()
            if row is not None:
                first, known_records, known_doubt = row
                again.append(identity)
                placed.append(
                    Placed(first=first, records=known_records, known=True, doubt=bool(known_doubt))
                )
                continue

            doubt = doubt and identity not in ours  # noqa: PLW2901  # what is known of it now
            placed.append(Placed(first=following, records=records, known=False, doubt=doubt))
            rows.append((ordinal, identity, following, records, now, doubt))
            following += records

        if again:
            self._let_go.came(ordinal, again)

        self._connection.executemany("INSERT INTO message VALUES (?, ?, ?, ?, ?, NULL, ?)", rows)
        self._books.read_to(ordinal, following - 1)
        return placed

    def missed(self, source: str, identity: str) -> list[str]:
        """Messages that hold what `identity` is the digest of, and were not acknowledged."""
        ordinal = self._books.ordinals[source]
        rows = self._connection.execute(
            "SELECT identity FROM message WHERE source = ? AND identity >= ? AND identity < ?"
            " AND acked IS NULL ORDER BY first",
            (ordinal, f"{identity}.", f"{identity}/"),
        )
        return [*(found for (found,) in rows), *self.arrivals.missed(ordinal, identity)]

    def _following(self, ordinal: int) -> int:
        return self._books.known_read(ordinal) + 1

    def acknowledged(self, source: str, identities: Iterable[str]) -> None:
        """The queue was told to forget these."""
        ordinal, now = self._books.ordinals[source], self._clock()
        self._connection.executemany(
            "UPDATE message SET acked = ? WHERE source = ? AND identity = ?",
            [(now, ordinal, identity) for identity in identities],
        )

    def forget(self, *, remember_seconds: float, most: int = LOOKED_AT) -> bool:
        """Look at the next messages, and forget what was acknowledged so long ago.

        What will not come again is forgotten too. Goes through them all, call by call, and then
        begins anew; returns whether there are more.
        """
        now, place = self._clock(), self._looked_at
        lost = now - max(LOST_SECONDS, remember_seconds)
        self.arrivals.forget(lost)
        last = self._connection.execute(
            "SELECT source, identity FROM message WHERE (source, identity) > (?, ?)"
            " ORDER BY source, identity LIMIT 1 OFFSET ?",
            (*place, most - 1),
        ).fetchone()
        self._looked_at = last or NOWHERE
        until = "" if last is None else " AND (source, identity) <= (?, ?)"
        self._connection.execute(
            f"DELETE FROM message WHERE (source, identity) > (?, ?){until}"  # noqa: S608  # ours
            " AND (acked < ? OR at < ?)",
            (*place, *(last or ()), now - remember_seconds, lost),
        )
        return last is not None

    def complete(self, source: str, bodies: Sequence[tuple[int, str]]) -> None:
        """Write down (position, contact as it is sent) where only the queue had it until now.

        So it is with contacts that were in flight when the process died; a retry sends them.
        """
        ordinal = self._books.ordinals[source]
        changed = self._connection.executemany(
            "UPDATE contact SET record = ? WHERE source = ? AND position = ?"
            " AND record = 'null' AND outcome = 'unknown' AND superseded IS NULL",
            [(body, ordinal, position) for position, body in bodies],
        ).rowcount
        if changed:
            self._books.outdate("unknown")
