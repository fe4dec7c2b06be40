"""Showing: the loop in which a display shows a run, whatever it shows it on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Display", "show")


class Display(Protocol):
    """What shows a run; told the time, which does not go back."""

    def tick(self, now: float) -> None:
        """Show how it stands, or some of that."""

    def finish(self, now: float) -> None:
        """Show how it ended."""


async def show(
    display: Display, *, interval_seconds: float = 0.25, clock: Callable[[], float] = time.monotonic
) -> None:
    """Have `display` show a run until cancelled."""
    try:
        while True:
            display.tick(clock())
            await anyio.sleep(interval_seconds)
    finally:
        display.finish(clock())
