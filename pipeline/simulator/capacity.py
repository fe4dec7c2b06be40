"""How fast the simulator answers, and how much it bears before it pushes back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError

if TYPE_CHECKING:
    from random import Random

__all__ = ("Capacity", "Latency", "Throttle")

_Z99: Final = 2.3263478740408408  # the normal distribution's 99th percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Time between a request and its answer: constant, or lognormal around `median` seconds."""

    median: float = 0.0
    sigma: float = 0.0

    @classmethod
    def parse(cls, spec: str) -> Latency:
        """Read `0.2`, or `lognormal:median=0.2,p99=1.5` (seconds).

        Raises:
            ConfigError: It is neither.
        """
        kind, _, rest = spec.partition(":")
        try:
            if kind != "lognormal":
                return cls(median=_not_negative(float(spec)))

            values = {name: float(value) for name, value in _pairs(rest)}
            median, p99 = _ordered(**values)
        except (TypeError, ValueError):
            raise ConfigError(
                f"latency {spec!r} cannot be read: write seconds, as in 0.2, or "
                "lognormal:median=0.2,p99=1.5 with 0 < median <= p99"
            ) from None

        return cls(median=median, sigma=math.log(p99 / median) / _Z99)

    def draw(self, random: Random) -> float:
        """The latency of one request, in seconds."""
        if self.sigma == 0.0:
            return self.median

        return random.lognormvariate(math.log(self.median), self.sigma)


def _pairs(text: str) -> list[tuple[str, str]]:
    parted = (part.partition("=") for part in text.split(","))
    return [(name.strip(), value) for name, _, value in parted]


def _ordered(median: float, p99: float) -> tuple[float, float]:
    if not 0 < median <= p99 < math.inf:
        raise ValueError

    return median, p99


def _not_negative(seconds: float) -> float:
    if not 0 <= seconds < math.inf:
        raise ValueError

    return seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What the simulator bears.

    Above `knee` requests in flight the latency grows in proportion to them: throughput stays
    where it is, and whoever sends more only waits longer.
    """

    latency: Latency = Latency()
    max_requests_per_second: float | None = None
    knee: int | None = None

    def __post_init__(self) -> None:
        if self.max_requests_per_second is not None and self.max_requests_per_second <= 0:
            raise ConfigError("max_requests_per_second must be above 0")

        if self.knee is not None and self.knee < 1:
            raise ConfigError("knee must be at least 1")

    def delay(self, random: Random, in_flight: int) -> float:
        """Seconds until the answer, with so many requests in flight, this one included."""
        seconds = self.latency.draw(random)
        return seconds if self.knee is None else seconds * max(1.0, in_flight / self.knee)


class Throttle:
    """A bucket that holds one second's worth of requests."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._size = max(1.0, rate)
        self._level = self._size
        self._then: float | None = None

    def admit(self, now: float) -> float:
        """0 if the request may pass, else the seconds after which one more would."""
        elapsed = 0.0 if self._then is None else now - self._then
        self._then = now
        self._level = min(self._size, self._level + elapsed * self._rate)
        if self._level >= 1.0:
            self._level -= 1.0
            return 0.0

        return (1.0 - self._level) / self._rate
