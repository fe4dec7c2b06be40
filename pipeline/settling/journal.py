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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from ..errors import ConservationError, JourneyError
from .grouping import DISPATCH, NONE, OUTCOME, Grouping

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


@dataclass(slots=True)
class _Order:
    """What a caller wants written, and where it waits; None where nobody waits."""

    work: Callable[[], Any]
    future: asyncio.Future[Any] | None
    result: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Wake whoever waits, unless it was cancelled meanwhile."""
        if self.future is None or self.future.done():
            return

        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(_again(self.error))


class Journal:
    """The journal as the run's tasks use it: each method returns when its say is on disk.

    An async context manager, which owns the store from then on and closes it. Every method raises
    RunDirectoryError once the disk has refused a write.
    """

    def __init__(self, store: JournalStore, *, tally: Tally | None = None) -> None:
        """`tally` is asked at each settlement what the run has cost."""
        self._store = store
        self._tally = tally
        self._waiting: list[_Order] = []
        self._writing = False
        self._grouping = Grouping()
        self._timer: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None
        self._idle = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self.pressed: Callable[[], bool] = lambda: True
        """Asked whether batches lie ready for senders, so that waiting for the disk costs pace."""

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._thread, self._idle.set)  # or none can be had later
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with anyio.CancelScope(shield=True):  # what waits is written even when the run is cancelled
            await self._idle.wait()
            try:
                await self._loop.run_in_executor(self._thread, self._store.close)
            finally:
                self._thread.shutdown()

    async def dispatched(self, batch: Batch, attempt: int) -> None:
        """`batch` is about to be sent: after this its first byte may leave.

        A caller that is cancelled meanwhile has not sent it: the dispatch is taken back.
        """
        try:
            await self._do(partial(self._store.dispatched, batch, attempt), DISPATCH)
        except asyncio.CancelledError:
            if self._failure is None:
                self._queue(_Order(partial(self._store.returned, batch), None))

            raise

    async def returned(self, batch: Batch) -> None:
        """`batch` was certainly not taken: it is as if it had never been dispatched."""
        await self._do(partial(self._store.returned, batch))

    async def split(self, parent: Batch, halves: Sequence[Batch]) -> None:
        """`parent` was refused as a whole; its `halves` will be dispatched in its stead."""
        await self._do(partial(self._store.split, parent, halves))

    async def judged(self, parent: Batch, parts: Sequence[Batch], attempt: int) -> None:
        """`parent` was answered contact by contact: its `parts` are in flight in its stead."""
        await self._do(partial(self._store.judged, parent, parts, attempt))

    async def settle(
        self,
        settlements: Sequence[Settlement],
        rejections: Sequence[Rejection],
        reads: Mapping[str, Mark],
    ) -> None:
        """Batches and records have their outcome, and sources were read up to their marks."""
        counters = self._counters()
        await self._do(
            partial(self._store.settle, settlements, rejections, reads, counters=counters),
            OUTCOME,
        )

    async def ended(self, state: RunState, *, exhausted: bool, detail: str | None = None) -> None:
        """This leg of the run is over. `exhausted`: all that it was to read was read."""
        counters = self._counters()
        await self._do(
            partial(self._store.ended, state, exhausted=exhausted, detail=detail, counters=counters)
        )

    async def within(
        self, work: Callable[[JournalStore], Result], patience: Patience = NONE
    ) -> Result:
        """Have `work` done with the store, within a transaction, and return what it returns."""
        return await self._do(partial(work, self._store), patience)

    async def summary(self) -> Summary:
        """The run in numbers. Raises ConservationError if they do not add up."""
        return await self._do(self._store.summary)

    def _counters(self) -> Counters | None:
        return None if self._tally is None else self._tally.counters()

    async def _do(self, work: Callable[[], Result], patience: Patience = NONE) -> Result:
        """Have `work` done in a transaction, with what comes meanwhile, and wait for its commit."""
        if self._failure is not None:
            raise _again(self._failure)

        future: asyncio.Future[Result] = self._loop.create_future()
        self._queue(_Order(work, future), patience)
        return await future

    def _queue(self, order: _Order, patience: Patience = NONE) -> None:
        """Put `order` into the next group."""
        self._waiting.append(order)
        self._idle.clear()
        if self._grouping.came(self._loop.time(), patience):
            self._schedule()

    def _schedule(self) -> None:
        """See to it that what waits is written when it is due, unless a group is under way."""
        if self._writing:
            return

        if self._timer is not None:
            self._timer.cancel()

        self._timer = self._loop.call_at(self._grouping.look_at(), self._look)

    def _look(self) -> None:
        """Send everything that waits to the thread, if it is ripe; in the loop."""
        self._timer = None
        now = self._loop.time()
        if not self._grouping.ripe(now, pressed=self.pressed()):
            self._schedule()
            return

        group, self._waiting = self._waiting, []
        self._grouping.begun(now)
        self._writing = True
        self._thread.submit(self._commit, group)

    def _commit(self, group: list[_Order]) -> None:
        """Write `group` in one transaction, and wake the callers; in the thread."""
        try:
            self._transact(group)
        except ConservationError:
            self._commit_singly(group)
        except BaseException as error:  # noqa: BLE001  # whatever it is, nobody may wait for ever
            for order in group:
                order.error = error

        self._loop.call_soon_threadsafe(self._wake, group)

    def _commit_singly(self, group: list[_Order]) -> None:
        for order in group:
            try:
                self._transact([order])
            except BaseException as error:  # noqa: BLE001  # as in _commit
                order.error = error

    def _transact(self, group: list[_Order]) -> None:
        with self._store.transaction():
            for order in group:
                order.result = order.work()

    def _wake(self, group: list[_Order]) -> None:
        """Tell the callers; in the loop."""
        for order in group:
            if order.error is not None and not isinstance(order.error, ConservationError):
                self._failure = self._failure or order.error

            order.tell()

        if self._failure is not None:
            refused, self._waiting = self._waiting, []
            for order in refused:
                order.error = self._failure
                order.tell()

        self._writing = False
        if self._waiting:
            self._schedule()
        else:
            self._idle.set()

    def __repr__(self) -> str:
        state = "failed" if self._failure else "writing" if self._writing else "idle"
        return f"<Journal {self._store.path}, {state}, {len(self._waiting)} waiting>"


def _again(error: BaseException) -> BaseException:
    """An error for one more caller: its own instance, so that each has its own traceback."""
    if not isinstance(error, JourneyError):
        return error

    copy = type(error)(*error.args)
    copy.__cause__ = error
    return copy
