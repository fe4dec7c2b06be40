"""The time as the sending stage sees it, so that a test can give it another."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import anyio

__all__ = ("Clock",)


class Clock:
    """The machine's own time."""

    def now(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def wall(self) -> datetime:
        """The date and the time of day, with its zone."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait; may be cancelled."""
        await anyio.sleep(seconds)
