"""Retrying: whose contacts are sent again, as a round of the run that is in the journal.

A round is begun by `retry --of …` and is over when every contact that had this outcome has been
settled anew. Until then the same command goes on with it: whoever was settled in this round is not
sent in it again, whatever came of it. A retry of another outcome closes it and begins the next.

A contact that is unknown may have been taken. If a retry of it ends in a refusal, it was not taken
by that attempt, but what is told of it says that an earlier one may have been; and if its record
can no longer be sent at all, it stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..intake.ranges import Ranges, runs_of
from .recalled import RECALLED
from .rows import contact_records, source_names
from .verdicts import missing_places

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

__all__ = (
    "ABSENT",
    "MISSING",
    "WANTED",
    "Retry",
    "RetryOrder",
    "begin_round",
    "recallable",
    "wanted",
)

ENDLESS = 1 << 62
"""Beyond every position, and SQLite can hold it."""

MISSING = "missing"
"""Contacts that were accepted and did not enter: what a retry of them overtakes is an accepted
outcome, and the ledger writes it as such."""

ABSENT = "absent"
"""Unknown contacts that certainly did not enter (verdicts.py): they may be sent safely."""

_FAILED = (
    "SELECT position FROM contact WHERE source = :source AND superseded IS NULL"
    " AND outcome = '{}' AND round < :round"
)
WANTED = {
    **{outcome: _FAILED.format(outcome) for outcome in ("rejected", "unknown")},
    ABSENT: f"{_FAILED.format('unknown')} AND seq IN (SELECT seq FROM absent)",  # noqa: S608  # ours
}
"""Whose contacts can be sent again: what selects their positions in a source, but for those that
were settled in the round already."""

_BROKEN_OFF = (
    "SELECT position FROM contact WHERE source = :source AND superseded IS NULL"
    " AND round = :round AND reason = 'interrupted'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryOrder:
    """What a retry is asked: to send the contacts of `outcome` again.

    `recalled`: from what the journal holds of them; their source cannot be read again.
    """

    outcome: str
    recalled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """A round, and what of it is still to do. `wanted` is by source name.

    `lost` contacts are wanted too, but their source cannot be read again, and the journal does not
    hold enough of them: they stay what they are.
    """

    round: int
    outcome: str
    continued: bool
    wanted: Mapping[str, Ranges]
    lost: int = 0

    @property
    def contacts(self) -> int:
        """How many are to be sent again."""
        return sum(map(len, self.wanted.values()))

    def others(self, source: str) -> Ranges:
        """Every position of a source that is not wanted."""
        wanted = self.wanted.get(source, Ranges())
        last = self.last(source)
        others = wanted.gaps(last)
        others.add(last + 1, ENDLESS)
        return others

    def last(self, source: str) -> int:
        """The last position of a source that is wanted, or 0."""
        return max((last for _, last in self.wanted.get(source, ())), default=0)


def begin_round(connection: sqlite3.Connection, outcome: str, *, at: float) -> tuple[int, bool]:
    """Go on with the open round of `outcome`, or begin one; its number, and whether it goes on."""
    row = connection.execute(
        "SELECT round FROM retry WHERE ended_at IS NULL AND outcome = ?", (outcome,)
    ).fetchone()
    if row:
        return row[0], True

    connection.execute("UPDATE retry SET ended_at = ? WHERE ended_at IS NULL", (at,))
    cursor = connection.execute(
        "INSERT INTO retry (outcome, began_at) VALUES (?, ?)", (outcome, at)
    )
    return cursor.lastrowid or 0, False


def wanted(
    connection: sqlite3.Connection, outcome: str, *, round_number: int, resend: bool
) -> dict[str, Ranges]:
    """The contacts of `outcome` that were not settled in the round yet, by source.

    `resend`: those too that were in flight in it when a process ended.
    """
    queries = [WANTED[outcome]] if outcome in WANTED else []
    queries += [_BROKEN_OFF] if resend else []
    missing = _missing(connection) if outcome == MISSING else {}
    found: dict[str, Ranges] = {}
    for ordinal, name in source_names(connection).items():
        positions = set(missing.get(ordinal, ()))
        for query in queries:
            rows = connection.execute(query, {"source": ordinal, "round": round_number})
            positions.update(position for (position,) in rows)

        ranges = Ranges()
        for first, last in runs_of(sorted(positions)):
            ranges.add(first, last)

        if ranges:
            found[name] = ranges

    return found


def recallable(connection: sqlite3.Connection, wanting: Mapping[str, Ranges]) -> dict[str, Ranges]:
    """Those of `wanting` of whom the journal holds enough to send them again."""
    found: dict[str, Ranges] = {}
    for name, wanted_here in wanting.items():
        rows = contact_records(connection, name, RECALLED)
        ranges = Ranges()
        for first, last in runs_of(position for position, *_ in rows if position in wanted_here):
            ranges.add(first, last)

        if ranges:
            found[name] = ranges

    return found


def _missing(connection: sqlite3.Connection) -> dict[int, list[int]]:
    """Those that are missing; whoever was sent again in the round is missing no more."""
    places: dict[int, list[int]] = {}
    for ordinal, position in missing_places(connection):
        places.setdefault(ordinal, []).append(position)

    return places
