"""The journal as other commands read it, while a run goes on or after: without any lock.

A view is one read transaction: everything it yields is of one moment, however long it is read
and whatever the run writes meanwhile. Memory is bounded: contacts come from a cursor, one batch
at a time.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from ..errors import RunDirectoryError, UsageError
from .accepted import accepted_batches, left_out
from .doubles import read_doubles
from .let_go import read_let_go
from .lock import holder
from .rows import (
    contact_rows,
    done_ranges,
    nothing_begun,
    read_counts,
    read_result_files,
    read_run,
    read_sources,
    source_names,
)
from .schema import bring_up_to_date, opened_to_read, translated
from .spans import positions_of
from .state import RunState
from .store import FILE_NAME
from .summary import Summary
from .verdicts import read_absent, read_verified, verdict_rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    from ..intake.ranges import Ranges
    from .history import Course
    from .rows import ContactRow, RunRow
    from .verdicts import VerdictRow

__all__ = ("AcceptedContact", "JournalView", "LastError", "UnsettledBatch", "viewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedContact:
    """A contact Marketing Cloud received."""

    contact_key: str
    source: str
    position: int
    event_instance_id: str | None
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsettledBatch:
    """A batch in flight, or one whose process died."""

    batch_id: int
    attempt: int
    contacts: int
    dispatched_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """The newest thing that went wrong. `at` is Unix seconds."""

    reason: str
    detail: str
    at: float


@contextmanager
def viewed(directory: Path) -> Iterator[JournalView]:
    """Open the journal in `directory` for reading; raises RunDirectoryError."""
    path = directory / FILE_NAME
    if not path.exists():
        raise RunDirectoryError(f"{directory} holds no run yet: there is no {FILE_NAME} in it")

    working = holder(directory) is not None
    if not working:
        bring_up_to_date(path)

    connection = opened_to_read(path)
    try:
        yield JournalView(connection, path=path, working=working)
    finally:
        connection.close()


class JournalView:
    """A journal at one moment. `working`: a process works on the run."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, working: bool) -> None:
        self._connection = connection
        self._path = path
        self._working = working

    def run(self) -> RunRow:
        """The run; one that says it is running, but whose process is gone, is interrupted."""
        with translated(self._path):
            run = read_run(self._connection)

        if run.state is RunState.RUNNING and not self._working:
            return replace(run, state=RunState.INTERRUPTED)

        return run

    def untouched(self) -> bool:
        """Whether nothing of the run's sources was read, and nothing sent."""
        with translated(self._path):
            return nothing_begun(self._connection, read_counts(self._connection))

    def summary(self) -> Summary:
        """The run in numbers."""
        with translated(self._path):
            return Summary.of(
                self.run(),
                read_counts(self._connection),
                verified=read_verified(self._connection),
                duplicates=read_doubles(self._connection),
                let_go=read_let_go(self._connection),
            )

    def course(self) -> Course:
        """How the run went: what was settled when, and what its failures were."""
        from .history import read_course  # noqa: PLC0415  # a report alone asks for it

        with translated(self._path):
            return read_course(self._connection)

    def files(self) -> list[tuple[str, int, int, int]]:
        """(name, bytes, seq, crc) of each result file, as the journal remembers it."""
        with translated(self._path):
            return read_result_files(self._connection)

    def unsettled(self) -> list[UnsettledBatch]:
        """The batches that were dispatched and have no outcome."""
        with translated(self._path):
            rows = self._connection.execute(
                "SELECT batch_id, attempt, contacts, at FROM batch"
                " WHERE batch_id NOT IN (SELECT batch_id FROM settlement) ORDER BY batch_id"
            ).fetchall()

        return [
            UnsettledBatch(batch_id=batch_id, attempt=attempt, contacts=contacts, dispatched_at=at)
            for batch_id, attempt, contacts, at in rows
        ]

    def last_error(self) -> LastError | None:
        """Why the last leg did not end well; else the contact that failed last."""
        run = self.run()
        if run.detail is not None and run.ended_at is not None:
            return LastError(reason=run.state.value, detail=run.detail, at=run.ended_at)

        with translated(self._path):
            row = self._connection.execute(
                "SELECT reason, detail, at FROM contact ORDER BY seq DESC LIMIT 1"
            ).fetchone()

        return LastError(reason=row[0], detail=row[1], at=row[2]) if row else None

    def accepted(self) -> Iterator[AcceptedContact]:
        """Yield the accepted contacts, in the order in which their batches were settled."""
        with translated(self._path):
            names = source_names(self._connection)
            for batch in accepted_batches(self._connection):
                places = positions_of(batch.spans)
                for (ordinal, position), key in zip(places, orjson.loads(batch.keys), strict=True):
                    yield AcceptedContact(
                        contact_key=key,
                        source=names[ordinal],
                        position=position,
                        event_instance_id=batch.event_instance_id,
                        batch=batch.batch_id,
                    )

    def left_out(self, *, by_size: bool = False) -> list[str]:
        """Why `accepted` and `verified` cannot yield all there are, a sentence each.

        `by_size`: as far as that is seen without reading the files.
        """
        with translated(self._path):
            return [str(missed) for missed in left_out(self._connection, by_size=by_size)]

    def failed(self, outcome: Literal["rejected", "unknown"]) -> Iterator[ContactRow]:
        """Yield the contacts whose outcome is `outcome`, in the order of settling."""
        with translated(self._path):
            yield from contact_rows(self._connection, outcome)

    def verified(self, outcome: str) -> Iterator[VerdictRow]:
        """Yield the accepted contacts that entered, are missing, or pending.

        Raises UsageError where it was never asked who entered.
        """
        with translated(self._path):
            if read_verified(self._connection) is None:
                raise UsageError(
                    f"{self._path}: nobody has asked Marketing Cloud yet who entered; "
                    "`journey-pipeline verify` does"
                )

            yield from verdict_rows(self._connection, outcome)

    def absent(self, *, reason: str | None = None) -> int:
        """How many unknown contacts, for this reason if any, certainly did not enter."""
        with translated(self._path):
            return read_absent(self._connection, reason=reason)

    def unprocessed(self) -> dict[str, Ranges]:
        """What was read of each source and has no outcome, as ranges."""
        with translated(self._path):
            done = done_ranges(self._connection)
            return {
                source.fingerprint.name: done[source.fingerprint.name].gaps(source.read)
                for source in read_sources(self._connection)
            }
