"""Delivery windows: when contacts may be sent, by the clock on the wall of a time zone.

    Mon-Fri 08:00-20:00                        Mon-Fri 08:00-20:00, Sat 10:00-14:00
    22:00-06:00   (every night)                Fri 22:00-06:00   (into Saturday)
    Sat-Sun 00:00-24:00

A window is what a wall clock there shows: daylight saving is heeded by itself. An hour that comes
twice is open twice; where a window begins in an hour that is left out, it begins after it.

Sans-IO: told the time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ("Window",)

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = 24 * 60
_WEEK: Final = 7 * _DAY
_PART: Final = re.compile(
    r"(?:(?P<first>[A-Za-z]{3})(?:\s*-\s*(?P<last>[A-Za-z]{3}))?\s+)?"
    r"(?P<begin>[0-9]{1,2}:[0-9]{2})\s*-\s*(?P<end>[0-9]{1,2}:[0-9]{2})"
)
_HOW: Final = 'write it as "Mon-Fri 08:00-20:00", several with commas between'


@dataclass(frozen=True, slots=True)
class Window:
    """Spans of minutes of the week, each (begin, length); `zone` None: this machine's."""

    spans: tuple[tuple[int, int], ...]
    zone: tzinfo | None

    @classmethod
    def parse(cls, text: str, time_zone: str | None) -> Window:
        """Read a window; raises ValueError, saying what is wrong."""
        spans: list[tuple[int, int]] = []
        for part in text.split(","):
            match = _PART.fullmatch(part.strip())
            if match is None:
                raise ValueError(f"window {part.strip()!r} cannot be read: {_HOW}")

            begin, length = _span(match["begin"], match["end"])
            days = _days(match["first"], match["last"])
            spans.extend((day * _DAY + begin, length) for day in days)

        return cls(tuple(spans), _zone(time_zone))

    def is_open(self, moment: datetime) -> bool:
        """Whether contacts may be sent at `moment`."""
        minute = self._minute_of(moment)
        return any((minute - begin) % _WEEK < length for begin, length in self.spans)

    def opens_at(self, moment: datetime) -> datetime:
        """When it is open next, from `moment` on; UTC."""
        at = moment.astimezone(UTC)
        while not self.is_open(at):
            at = at.replace(second=0, microsecond=0) + self._step(at)

        return at

    def there(self, moment: datetime) -> datetime:
        """`moment` as a clock on its wall shows it."""
        return moment.astimezone(self.zone)

    def _minute_of(self, moment: datetime) -> int:
        local = self.there(moment)
        return local.weekday() * _DAY + local.hour * 60 + local.minute

    def _step(self, moment: datetime) -> timedelta:
        """How far it is closed for certain: the clock may be set meanwhile, by less than a day."""
        minute = self._minute_of(moment)
        away = min((begin - minute) % _WEEK for begin, _ in self.spans)
        return timedelta(minutes=max(1, away - _DAY))


def _span(begin: str, end: str) -> tuple[int, int]:
    """Where in the day it begins, and how many minutes it lasts, past midnight where it must."""
    first, last = _minute(begin), _minute(end)
    if first in {last, _DAY}:
        raise ValueError(
            f"window: {begin}-{end} holds no time; 00:00-24:00 is a day, 22:00-06:00 a night"
        )

    return first, (last - first) % _DAY or _DAY


def _minute(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY:
        raise ValueError(f"window: {text} is no time of day")

    return hour * 60 + minute


def _days(first: str | None, last: str | None) -> list[int]:
    if first is None:
        return list(range(7))

    begin, end = _day(first), _day(last or first)
    return [(begin + each) % 7 for each in range((end - begin) % 7 + 1)]


def _day(name: str) -> int:
    if name.lower() not in _DAYS:
        raise ValueError(f"window: {name!r} is no day of the week (Mon, Tue, … Sun); {_HOW}")

    return _DAYS.index(name.lower())


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f'time_zone {name!r} is not known: name it as in "Europe/Berlin" or "UTC"'
        ) from None
