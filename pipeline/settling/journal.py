"""The journal: `journal.db`, the truth about a run. This module's docstring is its format.

The format, version 8
---------------------
An SQLite file (tables.py), application id `JPJ1`, user version 8; earlier ones are brought up to
date when opened. A position is a record's number in its source, from 1; sources are referred to by
ordinal, and recognised by content.

    run         one row: identity, state, what the run has cost over all its legs
    source      each source: name, size, digest, how far it was read, its newest mark
    plain       what a source holds uncompressed, where that is known (plains.py)
    mark        (source, position, byte offset), one in about 50,000 positions
    batch       written BEFORE a batch's first byte leaves: spans, contact keys, attempt
    settlement  a batch's outcome, in the order of settling
    contact     a row a contact, for the rejected and the unknown alone
    retry       a row a round of contacts that are sent again
    overtaken   accepted contacts that were sent again
    message, arrival   what was taken of a queue, and which positions it has (messages.py);
                of it what is another worker's, if anything, in `let_go` (let_go.py)
    verification, verdict, absent    who entered, as told by Marketing Cloud (verdicts.py)
    result_file how many bytes of each result file are written, their CRC, up to which settlement
    result_part, compacted, …    what is over: days (rotation.py), old batches (compaction.py)

A batch with no settlement is in flight. One that was certainly not taken (`returned`), or that
was refused as a whole (`split`), is deleted again: it is as if it had never been dispatched, and
its contacts travel in other batches or are read again. A batch answered contact by contact is
replaced by its parts in one transaction (`judged`).

What is done of a source = the positions of its accepted batches (compacted ones too) and `contact`
rows that are not superseded, accepted + rejected + unknown in all. The rest read is unprocessed.

A retry (round 1, 2, …) sends contacts again that are done, and changes nothing of what is read or
done: a contact's new outcome stands instead of its old one, whose row gets the number of the round
(`overtaken` does that for a contact of an accepted batch). Retrying.py tells whose turn it is.

Writing
-------
One connection, one thread, WAL, synchronous=FULL: when a call returns, what it says is on disk.
The thread takes everything that waits, writes it in one transaction, appends the result files'
lines, and wakes all who wait (group commit). How long a group gathers is told in grouping.py.

A write that fails is rolled back and raised to each caller of its group, and to all who come later:
nothing is sent any more. A group in which one caller's books do not balance is written one by one.

Recovery
--------
Opening a journal that was used before (opening.py):
1. Batches in flight become unknown (reason `interrupted`), a row a contact.
2. Each result file is cut to its remembered length (changed, to nothing) and completed.
3. What is done is read as ranges per source. Reading goes on at the last mark before the first
   missing position, and passes over what is done: nothing is sent twice, nothing left out.

SQLite's own recovery of its write-ahead log comes before all of this.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

import anyio

from ..packing.batch import Trigger
from .committing import Committer
from .grouping import DISPATCH, OUTCOME, URGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from ..intake.source import Mark, Rejection
    from ..packing.batch import Batch
    from ..sending.outcome import Settlement
    from .grouping import Patience
    from .state import RunState
    from .store import JournalStore
    from .summary import Summary
    from .tally import Counters, Tally

__all__ = ("Journal",)

Result = TypeVar("Result")


class Journal:
    """The journal as the run's tasks use it: each method returns when its say is on disk.

    An async context manager, which owns the store from then on and closes it. Every method raises
    RunDirectoryError once the disk has refused a write.
    """

    def __init__(self, store: JournalStore, *, tally: Tally | None = None) -> None:
        """`tally` is asked at each settlement what the run has cost."""
        self._store = store
        self._tally = tally
        self._committer = Committer(store.transaction)

    async def __aenter__(self) -> Self:
        await self._committer.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):  # what waits is written even when the run is cancelled
            await self._committer.close(self._store.close)

    def press(self, pressed: Callable[[], bool]) -> None:
        """Have `pressed` tell whether waiting for the disk costs pace; until then it always does.

        It is asked until it says no, and again after `hurry`, to be called whenever it may say yes.
        """
        self._committer.press(pressed)

    def hurry(self) -> None:
        """Perhaps what waits should not wait any longer."""
        self._committer.hurry()

    async def dispatched(self, batch: Batch, attempt: int) -> None:
        """`batch` is about to be sent: after this its first byte may leave.

        A caller that is cancelled meanwhile has not sent it: the dispatch is taken back.
        """
        fresh = attempt == 1 and batch.trigger is not Trigger.SPLIT
        patience = DISPATCH if fresh else URGENT  # whoever has it in hand has more to do
        try:
            await self._committer.do(partial(self._store.dispatched, batch, attempt), patience)
        except asyncio.CancelledError:
            self._committer.leave(partial(self._store.returned, batch))
            raise

    async def returned(self, batch: Batch) -> None:
        """`batch` was certainly not taken: it is as if it had never been dispatched."""
        await self._committer.do(partial(self._store.returned, batch))

    async def split(self, parent: Batch, halves: Sequence[Batch]) -> None:
        """`parent` was refused as a whole; its `halves` will be dispatched in its stead."""
        await self._committer.do(partial(self._store.split, parent, halves))

    async def judged(self, parent: Batch, parts: Sequence[Batch], attempt: int) -> None:
        """`parent` was answered contact by contact: its `parts` are in flight in its stead."""
        await self._committer.do(partial(self._store.judged, parent, parts, attempt))

    async def settle(
        self,
        settlements: Sequence[Settlement],
        rejections: Sequence[Rejection],
        reads: Mapping[str, Mark],
    ) -> None:
        """Batches and records have their outcome, and sources were read up to their marks."""
        counters = self._counters()
        await self._committer.do(
            partial(self._store.settle, settlements, rejections, reads, counters=counters),
            OUTCOME,
        )

    async def ended(self, state: RunState, *, exhausted: bool, detail: str | None = None) -> None:
        """This leg of the run is over. `exhausted`: all that it was to read was read."""
        counters = self._counters()
        await self._committer.do(
            partial(self._store.ended, state, exhausted=exhausted, detail=detail, counters=counters)
        )

    async def within(
        self, work: Callable[[JournalStore], Result], patience: Patience = URGENT
    ) -> Result:
        """Have `work` done with the store, within a transaction, and return what it returns."""
        return await self._committer.do(partial(work, self._store), patience)

    async def summary(self) -> Summary:
        """The run in numbers. Raises ConservationError if they do not add up."""
        return await self._committer.do(self._store.summary)

    def _counters(self) -> Counters | None:
        return None if self._tally is None else self._tally.counters()

    def __repr__(self) -> str:
        return f"<Journal {self._store.path}, {self._committer!r}>"
