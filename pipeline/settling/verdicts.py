"""Verdicts: who of the accepted contacts entered, as the journal keeps what Marketing Cloud told.

    verification   one row: when it was last asked, and what was found of the whole, as JSON
    verdict        accepted contacts of a batch that share an outcome and a reason: their spans
    absent         unknown contacts that certainly did not enter, which `retry` may send safely

`accepted = entered + missing + pending`. An accepted contact that no verdict tells of was settled
after the question, and is pending. A contact that a retry has overtaken since is no longer that of
its verdict: what counts is its new outcome.

A verification replaces all verdicts in one transaction. What was once seen to enter stays entered,
also when history does not reach back to it any more. An unknown contact that entered becomes
accepted: it travels, on paper, in a batch of a round of its own, whose attempt is 0, and which
supersedes its unknown outcome as a retry's would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from .accepted import accepted_batches
from .parts import compacted_until, holds_parts
from .rows import source_names
from .schema import has_table
from .spans import pack_places, positions_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .accepted import AcceptedBatch
    from .store import JournalStore

    Place = tuple[int, int]

__all__ = (
    "UnknownClaim",
    "Verdict",
    "VerdictRow",
    "Verified",
    "missing_places",
    "read_absent",
    "read_verified",
    "unknown_claims",
    "verdict_rows",
    "write_verification",
)

LATE_BATCH = 500
"""How many contacts that turned out to be accepted make a batch."""

NOT_ASKED = ("not_asked", "accepted after the last verification: verify again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How many accepted contacts entered, and how many certainly did not. `told`: of the whole."""

    at: float
    entered: int
    missing: int
    told: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of some contacts of a batch; their places in the order of its keys."""

    batch_id: int
    outcome: str
    reason: str
    detail: str
    places: Sequence[Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """An accepted contact and what was found of it."""

    contact_key: str
    source: str
    position: int
    batch: int
    event_instance_id: str | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownClaim:
    """A contact whose fate is unknown."""

    seq: int
    place: Place
    contact_key: str
    at: float


def unknown_claims(connection: sqlite3.Connection) -> Iterator[UnknownClaim]:
    """Yield the contacts that are unknown today, in the order of settling."""
    rows = connection.execute(
        "SELECT seq, source, position, contact_key, at FROM contact"
        " WHERE outcome = 'unknown' AND superseded IS NULL ORDER BY seq"
    )
    for seq, source, position, key, at in rows:
        yield UnknownClaim(seq=seq, place=(source, position), contact_key=key or "", at=at)


def write_verification(
    store: JournalStore,
    verdicts: Iterable[Verdict],
    *,
    told: Callable[[], dict[str, Any]],
    entered: Sequence[UnknownClaim],
    absent: Sequence[UnknownClaim],
) -> None:
    """Replace every verdict, within the store's transaction.

    `told`, `entered` and `absent` are looked at once the verdicts have come to their end: the
    whole in words, those who were unknown and are accepted from now on, and those who stay unknown
    and certainly did not enter.
    """
    connection = store.connection
    # The old verdicts stay until the new ones are there, which are made with a look at them.
    (newest,) = connection.execute("SELECT coalesce(max(rowid), 0) FROM verdict").fetchone()
    connection.executemany("INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?)", map(_row, verdicts))
    # Of contacts that nobody knows any more (accepted.py) what was found before stands; some of
    # their batches may be in the tables still, which are not asked once a file has them.
    connection.execute(
        "DELETE FROM verdict WHERE rowid <= :newest AND ("
        "batch_id IN (SELECT batch_id FROM settlement WHERE seq > :until)"
        " OR batch_id IN (SELECT batch_id FROM verdict WHERE rowid > :newest))",
        {"newest": newest, "until": compacted_until(connection)},
    )
    connection.execute("DELETE FROM verification")
    connection.execute(
        "INSERT INTO verification VALUES (1, ?, ?)", (store.clock(), orjson.dumps(told()).decode())
    )
    connection.execute("DELETE FROM absent")
    connection.executemany("INSERT INTO absent VALUES (?)", ((claim.seq,) for claim in absent))
    if entered:
        _accept(store, entered)


def _row(verdict: Verdict) -> tuple[Any, ...]:
    spans = pack_places(verdict.places)
    return (
        verdict.batch_id,
        verdict.outcome,
        verdict.reason,
        verdict.detail,
        len(verdict.places),
        spans,
    )


def _accept(store: JournalStore, entered: Sequence[UnknownClaim]) -> None:
    """Unknown contacts were seen to enter: they are accepted, and entered."""
    first = store.begin_verified()
    for number, begin in enumerate(range(0, len(entered), LATE_BATCH), first):
        some = sorted(entered[begin : begin + LATE_BATCH], key=lambda claim: claim.place)
        places = [claim.place for claim in some]
        store.ledger.accept_late(number, places, [claim.contact_key for claim in some])
        verdict = Verdict(
            batch_id=number, outcome="entered", reason="in_history", detail="", places=places
        )
        store.connection.execute("INSERT INTO verdict VALUES (?, ?, ?, ?, ?, ?)", _row(verdict))

    store.leave_round()


def read_verified(connection: sqlite3.Connection) -> Verified | None:
    """Count; None where it was never asked who entered."""
    if not has_table(connection, "verification"):
        return None  # an earlier format, whose program is still at work

    row = connection.execute("SELECT at, told FROM verification").fetchone()
    if row is None:
        return None

    counts = dict(
        connection.execute("SELECT outcome, sum(contacts) FROM verdict GROUP BY outcome").fetchall()
    )
    gone = _overtaken(connection)
    lost = {"entered": 0, "missing": 0}
    if gone:
        for outcome in lost:
            kept = sum(len(places) for _, places in _standing(connection, outcome, gone))
            lost[outcome] = counts.get(outcome, 0) - kept

    return Verified(
        at=row[0],
        entered=counts.get("entered", 0) - lost["entered"],
        missing=counts.get("missing", 0) - lost["missing"],
        told=orjson.loads(row[1]),
    )


def read_absent(connection: sqlite3.Connection, *, reason: str | None = None) -> int:
    """How many contacts are unknown today, for this reason if any, and did not enter."""
    if not has_table(connection, "absent"):
        return 0

    (count,) = connection.execute(
        "SELECT count(*) FROM absent JOIN contact USING (seq) WHERE superseded IS NULL"
        " AND reason = ifnull(?, reason)",
        (reason,),
    ).fetchone()
    return int(count)


def missing_places(connection: sqlite3.Connection) -> Iterator[Place]:
    """Yield the place of every contact that was accepted, is missing, and was not sent again."""
    for _, places in _standing(connection, "missing", _overtaken(connection)):
        yield from places


def verdict_rows(connection: sqlite3.Connection, outcome: str) -> Iterator[VerdictRow]:
    """Yield the accepted contacts with this outcome, in the order of settling."""
    names = source_names(connection)
    known = {batch_id for (batch_id,) in connection.execute("SELECT batch_id FROM verdict")}
    for batch in accepted_batches(connection):
        keys = dict(zip(positions_of(batch.spans), orjson.loads(batch.keys), strict=True))
        if batch.batch_id not in known:
            found = [(*NOT_ASKED, batch.spans)] if outcome == "pending" else []
        else:
            found = connection.execute(
                "SELECT reason, detail, spans FROM verdict WHERE batch_id = ? AND outcome = ?",
                (batch.batch_id, outcome),
            ).fetchall()

        for reason, detail, spans in found:
            for place in positions_of(spans):
                if place in keys:  # not overtaken since
                    yield _told(batch, place, keys[place], names=names, why=(reason, detail))


def _told(
    batch: AcceptedBatch, place: Place, key: str, *, names: dict[int, str], why: tuple[str, str]
) -> VerdictRow:
    reason, detail = why
    return VerdictRow(
        contact_key=key,
        source=names[place[0]],
        position=place[1],
        batch=batch.batch_id,
        event_instance_id=batch.event_instance_id,
        reason=reason,
        detail=detail,
    )


def _overtaken(connection: sqlite3.Connection) -> dict[Place, int]:
    """The rounds in which accepted contacts were sent again."""
    rows = connection.execute("SELECT source, position, round FROM overtaken")
    return {(source, position): number for source, position, number in rows}


def _standing(
    connection: sqlite3.Connection, outcome: str, gone: dict[Place, int]
) -> Iterator[tuple[int, list[Place]]]:
    """Yield (batch, places) of the verdicts of an outcome, without what was overtaken since."""
    rounds = ["(SELECT round FROM batch b WHERE b.batch_id = v.batch_id)"]
    if holds_parts(connection):
        rounds.append("(SELECT round FROM compacted_batch c WHERE c.batch_id = v.batch_id)")

    rows = connection.execute(
        f"SELECT v.batch_id, coalesce({', '.join(rounds)}, 0), v.spans FROM verdict v"  # noqa: S608  # ours
        " WHERE v.outcome = ? ORDER BY v.batch_id",
        (outcome,),
    )
    for batch_id, number, spans in rows:
        places = [place for place in positions_of(spans) if gone.get(place, 0) <= number]
        if places:
            yield batch_id, places
