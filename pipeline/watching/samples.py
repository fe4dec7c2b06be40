"""Samples: what a run did in one stretch of time after the other, for charts.

Sans-IO: told the time. A sample is a plain dict, as it goes to a page or into a file:

    at          Unix seconds, its end          seconds    how long it is
    read, accepted, rejected, unknown          contacts in that time
    requests    by status                      p50, p95, p99    seconds requests took, or None
    in_flight, most                            requests under way at its end, and as many as are let
    limits      seconds by what limited the run
"""

from __future__ import annotations

from collections import Counter
from operator import sub
from typing import TYPE_CHECKING, Any, Final

from .latency import quantile

if TYPE_CHECKING:
    from .sight import Sight
    from .vitals import Vitals

__all__ = ("QUANTILES", "Sampler")

QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Sampler:
    """Cuts the time of a run into samples, each as long as its caller likes."""

    def __init__(self, vitals: Vitals, sight: Sight, *, now: float) -> None:
        self._vitals = vitals
        self._sight = sight
        self._limits: Counter[str] = Counter()
        self._looked = now
        self._begin(now)

    def _begin(self, now: float) -> None:
        vitals = self._vitals
        self._began = now
        self._read = vitals.read
        self._settled = Counter(vitals.settled)
        self._requests = Counter(vitals.requests)
        self._latency = list(vitals.latency.counts)
        self._limits.clear()

    def look(self, now: float) -> None:
        """Note what has limited the run since the last look; once a second is enough."""
        if self._sight.pace is not None:
            limit = self._sight.pace.standing().limit.value
            self._limits[limit] += now - self._looked  # type: ignore[assignment]  # seconds

        self._looked = now

    def seconds(self, now: float) -> float:
        """How long the sample is that is begun."""
        return now - self._began

    def take(self, now: float, *, at: float) -> dict[str, Any]:
        """End a sample, now that it is `at` on the wall, and begin the next."""
        self.look(now)
        vitals, pace = self._vitals, self._sight.pace
        latency = list(map(sub, vitals.latency.counts, self._latency))
        sample = {
            "at": round(at, 3),
            "seconds": round(now - self._began, 3),
            "read": vitals.read - self._read,
            **{name: vitals.settled[name] - self._settled[name] for name in vitals.settled},
            "requests": dict(vitals.requests - self._requests),
            **{name: _rounded(quantile(latency, share)) for name, share in QUANTILES.items()},
            "in_flight": vitals.in_flight,
            "most": None if pace is None else pace.standing().max_in_flight,
            "limits": {name: round(seconds, 3) for name, seconds in self._limits.items()},
        }
        self._begin(now)
        return sample


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
