"""The time as the sending stage sees it, so that a test can give it another."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from anyio import Event

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

    async def wait(self, event: Event, seconds: float) -> None:
        """Wait until `event` is set, or for so many seconds; may be cancelled."""
        with anyio.move_on_after(seconds):
            await event.wait()
