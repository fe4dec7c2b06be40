"""History: what a journal tells of the course of a run, as figures without contacts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .compacted import compacted_hours

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

__all__ = ("Course", "Stretch", "read_course")

STRETCHES: Final = 500
HOUR_SECONDS: Final = 3_600.0


@dataclass(slots=True)
class Stretch:
    """What was settled in one stretch of time: contacts by outcome, and how long batches took.

    A batch's time is from its dispatch to its outcome on disk: the request's own, and some
    milliseconds. Of batches that left the journal's tables (compaction.py) it is not known.
    """

    until: float  # Unix seconds
    seconds: float
    settled: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A run's course, and what its failures were: (outcome, stage, reason) and how many."""

    stretches: list[Stretch]
    reasons: list[tuple[str, str, str, int]]


def read_course(connection: sqlite3.Connection) -> Course:
    """The course as far as the transaction sees it that the connection is in."""
    return Course(
        stretches=list(_stretches(connection)),
        reasons=connection.execute(
            "SELECT outcome, stage, reason, COUNT(*) FROM contact"
            " WHERE superseded IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC"
        ).fetchall(),
    )


def _stretches(connection: sqlite3.Connection) -> Iterator[Stretch]:
    first, last = connection.execute(
        "SELECT MIN(at), MAX(at) FROM (SELECT at FROM settlement UNION ALL SELECT at FROM contact)"
    ).fetchone()
    if first is None:
        return

    hours = compacted_hours(connection)
    first = min([first, *(began for began, _ in hours)])
    long = max(1.0, (last - first) / STRETCHES)
    found: dict[int, Stretch] = {}

    def at(place: float) -> Stretch:
        number = int((place - first) / long)
        return found.setdefault(number, Stretch(first + (number + 1) * long, long))

    for settled, dispatched, contacts in connection.execute(
        "SELECT s.at, b.at, s.contacts FROM settlement s JOIN batch b USING (batch_id)"
        " WHERE s.outcome = 'accepted'"
    ):
        stretch = at(settled)
        stretch.settled["accepted"] += contacts
        stretch.took.append(settled - dispatched)

    for began, contacts in hours:
        for place, some in _spread(began, contacts, long=long, last=last):
            at(place).settled["accepted"] += some

    for settled, outcome in connection.execute("SELECT at, outcome FROM contact"):
        at(settled).settled[outcome] += 1

    for number in range(max(found) + 1):
        yield found.get(number) or Stretch(first + (number + 1) * long, long)


def _spread(
    began: float, contacts: int, *, long: float, last: float
) -> Iterator[tuple[float, int]]:
    """Spread what was settled in an hour evenly over its stretches."""
    seconds = max(0.0, min(HOUR_SECONDS, last - began))
    pieces = max(1, round(seconds / long))
    for number in range(pieces):
        some = contacts * (number + 1) // pieces - contacts * number // pieces
        yield began + seconds * number / pieces, some
