"""An event loop whose time passes at once: whoever sleeps is woken when nothing else is to be done.

What runs in it runs as it would, in the same order every time, only that an hour takes no longer
than the work that is done in it.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

from pipeline.sending.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ("LoopClock", "run_at_once")


class _Selector(selectors.DefaultSelector):  # one per platform
    """Never waits for time to pass: says how long it would have."""

    def __init__(self) -> None:
        super().__init__()
        self.slept = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everybody waits for ever")

        self.slept += max(0.0, timeout)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._elapsed = _Selector()
        super().__init__(self._elapsed)

    def time(self) -> float:
        return self._elapsed.slept


class LoopClock(Clock):
    """The time of the running loop, which may be a simulated one."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


def run_at_once(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` in simulated time, from second 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work())  # type: ignore[arg-type]  # a coroutine
