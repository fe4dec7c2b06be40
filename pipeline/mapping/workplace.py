"""The workplace: where contacts are encoded, decided by how much work they turn out to be.

While a thread encodes, the event loop waits for the interpreter, and nobody sends. A child process
costs nobody's time but its own start. So work begins in the thread, which is there at once, and
moves when the thread takes more than a small share of the time, has shown that it will go on so,
and what is left is worth the move. A load that the pace keeps small stays where it is.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from math import inf
from typing import Final

__all__ = ("EncoderPlace", "Workplace")

WINDOW_SECONDS: Final = 1.0
"""Over so long the thread's share of the time is measured."""

CROWDED_SHARE: Final = 0.02
"""More of the time than this costs senders: of ten requests that take 200 ms each, about a
hundredth of what is under way."""

WORTH_SECONDS: Final = 0.1
"""About what a child costs to start. As much must be done, and as much must seem to be left."""

REST_SECONDS: Final = 60.0
"""How long no child is asked for after the system has refused to start one."""


class EncoderPlace(StrEnum):
    """Where contacts are read and encoded."""

    AUTO = "auto"  # in a thread, and in a process when the load asks for it
    THREAD = "thread"
    PROCESS = "process"


class Workplace:
    """Decides when to move. Sans-IO: told the time."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque()
        self._worked = 0.0
        self._left = inf  # seconds of work, as far as one can tell
        self._rests_until = -inf

    def worked(self, began: float, ended: float, *, share: float | None = None) -> None:
        """A chunk was encoded from `began` to `ended`; `share` of all is read by now, if known."""
        self._worked += ended - began
        self._left = self._worked * (1 - share) / share if share else inf
        self._recent.append((began, ended))
        while self._recent[0][1] <= ended - WINDOW_SECONDS:
            self._recent.popleft()

    def refused(self, now: float) -> None:
        """No process could be had: it is not crowded for a while."""
        self._rests_until = now + REST_SECONDS

    @property
    def crowded(self) -> bool:
        """Whether a process should take over."""
        if min(self._worked, self._left) < WORTH_SECONDS:
            return False

        if self._recent[-1][1] < self._rests_until:
            return False

        since = self._recent[-1][1] - WINDOW_SECONDS
        busy = sum(ended - max(began, since) for began, ended in self._recent)
        return busy > CROWDED_SHARE * WINDOW_SECONDS

    def __repr__(self) -> str:
        return f"<Workplace {self._worked:.3f} s worked, about {self._left:.3f} s left>"
