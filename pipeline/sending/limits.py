"""Limits: what keeps a run from sending faster, one word each, and since when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ("Limit", "Meter", "Standing")

SPELL_SECONDS: Final = 1.0


class Limit(StrEnum):
    """What limits a run: its value is what people read."""

    PAUSED = "paused"  # somebody said so, with `pause`
    WINDOW = "window"  # it is outside `delivery.window`
    HOLD = "hold"  # Marketing Cloud asked for a pause
    BREAKER = "breaker"  # nothing gets through: one batch at a time finds out whether it does again
    CONCURRENCY = "concurrency"  # no more are sent at once: max_in_flight, or what was found below
    CONTACTS = "contacts per hour"  # `delivery.contacts_per_hour`
    RATE = "rate"  # `delivery.requests_per_second`, or what was found below it
    SOURCE = "source"  # nothing: batches are sent as they come


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What limits the run at one moment. `until` is when that ends, where it can be told."""

    limit: Limit
    since: datetime
    until: datetime | None = None
    in_flight: int = 0
    max_in_flight: int = 0  # as many as are let, just now
    requests_per_second: float | None = None  # the rate that is kept, just now; None: any


class Meter:
    """Which limit held for most of a second. Sans-IO: told the time.

    At full speed limits take turns many times a second: what is told is the one that held longest.
    """

    def __init__(self, now: float) -> None:
        self._current = self.limit = Limit.SOURCE
        self.since = now
        self._turned = self._began = now
        self._spent: Counter[Limit] = Counter()

    def turn(self, limit: Limit, now: float) -> None:
        """From `now` on it is `limit`."""
        self._spent[self._current] += now - self._turned  # type: ignore[assignment]  # seconds
        self._current, self._turned = limit, now
        if now - self._began >= SPELL_SECONDS:
            longest = max(self._spent, key=self._spent.__getitem__)
            if longest is not self.limit:
                self.limit, self.since = longest, self._began

            self._began = now
            self._spent.clear()

    def __repr__(self) -> str:
        return f"<Meter {self.limit} since {self.since}>"
