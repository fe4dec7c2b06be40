"""The bucket: how evenly requests go at a rate.

A leaky bucket (aiolimiter) of capacity c that drains at 99.5 % of the asked rate r, where
c = 1 + floor(0.04 r) + 0.003 r. Any second then holds at most 0.995 r + c requests, rounded down:
never more than asked below 25 a second, and within 4 % above. What c has above 1 is what lets the
bucket catch up after a timer or a busy loop was late: 3 ms at any rate, 40 ms where one more
request in a second makes no matter. What is left of the half percent keeps a second from holding
one too many when a request reaches the server some 2 ms late.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Final

from aiolimiter import AsyncLimiter

__all__ = ("UNPACED", "bucket", "fill", "limiter_of")

SLOWED: Final = 0.995
BURST_SHARE: Final = 0.04
CATCH_UP_SECONDS: Final = 0.003
UNPACED: Final = 100_000.0
"""Requests per second that no process reaches: no bucket is kept for more."""


def bucket(requests_per_second: float) -> tuple[float, float]:
    """Capacity, and the seconds in which it drains, of the bucket for a rate."""
    burst = math.floor(BURST_SHARE * requests_per_second)
    capacity = 1 + burst + CATCH_UP_SECONDS * requests_per_second
    return capacity, capacity / (SLOWED * requests_per_second)


def fill(limiter: AsyncLimiter) -> None:
    """Take from a bucket that has room: its coroutine ends without waiting then."""
    with suppress(StopIteration):
        limiter.acquire().send(None)


def limiter_of(rate: float) -> AsyncLimiter | None:
    """The bucket for a rate; None where none is kept."""
    return AsyncLimiter(*bucket(rate)) if rate < UNPACED else None
