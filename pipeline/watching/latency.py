"""Latency: how long requests took, as counts in buckets, and the quantiles these tell."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("BOUNDS", "Latency", "quantile")

BOUNDS: Final = tuple(
    digit * power
    for power in (0.001, 0.01, 0.1, 1.0, 10.0)
    for digit in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
)
"""Upper bounds of the buckets, in seconds; what took longer than the last is in one more."""


class Latency:
    """Counts durations. `counts` has a bucket more than there are `BOUNDS`."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        """All of them together."""

    def add(self, seconds: float) -> None:
        """A request took so long."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def __repr__(self) -> str:
        return f"<Latency of {sum(self.counts)}, median {quantile(self.counts, 0.5)}>"


def quantile(counts: Sequence[int], share: float) -> float | None:
    """How long the fastest `share` of the counted took at the most; None where none was counted.

    Within a bucket they are taken to lie evenly, so that the answer is wrong by less than one.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None

    reached = list(accumulate(counts))
    bucket = bisect_left(reached, wanted)
    if bucket == len(BOUNDS):
        return BOUNDS[-1]

    below = BOUNDS[bucket - 1] if bucket else 0.0
    inside = 1 - (reached[bucket] - wanted) / counts[bucket]
    return below + inside * (BOUNDS[bucket] - below)
