"""When again? Pure: told the attempt and the server's wish, answers with a delay.

The delay before attempt n + 1, after attempt n failed, is

    max(retry_after, uniform(0, min(60, 2 ** (n - 1))))      seconds

Full jitter: senders that failed together do not come back together. The server's delay beats
ours: we never come sooner than it asked, and later only while it keeps refusing us.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

__all__ = ("Chance", "backoff", "http_date", "parse_retry_after")

FIRST_SECONDS = 1.0
MAX_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 3600.0
"""Longer wishes are cut: after an hour we ask again ourselves."""


class Chance(Protocol):
    """Where jitter comes from; `random.Random` is one."""

    def random(self) -> float:
        """A number from 0 up to but not including 1."""


def backoff(attempt: int, *, retry_after: float | None = None, chance: Chance) -> float:
    """Seconds to wait before the next attempt, after `attempt` (from 1) failed."""
    ceiling = min(MAX_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 16))
    return max(retry_after or 0.0, ceiling * chance.random())


def parse_retry_after(value: object, *, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for: a number, or an HTTP date. None for rubbish.

    A date that has passed asks for nothing: 0.
    """
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if re.fullmatch(r"\d{1,15}(\.\d*)?", text):
        return min(float(text), MAX_RETRY_AFTER_SECONDS)

    moment = http_date(text)
    if moment is None:
        return None

    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)


def http_date(text: str | None) -> datetime | None:
    """The moment an HTTP date names, or None."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
