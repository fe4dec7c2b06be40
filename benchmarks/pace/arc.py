"""Adaptive request concurrency, as Vector's HTTP sinks have it: the baseline.

Written from its description, with its defaults. One decision each smoothed round trip: one more
where the limit was reached, nothing pushed back and answers are no slower than before; a tenth
less where something pushed back, or answers are slower by 2.5 standard deviations. Every answer
that is to be tried again pushes back, a 429 too; only requests that succeeded tell of the time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio

from pipeline.sending.control import Permit
from pipeline.sending.verdict import Ambiguous, Taken, TryLater

if TYPE_CHECKING:
    from pipeline.sending.clock import Clock
    from pipeline.sending.verdict import Verdict

__all__ = ("AdaptiveConcurrency",)

_DECREASE = 0.9
_ALPHA = 0.4
_DEVIATIONS = 2.5


class AdaptiveConcurrency:
    """A pace, as senders ask one."""

    def __init__(self, ceiling: int, *, clock: Clock) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._line = anyio.Lock(fast_acquire=True)
        self._change = anyio.Event()
        self.limit = 1
        self.in_flight = 0
        self._mean: float | None = None
        self._variance = 0.0
        self._sum, self._count = 0.0, 0
        self._next_update = 0.0
        self._back_pressure = self._reached = False

    async def wait(self, contacts: int) -> Permit:
        async with self._line:
            while self.in_flight >= self.limit:
                self._change = anyio.Event()
                await self._change.wait()

            return self._start()

    def take(self, contacts: int) -> Permit | None:
        if self._line.locked() or self.in_flight >= self.limit:
            return None

        return self._start()

    def came_back(self, permit: Permit, verdict: Verdict | None) -> None:
        now = self._clock.now()
        self._back_pressure |= isinstance(verdict, TryLater | Ambiguous)
        self.in_flight -= 1
        if isinstance(verdict, Taken):
            self._sum += now - permit.went_at
            self._count += 1

        self._update(now)
        self._change.set()

    async def spread(self) -> None:
        """There are no others."""

    def retry_seconds(self) -> float:
        return 0.0

    def outage(self) -> bool:
        return True  # attempts do not run out

    def hopeless(self) -> bool:
        return False

    def _start(self) -> Permit:
        self.in_flight += 1
        self._reached |= self.in_flight >= self.limit
        return Permit(self._clock.now(), 0, probe=False)

    def _update(self, now: float) -> None:
        average = self._sum / self._count if self._count else None
        if self._mean is None:
            if average is not None:
                self._mean = average
                self._next_update = now + average

            return

        if now < self._next_update:
            return

        threshold = math.sqrt(self._variance) * _DEVIATIONS
        at_ease = average is not None and average <= self._mean
        if self.limit < self._ceiling and self._reached and not self._back_pressure and at_ease:
            self.limit += 1
        elif self.limit > 1 and (self._back_pressure or (average or 0) >= self._mean + threshold):
            self.limit = max(1, int(self.limit * _DECREASE))

        if average is not None:
            difference = average - self._mean
            increment = _ALPHA * difference
            self._mean += increment
            self._variance = (1 - _ALPHA) * (self._variance + difference * increment)

        self._next_update = now + self._mean
        self._sum, self._count = 0.0, 0
        self._back_pressure = self._reached = False
