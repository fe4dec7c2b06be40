"""Stop: why a run takes no more, and which waits to leave when it does.

A run stops early for one of two reasons: it is drained (a signal) or halted (an error that sending
again cannot mend). Both do the same to the tasks: every wait entered through `scope()` is left at
once, and no such wait is begun again. What is not such a wait, above all a POST that is under way,
is finished. What was never dispatched stays unprocessed, and the next run begins with it.

A worker on a queue has promised more: what it has taken nobody else is given. So when it is drained
it takes no more, but what is taken is sent and settled; such waits are entered through
`last_scope()`, and left when the run is halted, or when `give_up()` says that it takes too long:
near the end of the time for a drain, or at once where nothing may be sent (steering.py).
"""

from __future__ import annotations

import asyncio
import signal
from math import inf
from typing import TYPE_CHECKING
from weakref import WeakSet

from anyio import TASK_STATUS_IGNORED, CancelScope, current_time, open_signal_receiver

from ..events import DrainStarted, RunHalted

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from ..errors import JourneyError
    from ..events import Emit

__all__ = ("Stop", "heed_signals")

SAME_WISH_SECONDS = 0.5

GIVE_UP_SHARE = 0.8
"""Of the time for a drain: no batch is begun after it, so that what is under way may end."""


class Stop:
    """One run's stop. The first reason stands; later ones are part of the same stop."""

    def __init__(self, *, emit: Emit) -> None:
        self._emit = emit
        self._scopes: WeakSet[CancelScope] = WeakSet()
        self._last_scopes: WeakSet[CancelScope] = WeakSet()
        self._wholes: WeakSet[CancelScope] = WeakSet()
        self._inner: WeakSet[Stop] = WeakSet()
        self._given_up = False
        self._error: JourneyError | None = None
        self._drained = False
        self._deadline = inf

    def inner(self, *, emit: Emit) -> Stop:
        """The stop of one of several runs: drained and left with this one, and halted alone."""
        inner = Stop(emit=emit)
        if self._drained:
            inner.take_no_more()

        inner.leave_by(self._deadline)
        self._inner.add(inner)
        return inner

    @property
    def error(self) -> JourneyError | None:
        """The error that halted the run, if one did."""
        return self._error

    @property
    def drained(self) -> bool:
        """Whether a signal drained the run."""
        return self._drained

    @property
    def asked(self) -> bool:
        """Whether the run is to take no more."""
        return self._drained or self._error is not None

    def scope(self) -> CancelScope:
        """A scope for waits that may be left when the run stops; cancelled already if it has."""
        scope = CancelScope()
        if self.asked:
            scope.cancel()

        self._scopes.add(scope)
        return scope

    def last_scope(self) -> CancelScope:
        """A scope for waits that are left when the run is halted, but not when it is drained."""
        scope = CancelScope()
        if self._error is not None or self._given_up:
            scope.cancel()

        self._last_scopes.add(scope)
        return scope

    def give_up(self) -> None:
        """Draining takes too long: leave what has not been dispatched to the next run."""
        self._given_up = True
        self._leave(self._last_scopes)
        for inner in list(self._inner):
            inner.give_up()

    def whole(self) -> CancelScope:
        """A scope for all of the work, what is under way included: left when there is no time."""
        scope = CancelScope(deadline=self._deadline)
        self._wholes.add(scope)
        return scope

    def drain(self, reason: str) -> None:
        """Take no more: finish what is under way."""
        if not self.asked:
            self._emit(DrainStarted(reason=reason))

        self.take_no_more()

    def take_no_more(self) -> None:
        """The same without a word, where that is said already."""
        self._drained = True
        self._leave(self._scopes)
        for inner in list(self._inner):
            inner.take_no_more()

    def leave_by(self, deadline: float) -> None:
        """Leave what is under way then, in the time of the event loop, if it is not over."""
        self._deadline = min(self._deadline, deadline)
        for scope in list(self._wholes):
            scope.deadline = self._deadline

        for inner in list(self._inner):
            inner.leave_by(deadline)

    def halt(self, error: JourneyError) -> None:
        """Take no more, because of `error`."""
        if self._error is None:
            self._error = error
            self._emit(RunHalted(detail=str(error)))

        self._leave(self._scopes)
        self._leave(self._last_scopes)

    @staticmethod
    def _leave(scopes: WeakSet[CancelScope]) -> None:
        for scope in list(scopes):
            scope.cancel()

    def __repr__(self) -> str:
        state = "asked" if self.asked else "not asked"
        return f"<Stop {state}, {len(self._scopes)} waits>"


async def heed_signals(
    stop: Stop,
    *,
    drain_seconds: float | None = None,
    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
) -> None:
    """The first SIGINT or SIGTERM drains the run; at a second everything is left, at once.

    So it is after `drain_seconds`, where a drain may take no longer. The same one again within half
    a second is the same wish: `timeout` signals the process and then its group.
    """
    first, drained_at = None, -inf
    try:
        with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if not stop.drained:
                    first, drained_at = number, current_time()
                    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
                    limit = "" if drain_seconds is None else f", as do {drain_seconds:g} s"
                    stop.drain(f"{name} received; another one leaves at once{limit}")
                    if drain_seconds is not None:
                        stop.leave_by(drained_at + drain_seconds)
                        # What cannot be sent in time stays with the queue, and is known.
                        loop = asyncio.get_running_loop()
                        loop.call_later(GIVE_UP_SHARE * drain_seconds, stop.give_up)
                elif number != first or current_time() >= drained_at + SAME_WISH_SECONDS:
                    stop.leave_by(current_time())
    finally:
        if stop.drained:  # who asks once more, as `timeout` does, breaks off no last word
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, _pass_over)


def _pass_over(*_: object) -> None:
    """Of a signal: what it asks for is done already. Not inherited, as an ignored one would be."""
