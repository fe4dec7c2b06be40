"""Elapsed time, as a broker sees it: it goes on while this process, or its machine, stands still.

A stopped process does not notice that time goes by, and the clock of most timers stands still while
a machine is suspended. That is the very time after which a broker gives messages to somebody else.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Elapsed",)

_ID: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux counts a suspension by the one, macOS by the other."""


def _running() -> float:
    return time.clock_gettime(_ID)


class Elapsed:
    """Seconds since it was made; never goes back.

    A virtual machine that its host has paused finds no clock of its own that went on, but the one
    on the wall once that is put right. So where the wall says that more time has passed, it counts:
    whoever sets it forward has what is held asked for once more, and no harm comes of that.
    """

    def __init__(
        self,
        *,
        running: Callable[[], float] = _running,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._running, self._wall = running, wall
        self._ran, self._stood = running(), wall()
        self._seconds = 0.0

    def __call__(self) -> float:
        ran, stood = self._running(), self._wall()
        self._seconds += max(0.0, ran - self._ran, stood - self._stood)
        self._ran, self._stood = ran, stood
        return self._seconds

    def __repr__(self) -> str:
        return f"<Elapsed {self._seconds:,.1f} s, on {sys.platform}>"
