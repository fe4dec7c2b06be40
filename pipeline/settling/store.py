"""The journal's core: one connection, used by one thread at a time, knowing nothing of a loop.

Everything that changes the journal happens between `transaction()`'s begin and end, and one
transaction may carry many batches (group commit). What the tables mean together, and how a
journal is recovered, is told in `journal.py`.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import ConservationError, RunDirectoryError
from .books import Books
from .compaction import Compaction
from .doubles import read_doubles
from .duplicates import Decisions
from .ledger import Ledger
from .let_go import read_let_go
from .messages import Messages
from .results import ResultFiles, mend_parts
from .retrying import begin_round
from .rotation import Rotation
from .rows import nothing_begun, read_counts, read_run
from .schema import opened_to_write, translated
from .summary import Summary
from .verdicts import read_verified
from .witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..intake.source import Mark, Rejection
    from ..packing.batch import Batch
    from ..sending.outcome import Settlement
    from .state import RunState
    from .tally import Counters

__all__ = ("FILE_NAME", "JournalStore")

FILE_NAME = "journal.db"


class JournalStore:
    """Writes a run's journal and the result files derived from it.

    `begin` and `resume` in opening.py give one that may be written to. Raises RunDirectoryError
    where the disk will not take a write, after which the store is of no more use, and
    ConservationError where a write would give a contact a second outcome; in both cases the whole
    transaction is rolled back.
    """

    def __init__(self, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open the journal in `directory`. The run directory's lock is the caller's business."""
        self.path = directory / FILE_NAME
        self.clock = clock
        self.connection = opened_to_write(self.path)
        self._results = ResultFiles(directory)
        self._sound = True
        self._stale = False
        try:
            with translated(self.path):
                (committed,) = self.connection.execute("SELECT * FROM written").fetchone()
                self._witness = Witness(self.path, committed)
                self._books = Books(self.connection, self._results)
                self.decisions = Decisions(self.connection, self._books.ordinals)
                self.ledger = Ledger(
                    self.connection, books=self._books, results=self._results, clock=clock
                )
                self.messages = Messages(self.connection, books=self._books, clock=clock)
                self.compaction = Compaction(self.connection)
                self.rotation = Rotation(
                    self.connection, directory, books=self._books, results=self._results
                )
        except RunDirectoryError:
            self.connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is on disk when this ends, the result files' lines appended.

        Whatever is raised inside rolls all of it back.
        """
        with translated(self.path):
            self._refresh()
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._books.keep()
                self.connection.execute("UPDATE written SET transactions = transactions + 1")
                self.connection.execute("COMMIT")
            except BaseException as error:
                self._undo()
                self._sound = self._sound and isinstance(error, ConservationError)
                raise

        self._witness.note()
        self._append()

    def dispatched(self, batch: Batch, attempt: int) -> None:
        """`batch` is about to be sent: after the commit its first byte may leave."""
        self.ledger.write_ahead(batch, attempt)

    def returned(self, batch: Batch) -> None:
        """`batch` was certainly not taken: it is as if it had never been dispatched."""
        self.ledger.erase(batch.batch_id)

    def split(self, parent: Batch, halves: Sequence[Batch]) -> None:
        """`parent` was refused as a whole; its `halves` will be dispatched in its stead."""
        if sum(map(len, halves)) != len(parent):
            raise ConservationError(
                f"batch {parent.batch_id} of {len(parent)} contacts was split into "
                f"{' + '.join(str(len(half)) for half in halves)}"
            )

        self.returned(parent)

    def judged(self, parent: Batch, parts: Sequence[Batch], attempt: int) -> None:
        """`parent` was answered contact by contact: its `parts` are in flight in its stead.

        They are to be settled next, each with its outcome. A process that dies between leaves the
        contacts unknown, never unsent.
        """
        self.split(parent, parts)
        for part in parts:
            self.dispatched(part, attempt)

    def settle(
        self,
        settlements: Sequence[Settlement],
        rejections: Sequence[Rejection],
        reads: Mapping[str, Mark],
        *,
        counters: Counters | None = None,
    ) -> None:
        """Batches and records have their outcome, and sources were read up to their marks."""
        for settlement in settlements:
            self.ledger.settle(settlement)

        if rejections:
            self.ledger.reject(rejections)

        if not self.ledger.round:  # what a retry reads was read before
            for source, mark in reads.items():
                self._books.mark(self._books.ordinals[source], mark)

        self._books.count(counters)

    def ended(
        self,
        state: RunState,
        *,
        exhausted: bool,
        detail: str | None = None,
        counters: Counters | None = None,
    ) -> None:
        """This leg of the run is over. `exhausted`: all that it was to read was read."""
        now = self.clock()
        self.connection.execute(
            "UPDATE run SET state = ?, detail = ?, ended_at = ?", (state, detail, now)
        )
        if not self.ledger.round:
            self.connection.execute("UPDATE run SET exhausted = ?", (exhausted,))
        elif exhausted:
            end = "UPDATE retry SET ended_at = ? WHERE round = ?"
            self.connection.execute(end, (now, self.ledger.round))

        self._books.count(counters)

    def begin_retry(self, outcome: str) -> tuple[int, bool]:
        """From now on batches carry contacts that have this outcome, which theirs overtakes.

        Returns the round's number, from 1, and whether it was begun before.
        """
        number, continued = begin_round(self.connection, outcome, at=self.clock())
        self.ledger.enter(number)
        return number, continued

    def begin_verified(self) -> int:
        """A round in which nobody is sent: unknown contacts turn out to be accepted.

        `leave_round` ends it. Returns the first number for its batches.
        """
        now = self.clock()
        cursor = self.connection.execute(
            "INSERT INTO retry (outcome, began_at, ended_at) VALUES ('verified', ?, ?)", (now, now)
        )
        self.ledger.enter(cursor.lastrowid or 0)
        (last,) = self.connection.execute("SELECT coalesce(max(batch_id), 0) FROM batch").fetchone()
        return int(last) + 1

    def leave_round(self) -> None:
        """What is written from now on belongs to the run itself."""
        self.ledger.enter(0)

    def summary(self) -> Summary:
        """The run in numbers, this transaction's writes included."""
        self._refresh()
        self._books.keep()
        return Summary.of(
            read_run(self.connection),
            read_counts(self.connection),
            verified=read_verified(self.connection),
            duplicates=read_doubles(self.connection),
            let_go=read_let_go(self.connection),
        )

    def untouched(self) -> bool:
        """Whether nothing of the run's sources was read, and nothing sent."""
        return nothing_begun(self.connection, read_counts(self.connection))

    def catch_up(self) -> None:
        """Bring the result files to what the tables say: cut, append, or write anew."""
        with translated(self.path):
            self._results.catch_up(self.connection, self._books.result_files())

        self._books.outdated.clear()
        with self.transaction():
            mend_parts(self.connection, self.path.parent)
            self._books.remember()

    def rewrite_outdated(self) -> None:
        """Write the result files anew in which an outcome was overtaken, or that are displaced."""
        if self._books.outdated or self._results.displaced:
            self.catch_up()

    def close(self) -> None:
        """Make the result files complete and durable, and close. Closing again does nothing."""
        try:
            if self._sound and self._results.opened:
                self._remember()
                self.rewrite_outdated()
        finally:
            self._sound = False
            self._results.close()
            self._witness.close()
            self.connection.close()

    def reload(self) -> None:
        """Read again what is kept in memory beside the tables."""
        self._books.load()
        self.decisions = Decisions(self.connection, self._books.ordinals)
        self.ledger.load()
        self.messages.arrivals.load()
        self._stale = False

    def _refresh(self) -> None:
        if self._stale:
            self.reload()

    def _remember(self) -> None:
        with self.transaction():
            self._books.remember()

    def _append(self) -> None:
        try:
            self._results.flush()
        except RunDirectoryError:
            self._sound = False
            raise

    def _undo(self) -> None:
        self._stale = True
        self._results.discard()
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
