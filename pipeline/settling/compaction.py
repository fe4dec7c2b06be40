"""Compaction: batches leave a journal's tables once they are old and a file has them.

A worker that runs for months would else keep every contact's key for ever. What stays for good is
small: a row for each contact that was rejected or is unknown, what `verify` was told, and the
figures below. Nothing leaves the journal of a run that is not put aside day by day (rotation.py).

A day's `accepted` file, and with it every batch settled up to its last, is compacted once it was
put aside `run.keep_days` ago, the oldest first:

1. The file is read: it must be what the journal remembers, to the byte, and is made durable. If it
   is not, it is written anew first. While contacts of the run are overtaken (a retry of those who
   did not enter), nothing is compacted.
2. A transaction notes in `result_part.contacts` how many contacts the file alone tells of. From
   then on readers take them from it (accepted.py), whatever is left of them in the tables, and it
   is not written anew any more.
3. Transactions of a few milliseconds each take batches out, in the order of settlement, and put in
   in their stead:
       compacted        how many there were in each hour, and how many contacts were accepted
       compacted_range  their positions, with those between that are done
       compacted_batch  the spans of accepted ones whose lines do not tell them: with gaps, or of a
                        later round
   The newest settlement and, of the batches that are settled, the one of the highest number stay:
   numbers go on from them, and those of batches in flight may come to nothing.

Whatever the moment the process dies, a batch is either in the tables or among these figures, so the
counts and what is done are the same before, between and after; what is left of a file that was
begun is taken out by the next process.

The pages that were freed take what is written next, so that the file stays as large as `keep_days`
make it. A journal more than half of which is free is made smaller when it is opened (`shrink`).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..intake.ranges import Ranges
from .parts import Part, read_parts
from .spans import unpack_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Compaction", "Stride", "contacts_of", "shrink")

LONGEST_SECONDS = 0.002
"""What a step should take at the most: senders wait for it."""
FEWEST, MOST = 10, 1_000

SHRUNK_BYTES = 64 << 20
"""A journal with less to win is left as it is."""

_OLD = (
    "SELECT s.seq, s.batch_id, s.outcome, s.contacts, s.at, b.round, b.spans"
    " FROM settlement s JOIN batch b USING (batch_id)"
    " WHERE s.seq <= ? AND s.seq < (SELECT max(seq) FROM settlement)"
    " AND s.batch_id < (SELECT max(batch_id) FROM settlement) ORDER BY s.seq LIMIT ?"
)
_MET = (
    "SELECT min(first), max(last) FROM compacted_range"
    " WHERE source = :source AND first <= :last + 1 AND last >= :first - 1 AND first >= coalesce("
    "(SELECT max(first) FROM compacted_range WHERE source = :source AND first <= :first), :first)"
)
_BETWEEN = (
    "SELECT position FROM contact WHERE superseded IS NULL AND source = ? AND position BETWEEN"
    " coalesce((SELECT last FROM compacted_range WHERE source = ? AND first <= ?"
    " ORDER BY first DESC LIMIT 1), 0) AND ? ORDER BY position LIMIT 2000"
)


@dataclass(slots=True)
class Stride:
    """How many batches a step takes, learnt from how long the last one took. Sans-IO."""

    batches: int = 25

    def took(self, seconds: float) -> None:
        """A step of so many took so long."""
        if seconds > LONGEST_SECONDS:
            self.batches = max(FEWEST, self.batches // 2)
        elif seconds < LONGEST_SECONDS / 2:
            self.batches = min(MOST, self.batches * 3 // 2)


class Compaction:
    """Works within whatever transaction its connection is in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def ripe(self, before: float) -> Part | None:
        """The oldest file not compacted yet, if it was put aside before then and may be.

        A file that was put aside under a clock that was ahead is as old as the next one.
        """
        parts = [part for part in read_parts(self._connection) if part.name == "accepted"]
        waiting = [part for part in parts if not part.compacted]
        overtaken = self._connection.execute("SELECT 1 FROM overtaken LIMIT 1").fetchone()
        if not waiting or overtaken or min(part.at for part in waiting) >= before:
            return None

        return waiting[0]

    def begin(self, part: Part, *, contacts: int) -> bool:
        """From now on the file alone tells of its contacts; False where it may not."""
        return bool(
            self._connection.execute(
                "UPDATE result_part SET contacts = ? WHERE name = ? AND seq = ?"
                " AND NOT EXISTS (SELECT 1 FROM overtaken)",
                (contacts, part.name, part.seq),
            ).rowcount
        )

    def step(self, most: int) -> int:
        """Take up to so many batches out; how many there were."""
        (until,) = self._connection.execute(
            "SELECT coalesce(max(seq), 0) FROM result_part"
            " WHERE name = 'accepted' AND contacts IS NOT NULL"
        ).fetchone()
        rows = self._connection.execute(_OLD, (until, most)).fetchall()
        if rows:
            self._keep(rows)
            ids = [(batch_id,) for _, batch_id, *_ in rows]
            delete = self._connection.executemany
            delete("DELETE FROM settlement WHERE seq = ?", [(seq,) for seq, *_ in rows])
            delete("DELETE FROM batch WHERE batch_id = ?", ids)

        return len(rows)

    def _keep(self, rows: Sequence[tuple[Any, ...]]) -> None:
        batches, accepted, odd = Counter[int](), Counter[int](), []
        done: dict[int, Ranges] = {}
        for _, batch_id, outcome, contacts, at, round_number, spans in rows:
            hour = int(at // 3600)
            batches[hour] += 1
            whole = True
            for ordinal, closed in unpack_spans(spans):
                whole = whole and len(closed) == 1
                for first, last in closed:
                    done.setdefault(ordinal, Ranges()).add(first, last)

            if outcome == "accepted":
                accepted[hour] += contacts
                if round_number or not whole:
                    odd.append((batch_id, round_number, spans))

        write = self._connection.executemany
        write(
            "INSERT INTO compacted VALUES (?, ?, ?) ON CONFLICT (hour) DO UPDATE SET"
            " batches = batches + excluded.batches, accepted = accepted + excluded.accepted",
            [(hour, count, accepted[hour]) for hour, count in batches.items()],
        )
        write("INSERT INTO compacted_batch VALUES (?, ?, ?)", odd)
        for ordinal, ranges in done.items():
            self._merge(ordinal, ranges)

    def _merge(self, ordinal: int, ranges: Ranges) -> None:
        """Add to what is done, with the failed contacts between, so that it stays few ranges."""
        query = self._connection.execute
        (begin, _), *_ = ranges
        *_, (_, end) = ranges
        for (position,) in query(_BETWEEN, (ordinal, ordinal, begin, end)).fetchall():
            ranges.add(position, position)

        for first, last in ranges:
            span = {"source": ordinal, "first": first, "last": last}
            low, high = query(_MET, span).fetchone()
            if low is not None:
                first, last = min(first, low), max(last, high)  # noqa: PLW2901
                query(
                    "DELETE FROM compacted_range WHERE source = ? AND first BETWEEN ? AND ?",
                    (ordinal, first, last),
                )

            query("INSERT INTO compacted_range VALUES (?, ?, ?)", (ordinal, first, last))


def contacts_of(connection: sqlite3.Connection, part: Part) -> int:
    """How many accepted contacts a part tells of that the tables tell of as well."""
    (contacts,) = connection.execute(
        "SELECT coalesce(sum(contacts), 0) FROM settlement"
        " WHERE outcome = 'accepted' AND seq > ? AND seq <= ?",
        (part.after, part.seq),
    ).fetchone()
    return int(contacts)


def shrink(connection: sqlite3.Connection) -> bool:
    """Give back what is free, where that is much; not while anybody else reads, nor without room.

    Takes as long as writing what is left. The connection must be in no transaction.
    """
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    if free * 2 <= pages or free * size < SHRUNK_BYTES:
        return False

    with suppress(sqlite3.OperationalError):
        connection.execute("VACUUM")
        return True

    return False
