"""Opening a journal: a new one begun, or an old one replayed and gone on with.

Replay is told in `journal.py`. A batch that was dispatched and has no outcome was in flight when
the last process ended: its contacts become unknown, reason `interrupted`, before anything else is
done, so that they are not sent a second time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from ..errors import ConservationError
from ..intake.source import START, Mark
from .compaction import shrink
from .contacts import INTERRUPTED, interrupted_rows
from .plains import note_plains, update_sources
from .results import NAMES
from .retrying import Retry, recallable, wanted
from .rows import done_ranges, read_counts, read_run, read_sources
from .schema import create, translated
from .spans import positions_of
from .state import RunState
from .store import FILE_NAME, JournalStore

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..intake.ranges import Ranges
    from .identity import Identity
    from .retrying import RetryOrder
    from .rows import Counts, RunRow
    from .tally import Counters

__all__ = ("Leftovers", "Replay", "begin", "replay", "resume")


class Leftovers(StrEnum):
    """What becomes of contacts that were in flight when a process ended (`on_unknown`)."""

    HOLD = "hold"  # they are unknown, and never sent again by themselves
    RESEND = "resend"  # they are as if never dispatched, and read again


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a journal says about a run: where it stands, and how it goes on.

    `state` and `detail` say how it stood before. `done` and `starts` are by source name; reading
    source s goes on with `chunks(done[s], starts[s])`. Leftovers are counted in `unknown` already.
    In a `retry`, what need not be read is `done`, and that is all but what is wanted.
    """

    run_id: str
    state: RunState
    detail: str | None
    resumptions: int
    done: Mapping[str, Ranges]
    starts: Mapping[str, Mark]
    counts: Counts
    counters: Counters
    next_batch_id: int
    leftover_batches: int = 0
    leftover_contacts: int = 0
    retry: Retry | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do: a retry that nobody is to be sent again in."""
        return self.retry is not None and not self.retry.contacts


def begin(
    directory: Path,
    *,
    run_id: str,
    identity: Identity,
    endpoint: str,
    clock: Callable[[], float] = time.time,
) -> JournalStore:
    """Make the journal of a new run in `directory`, and its empty result files."""

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO run VALUES (1, ?, ?, ?, ?, ?, 0, NULL, ?, NULL, 0, 0, 0, 0, 0.0)",
            (
                run_id,
                identity.event_definition_key,
                identity.rest_host,
                endpoint,
                RunState.RUNNING,
                clock(),
            ),
        )
        connection.executemany(
            "INSERT INTO source VALUES (?, ?, ?, ?, ?, 0, 0, 0)",
            [
                (number, one.name, one.size, one.digest, one.reading)
                for number, one in enumerate(identity.sources)
            ],
        )
        note_plains(connection, enumerate(identity.sources))
        connection.executemany(
            "INSERT INTO result_file VALUES (?, 0, 0, 0)", [(name,) for name in NAMES]
        )

    create(directory / FILE_NAME, fill)
    store = JournalStore(directory, clock=clock)
    store.catch_up()
    return store


def resume(
    directory: Path,
    *,
    identity: Identity,
    endpoint: str,
    leftovers: Leftovers = Leftovers.HOLD,
    retry: RetryOrder | None = None,
    clock: Callable[[], float] = time.time,
) -> tuple[JournalStore, Replay]:
    """Open the journal of an earlier process and settle what was in flight.

    The run is gone on with; with `retry`, contacts of it are sent again instead,
    whether the run is finished or not. The sources are those of the journal by their content; they
    take the names `identity` gives them now. Raises RunDirectoryError, and ConservationError if
    the journal does not balance.
    """
    store = JournalStore(directory, clock=clock)
    try:
        with translated(store.path):
            shrink(store.connection)

        with store.transaction():
            update_sources(store.connection, identity.sources)

        store.reload()
        store.catch_up()
        with store.transaction():
            batches, contacts = _settle_leftovers(store, leftovers)

        store.rewrite_outdated()
        with store.transaction():
            replayed = replay(
                store.connection, leftover_batches=batches, leftover_contacts=contacts
            )
            if retry is not None:
                resend = leftovers is Leftovers.RESEND
                replayed = _retried(store, replayed, order=retry, resend=resend)

            if replayed.idle:
                _leave(store, replayed)
            else:
                replayed = _go_on(store.connection, replayed, endpoint=endpoint)
    except BaseException:
        store.close()
        raise

    return store, replayed


def _go_on(connection: sqlite3.Connection, replayed: Replay, *, endpoint: str) -> Replay:
    if replayed.retry is None:
        connection.execute("UPDATE run SET exhausted = 0")

    connection.execute(
        "UPDATE run SET state = ?, detail = NULL, ended_at = NULL, endpoint = ?,"
        " resumptions = resumptions + 1",
        (RunState.RUNNING, endpoint),
    )
    return replace(replayed, resumptions=replayed.resumptions + 1)


def _leave(store: JournalStore, replayed: Replay) -> None:
    """A retry of nobody is over at once, and the run stands as it stood."""
    end = "UPDATE retry SET ended_at = ? WHERE ended_at IS NULL"
    store.connection.execute(end, (store.clock(),))
    store.connection.execute("UPDATE run SET state = ?", (replayed.state,))


def _retried(store: JournalStore, replayed: Replay, *, order: RetryOrder, resend: bool) -> Replay:
    """What is to be read for a retry, which is begun or gone on with."""
    number, continued = store.begin_retry(order.outcome)
    every = wanted(store.connection, order.outcome, round_number=number, resend=resend)
    at_hand = recallable(store.connection, every) if order.recalled else every
    retry = Retry(
        round=number,
        outcome=order.outcome,
        continued=continued,
        wanted=at_hand,
        lost=sum(map(len, every.values())) - sum(map(len, at_hand.values())),
    )
    others = {name: retry.others(name) for name in replayed.done}
    return replace(replayed, retry=retry, done=others, starts=_starts(store.connection, others))


def replay(
    connection: sqlite3.Connection, *, leftover_batches: int = 0, leftover_contacts: int = 0
) -> Replay:
    """Read where the run stands; raises ConservationError if its books do not balance."""
    run, counts, done = read_run(connection), read_counts(connection), done_ranges(connection)
    settled = sum(len(ranges) for ranges in done.values())
    if settled != counts.settled:
        raise ConservationError(
            f"run {run.run_id}: {counts.settled:,} outcomes for {settled:,} contacts, a difference "
            f"of {counts.settled - settled:,}; the journal stands as it is"
        )

    (last,) = connection.execute("SELECT coalesce(max(batch_id), 0) FROM batch").fetchone()
    return Replay(
        run_id=run.run_id,
        state=_state_before(run),
        detail=None if run.finished else run.detail,
        resumptions=run.resumptions,
        done=done,
        starts=_starts(connection, done),
        counts=counts,
        counters=run.counters,
        next_batch_id=last + 1,
        leftover_batches=leftover_batches,
        leftover_contacts=leftover_contacts,
    )


def _state_before(run: RunRow) -> RunState:
    """How a run stands that no process works on."""
    if run.finished:
        return RunState.COMPLETED

    return RunState.INTERRUPTED if run.state is RunState.RUNNING else run.state


def _starts(connection: sqlite3.Connection, done: Mapping[str, Ranges]) -> dict[str, Mark]:
    """For each source the last mark that has no missing position before it."""
    starts = {}
    for source in read_sources(connection):
        name = source.fingerprint.name
        row = connection.execute(
            "SELECT position, byte_offset FROM mark WHERE source = :source AND position < :missing"
            " UNION ALL SELECT mark_position, mark_offset FROM source"
            " WHERE ordinal = :source AND mark_position < :missing"
            " ORDER BY 1 DESC LIMIT 1",
            {"source": source.ordinal, "missing": done[name].first_missing()},
        ).fetchone()
        starts[name] = Mark(*row) if row else START

    return starts


def _settle_leftovers(store: JournalStore, leftovers: Leftovers) -> tuple[int, int]:
    """Give the batches in flight their outcome; (batches, contacts)."""
    rows = store.connection.execute(
        "SELECT batch_id, attempt, round, contacts, spans, keys FROM batch"
        " WHERE batch_id NOT IN (SELECT batch_id FROM settlement) ORDER BY batch_id"
    ).fetchall()
    for batch_id, attempt, round_number, _, spans, keys in rows:
        if leftovers == Leftovers.RESEND and not round_number:
            store.ledger.erase(batch_id)
            continue

        store.ledger.enter(round_number)
        places = list(positions_of(spans))
        store.ledger.record(
            batch_id, attempt=attempt, outcome="unknown", contacts=len(places), why=INTERRUPTED
        )
        contacts = zip(places, orjson.loads(keys), strict=True)
        store.ledger.fail(interrupted_rows(batch_id, attempt, contacts))

    store.ledger.enter(0)
    return len(rows), sum(contacts for _, _, _, contacts, _, _ in rows)
