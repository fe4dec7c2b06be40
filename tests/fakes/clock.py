"""A clock that tests move: sleeping takes no time, and time passes by sleeping."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio.lowlevel

from pipeline.sending.clock import Clock

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
