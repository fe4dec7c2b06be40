"""A clock that tests move: sleeping takes no time, and time passes by sleeping."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio.lowlevel

from pipeline.sending.clock import Clock

if TYPE_CHECKING:
    from anyio import Event

__all__ = ("FakeClock",)


class FakeClock(Clock):
    def __init__(self, start: float = 1000.0) -> None:
        self.time = start
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def wall(self) -> datetime:
        return datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=self.time - 1000.0)

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.slept.append(seconds)
        self.time += seconds

    async def wait(self, event: Event, seconds: float) -> None:
        if seconds == math.inf:
            await event.wait()
        elif not event.is_set():
            await self.sleep(seconds)
