"""Limits: what keeps a run from sending faster, one word each, and since when."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ("SHUTS", "Limit", "Meter", "Standing")

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


SHUTS: Final = frozenset({Limit.PAUSED, Limit.WINDOW, Limit.HOLD, Limit.BREAKER})
"""Those that let nothing through at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the pace of a run stands at one moment: what limits it, and what it lets through.

    The limit is the one that held for most of the last second, but for those that let nothing
    through: they are told at once. All times have a zone. None for a rate: any.
    """

    limit: Limit
    since: datetime  # when it became that
    until: datetime | None  # when that ends, where it can be told: a hold, the window
    in_flight: int  # requests under way
    max_in_flight: int  # as many as are let, just now
    most_in_flight: int  # as many as may ever be let: `delivery.max_in_flight`, or what was asked
    requests_per_second: float | None  # the rate that is kept, just now
    asked_per_second: float | None  # the one that is asked; a server that throttles has it lowered
    contacts_per_hour: float | None


class Meter:
    """Which limit held for most of a second. Sans-IO: told the time.

    At full speed limits take turns many times a second: what is told is the one that held longest.
    Those that shut everything are told from their beginning to their end.
    """

    def __init__(self, now: float) -> None:
        self._current = self.limit = Limit.SOURCE
        self.since = now
        self._turned = self._began = now
        self._spent: Counter[Limit] = Counter()

    def turn(self, limit: Limit, now: float) -> None:
        """From `now` on it is `limit`."""
        self._spent[self._current] += now - self._turned  # type: ignore[assignment]  # seconds
        shuts = limit is not self._current and not SHUTS.isdisjoint((limit, self._current))
        self._current, self._turned = limit, now
        if shuts:
            self._tell(limit, now, now)
        elif now - self._began >= SPELL_SECONDS:
            self._tell(max(self._spent, key=self._spent.__getitem__), self._began, now)

    def _tell(self, limit: Limit, since: float, now: float) -> None:
        if limit is not self.limit:
            self.limit, self.since = limit, since

        self._began = now
        self._spent.clear()

    def __repr__(self) -> str:
        return f"<Meter {self.limit} since {self.since}>"
