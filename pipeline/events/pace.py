"""What the pace reports of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = (
    "BreakerClosed",
    "BreakerOpened",
    "CoordinationLost",
    "CoordinationRegained",
    "HoldStarted",
    "LimitChanged",
    "PaceChanged",
    "RateCut",
    "WindowClosed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldStarted:
    """Marketing Cloud asked for a pause: no sender sends for `seconds`."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCut:
    """Marketing Cloud throttles: from now on so many requests go a second, and slowly more."""

    requests_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened:
    """Nothing gets through: one batch at a time finds out whether it does again."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed:
    """It does again, after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationLost:
    """The server on which workers share a pace and a token is away: nothing goes meanwhile."""

    server: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationRegained:
    """It is back, after `seconds`."""

    server: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowClosed:
    """It is outside the delivery window: nothing goes until `opens_at`."""

    opens_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaceChanged:
    """Somebody has asked for another pace, or a pause or its end; None: that is as it was."""

    requests_per_second: float | None = None
    contacts_per_hour: float | None = None
    max_in_flight: int | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged:
    """Something else limits the run now: a word, as `status` tells it."""

    limit: str
    since: datetime
