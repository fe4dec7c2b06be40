"""How many requests came, how they ended, and how many were under way at once."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

__all__ = ("Traffic",)


class Traffic:
    """Counts of one kind of request. Told the time; a second is a sliding one."""

    def __init__(self) -> None:
        self.requests = 0
        self.by_result: Counter[str] = Counter()
        self.in_flight = 0
        self.max_in_flight = 0
        self.busiest_second = 0
        self._recent: deque[float] = deque()
        self._area = 0.0
        self._first: float | None = None
        self._last = 0.0

    def __repr__(self) -> str:
        return f"<Traffic requests={self.requests} in_flight={self.in_flight}>"

    def arrive(self, now: float) -> None:
        """A request came."""
        self._advance(now)
        self.requests += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self._recent.append(now)
        while self._recent[0] <= now - 1.0:
            self._recent.popleft()

        self.busiest_second = max(self.busiest_second, len(self._recent))

    def leave(self, result: str, now: float) -> None:
        """A request ended: with a status, `closed`, or `gone` when the client went first."""
        self._advance(now)
        self.in_flight -= 1
        self.by_result[result] += 1

    def statistics(self) -> dict[str, Any]:
        """The whole in numbers. `mean_in_flight` is averaged over the time of the traffic."""
        seconds = 0.0 if self._first is None else self._last - self._first
        return {
            "requests": self.requests,
            "by_status": dict(self.by_result),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "mean_in_flight": round(self._area / seconds, 3) if seconds else 0.0,
            "busiest_second": self.busiest_second,
            "seconds": round(seconds, 6),
        }

    def forget(self) -> None:
        """Count from nothing again; what is under way stays under way."""
        self.requests = self.busiest_second = 0
        self.max_in_flight = self.in_flight
        self.by_result.clear()
        self._recent.clear()
        self._area = 0.0
        self._first = None

    def _advance(self, now: float) -> None:
        if self._first is None:
            self._first = now
        else:
            self._area += self.in_flight * (now - self._last)

        self._last = now
