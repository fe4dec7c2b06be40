"""The journal's rows as values: what the store, the replay and the view read alike.

Every function takes an open connection and reads within whatever transaction that is in; those
that may yield much are iterators over a cursor and hold one row at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..intake.ranges import Ranges, runs_of
from ..intake.source import Fingerprint
from .compacted import compacted_counts, compacted_ranges
from .identity import Identity
from .spans import unpack_spans
from .state import RunState
from .tally import Counters

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

__all__ = (
    "ContactRow",
    "Counts",
    "RunRow",
    "SourceRow",
    "contact_records",
    "contact_rows",
    "done_ranges",
    "nothing_begun",
    "read_counts",
    "read_result_files",
    "read_run",
    "read_sources",
    "source_names",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """A source, and how far it has been read."""

    ordinal: int
    fingerprint: Fingerprint
    read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """Whose journal it is, and how far the run is.

    `retrying`: the outcome whose contacts are being sent again, and not all of them are yet.
    """

    run_id: str
    identity: Identity
    endpoint: str
    state: RunState
    exhausted: bool
    detail: str | None
    started_at: float
    ended_at: float | None
    retrying: str | None
    resumptions: int
    counters: Counters

    @property
    def finished(self) -> bool:
        """Completed, with nothing of its sources left to read, whatever is sent again since."""
        return self.exhausted


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many contacts are read, and have which outcome."""

    read: int
    accepted: int
    rejected: int
    unknown: int
    batches: int

    @property
    def settled(self) -> int:
        """Contacts with an outcome."""
        return self.accepted + self.rejected + self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRow:
    """A rejected or unknown contact. `record` is JSON; `null` where only the source has it."""

    seq: int
    outcome: str
    source: str
    position: int
    contact_key: str | None
    stage: str
    reason: str
    detail: str
    record: str
    batch: int | None
    attempt: int | None
    round: int
    at: float

    @classmethod
    def of(cls, row: Iterable[Any]) -> ContactRow:
        """From the fields' values in their order, which is the order of every query here."""
        return cls(**dict(zip(cls.__slots__, row, strict=True)))


def read_sources(connection: sqlite3.Connection) -> list[SourceRow]:
    """The sources in the order of their ordinals."""
    rows = connection.execute(
        "SELECT ordinal, name, size, digest, reading, read FROM source ORDER BY ordinal"
    )
    return [
        SourceRow(
            ordinal=ordinal,
            fingerprint=Fingerprint(name=name, size=size, digest=digest, reading=reading),
            read=read,
        )
        for ordinal, name, size, digest, reading, read in rows
    ]


def source_names(connection: sqlite3.Connection) -> dict[int, str]:
    """The sources' names by ordinal."""
    return dict(connection.execute("SELECT ordinal, name FROM source").fetchall())


def read_result_files(connection: sqlite3.Connection) -> list[tuple[str, int, int, int]]:
    """(name, bytes, seq, crc) of each result file."""
    return connection.execute("SELECT name, bytes, seq, crc FROM result_file").fetchall()


def read_run(connection: sqlite3.Connection) -> RunRow:
    """The run this journal is of."""
    row = connection.execute(
        "SELECT run_id, event_definition_key, rest_host, endpoint, state, exhausted, detail,"
        " started_at, ended_at, resumptions, requests, retries, tokens, seconds,"
        " (SELECT outcome FROM retry WHERE retry.ended_at IS NULL) FROM run"
    ).fetchone()
    sources = tuple(source.fingerprint for source in read_sources(connection))
    return RunRow(
        run_id=row[0],
        identity=Identity(event_definition_key=row[1], rest_host=row[2], sources=sources),
        endpoint=row[3],
        state=RunState(row[4]),
        exhausted=bool(row[5]),
        detail=row[6],
        started_at=row[7],
        ended_at=row[8],
        retrying=row[14],
        resumptions=row[9],
        counters=Counters(requests=row[10], retries=row[11], tokens=row[12], seconds=row[13]),
    )


def read_counts(connection: sqlite3.Connection) -> Counts:
    """Count; a pass over the batches and the failed contacts, but over no key."""
    (read,) = connection.execute("SELECT coalesce(sum(read), 0) FROM source").fetchone()
    accepted, batches = connection.execute(
        "SELECT coalesce(sum(iif(outcome = 'accepted', contacts, 0)), 0)"
        " - (SELECT coalesce(sum(times), 0) FROM overtaken), count(*) FROM settlement"
    ).fetchone()
    failed = dict(
        connection.execute(
            "SELECT outcome, count(*) FROM contact WHERE superseded IS NULL GROUP BY outcome"
        ).fetchall()
    )
    gone = compacted_counts(connection)
    return Counts(
        read=read,
        accepted=accepted + gone.accepted,
        rejected=failed.get("rejected", 0),
        unknown=failed.get("unknown", 0),
        batches=batches + gone.batches,
    )


def contact_rows(
    connection: sqlite3.Connection, outcome: str, after: int = 0, *, until: int = 1 << 62
) -> Iterator[ContactRow]:
    """Yield the contacts whose outcome is `outcome` today, in the order of settlement."""
    rows = connection.execute(
        "SELECT c.seq, outcome, name, position, contact_key, stage, reason, detail, record,"
        " batch_id, attempt, c.round, at FROM contact c JOIN source ON ordinal = source"
        " WHERE c.seq > ? AND c.seq <= ? AND outcome = ? AND superseded IS NULL ORDER BY c.seq",
        (after, until, outcome),
    )
    for row in rows:
        yield ContactRow.of(row)


def contact_records(
    connection: sqlite3.Connection, source: str, condition: str, *, after: int = 0
) -> Iterator[tuple[int, str, str, str]]:
    """Yield (position, contact key, stage, record) of a source's failed contacts, by position.

    `condition` is SQL, and not the user's.
    """
    yield from connection.execute(
        "SELECT position, contact_key, stage, record FROM contact JOIN source ON ordinal = source"  # noqa: S608
        f" WHERE name = ? AND position > ? AND superseded IS NULL AND {condition}"
        " ORDER BY position",
        (source, after),
    )


def done_ranges(connection: sqlite3.Connection) -> dict[str, Ranges]:
    """What has an outcome, as ranges per source."""
    sources = read_sources(connection)
    done = {source.ordinal: Ranges() for source in sources}
    for (spans,) in connection.execute(
        "SELECT spans FROM settlement JOIN batch USING (batch_id)"
        " WHERE outcome = 'accepted' ORDER BY batch_id"
    ):
        for ordinal, closed in unpack_spans(spans):
            for first, last in closed:
                done[ordinal].add(first, last)

    for ordinal, first, last in compacted_ranges(connection):
        done[ordinal].add(first, last)

    for ordinal, ranges in done.items():
        failed = connection.execute(
            "SELECT position FROM contact WHERE superseded IS NULL AND source = ?"
            " ORDER BY position",
            (ordinal,),
        )
        for first, last in runs_of(position for (position,) in failed):
            ranges.add(first, last)

    return {source.fingerprint.name: done[source.ordinal] for source in sources}


def nothing_begun(connection: sqlite3.Connection, counts: Counts) -> bool:
    """Whether nothing of the run's sources was read, and no batch dispatched."""
    dispatched = connection.execute("SELECT 1 FROM batch LIMIT 1").fetchone()
    return not (counts.read or counts.settled or counts.batches or dispatched)
