"""Committing: the one thread that writes the journal, and who waits for it.

Orders gather in the loop until they are due (grouping.py); the thread does them all in one
transaction, and wakes all who wait. An order that fails fails its whole group, and everything that
comes later: only where the books of one do not balance is each written by itself.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import ConservationError, JourneyError
from .grouping import URGENT, Grouping

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .grouping import Patience

__all__ = ("Committer",)

Result = TypeVar("Result")

MOMENT_SECONDS: Final = 0.001
"""A timer of the loop may go off so much early."""


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


class Committer:
    """Does what it is asked to in a thread, within transactions that many may share."""

    def __init__(self, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._waiting: list[_Order] = []
        self._writing = False
        self._grouping = Grouping()
        self._timer: asyncio.TimerHandle | None = None
        self._due = inf  # when it goes off
        self._idle = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._failure: BaseException | None = None  # why nothing is written any more
        self._pressed: Callable[[], bool] = lambda: True
        self._perhaps = True  # it may be so: it was not asked, or said so, since the last hurry

    async def start(self) -> None:
        """Start the thread, before none can be had any more."""
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._thread, self._idle.set)

    async def close(self, last: Callable[[], None]) -> None:
        """Write what waits, do `last` outside of any transaction, and let the thread go."""
        self.press(lambda: True)
        await self._idle.wait()
        try:
            await self._loop.run_in_executor(self._thread, last)
        finally:
            self._thread.shutdown()

    def press(self, pressed: Callable[[], bool]) -> None:
        """Ask `pressed` whether anybody is missed who waits for the disk; else all are."""
        self._pressed = pressed
        self.hurry()

    def hurry(self) -> None:
        """Somebody may be missed since a moment ago: what waits may be due sooner."""
        self._perhaps = True
        if self._waiting:
            self._schedule()

    async def do(self, work: Callable[[], Result], patience: Patience = URGENT) -> Result:
        """Have `work` done in a transaction, with what comes meanwhile, and wait for its commit.

        Raises what `work` raises, and for ever after what the disk has refused once.
        """
        if self._failure is not None:
            raise _again(self._failure)

        future: asyncio.Future[Result] = self._loop.create_future()
        self._queue(_Order(work, future), patience)
        return await future

    def leave(self, work: Callable[[], None]) -> None:
        """Have `work` done soon, and wait for nothing."""
        if self._failure is None:
            self._queue(_Order(work, None), URGENT)

    def _queue(self, order: _Order, patience: Patience) -> None:
        """Put `order` into the next group."""
        self._waiting.append(order)
        self._idle.clear()
        self._grouping.came(self._loop.time(), patience)
        self._schedule()

    def _schedule(self) -> None:
        """See to it that what waits is written when it is due, unless a group is under way."""
        if self._writing or self._grouping.due(pressed=True) >= self._due:
            return

        due = self._grouping.due(pressed=self._are_pressed())
        if due >= self._due:
            return

        if self._timer is not None:
            self._timer.cancel()

        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        """Send everything that waits to the thread, if it is still due; in the loop."""
        self._timer, self._due = None, inf
        now = self._loop.time()
        if self._grouping.due(pressed=self._are_pressed()) > now + MOMENT_SECONDS:
            self._schedule()
            return

        group, self._waiting = self._waiting, []
        self._grouping.begun(now)
        self._writing = True
        self._thread.submit(self._commit, group)

    def _are_pressed(self) -> bool:
        self._perhaps = self._perhaps and self._pressed()
        return self._perhaps

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
        with self._transaction():
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
        return f"<Committer {state}, {len(self._waiting)} waiting>"


def _again(error: BaseException) -> BaseException:
    """An error for one more caller: its own instance, so that each has its own traceback."""
    if not isinstance(error, JourneyError):
        return error

    copy = type(error)(*error.args)
    copy.__cause__ = error
    return copy
