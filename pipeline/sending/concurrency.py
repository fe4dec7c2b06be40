"""How many requests go at once: as many as bring more through, below `max_in_flight`.

The limit is found by trying. It begins at ten, as TCP does, and doubles until the first try fails;
from then on each try is a step of a tenth to a quarter. A try is judged when as many as may be
under way have come back of what went under it; while it doubles, as many as were added will do,
which come back a round trip sooner:

- it holds if answers are as fast as ever, or if more gets through than before: the gain in
  throughput (the limit over the median latency) is at least a tenth of the gain in limit. The next
  step is twice as long, so that room that opens is taken quickly;
- it fails where nothing was gained, or where more requests fail than did before. The limit goes
  back to the last that was good, and the next step is half as long; from a tenth on each failed
  try doubles the wait before the next one, up to sixteen seconds;
- it fails, and is not repeated for a minute, where some of the first that went under it do not
  come back while others do: those will time out, and nobody will know what became of them.

Where a limit that was good begins to fail, it is cut to seven tenths and what is found there is the
new good. Where answers take more than twice what they took at their best, and nothing fails, steps
down are tried as well, and kept if they cost less throughput than a tenth of their length.

Only requests that went under the limit as it stands are counted, and nothing is decided while
nobody waits for the limit. A throttled request (429) is the rate's business and a refused batch its
own: neither is told here.

Sans-IO: told the time.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Final

__all__ = ("Concurrency",)

FIRST: Final = 10
DOUBLE: Final = 1.0
LONGEST_STEP: Final = 0.25
"""Once a try has failed: doubling is for the beginning, when nothing is known."""

SHORTEST_STEP: Final = 0.1
GAIN_SHARE: Final = 0.1
FLAT: Final = 1.25
FLAT_SECONDS: Final = 0.05
"""Answers that are no slower than this above the best are as fast as ever."""

SLOW: Final = 2.0
TROUBLE_SHARE: Final = 0.15
CUT: Final = 0.7
FIRST_PAUSE_SECONDS: Final = 2.0
MAX_PAUSE_SECONDS: Final = 16.0
STUCK_SHARE: Final = 0.05
STUCK_PAUSE_SECONDS: Final = 60.0
DRIFT_PER_SECOND: Final = 1.005
"""By how much the best latency is forgotten: a server that has become slower is judged anew."""

FORGOTTEN_SECONDS: Final = 3600.0
"""After so long there is nothing left of it."""


class Concurrency:
    """The limit of one process."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = self._highest = ceiling
        """What the limit never goes above."""
        self.limit = min(FIRST, ceiling)
        """How many may be under way at once."""
        self.in_flight = 0
        self._good = self.limit
        self._good_speed = 0.0  # limit over median latency, when it was good
        self._step = self._longest = DOUBLE
        self._down = False  # which way the next try goes, where answers are slow
        self._pause = 0.0
        self._try_at = -math.inf
        self._best: float | None = None  # median latency
        self._best_at = 0.0
        self._usual_trouble = 0.0  # share of requests
        self._place = 0
        self._count_anew()

    @property
    def full(self) -> bool:
        """Whether the next request must wait for one to come back."""
        return self.in_flight >= self.limit

    def went(self) -> int:
        """A request goes; its place among all that went."""
        self.in_flight += 1
        self._reached |= self.in_flight >= self.limit
        self._place += 1
        return self._place

    def came_back(self, place: int) -> None:
        """A request has ended, however it did."""
        self.in_flight -= 1
        self._firsts_back += self._counts_from < place <= self._counts_from + self._enough

    def good(self, place: int, seconds: float, now: float) -> None:
        """A request was taken, after `seconds`."""
        if place > self._counts_from:
            self._latencies.append(seconds)
            self._heed_trouble(now)
            self._judge(now)

    def trouble(self, place: int, now: float) -> None:
        """A request failed, or took too long."""
        if place > self._counts_from:
            self._troubled += 1
            self._heed_trouble(now)
            self._judge(now)

    def _heed_trouble(self, now: float) -> None:
        """Go back, or down, as soon as it is clear that more fail than usual."""
        count = len(self._latencies) + self._troubled
        if self._trying:
            if self._troubled > 1 + 3 * self._usual_trouble * count:
                self._fall_back(now)
        elif self._latencies and self._troubled > max(
            2, (TROUBLE_SHARE + 2 * self._usual_trouble) * count
        ):
            self._cut(now)  # where nothing is good at all, it is the breaker that acts

    def let(self, ceiling: int) -> None:
        """Keep to another ceiling from now on; none is above the one it was made with."""
        self.ceiling = max(1, min(ceiling, self._highest))
        self._try_at = -math.inf
        if max(self.limit, self._good) > self.ceiling:
            self._settle(self.ceiling)

    def begin_anew(self, now: float) -> None:
        """The server was away: find the limit again."""
        self._step = self._longest = DOUBLE
        self._pause, self._try_at = 0.0, now
        self._settle(min(FIRST, max(1, self._good // 2)))

    @property
    def _trying(self) -> bool:
        return self.limit != self._good

    @property
    def _enough(self) -> int:
        """How many must come back before the limit is judged."""
        doubling = self._trying and self._longest == DOUBLE
        return self.limit - self._good if doubling else self.limit

    def _judge(self, now: float) -> None:
        """Say what the limit is worth, if enough has come back."""
        count = len(self._latencies) + self._troubled
        if count < max(8, self._enough) or not self._latencies:
            return

        if not self._reached:
            self._count_anew()
            return

        missing = self._enough - self._firsts_back
        stuck = missing > 1 and missing > STUCK_SHARE * self._enough
        if stuck and count < 3 * self._enough:
            return  # a while longer

        middle = median(self._latencies)
        self._remember(middle, now)
        if self._trying:
            self._conclude(middle, now, stuck=stuck)
        else:
            share = min(self._troubled / count, TROUBLE_SHARE)
            self._usual_trouble += 0.2 * (share - self._usual_trouble)
            self._good_speed = self._speed(middle)
            self._count_anew()
            if now >= self._try_at:
                self._try(middle)

    def _speed(self, middle: float) -> float:
        return self.limit / max(middle, 1e-6)

    def _remember(self, middle: float, now: float) -> None:
        if self._best is not None:
            self._best *= DRIFT_PER_SECOND ** min(now - self._best_at, FORGOTTEN_SECONDS)

        self._best = middle if self._best is None else min(self._best, middle)
        self._best_at = now

    def _slower(self, middle: float, times: float) -> bool:
        best = middle if self._best is None else self._best
        return middle > max(times * best, best + FLAT_SECONDS)

    def _try(self, middle: float) -> None:
        """One step up; or down, in turns, where answers are slow."""
        if self._down and self._slower(middle, SLOW) and self.limit > 1:
            step = max(SHORTEST_STEP, self._step / 4)
            self._set(min(self.limit - 1, max(1, int(self.limit * (1 - step)))))
        else:
            self._down = False
            step = max(1, int(self.limit * self._step))
            self._set(min(self.ceiling, self.limit + step))

    def _conclude(self, middle: float, now: float, *, stuck: bool) -> None:
        """Keep what was tried, or go back."""
        gained = self._speed(middle) - self._good_speed
        wanted = GAIN_SHARE * self._good_speed * (self.limit - self._good) / self._good
        # Both are below nothing for a step down: it must cost less than it might.
        as_fast = self.limit > self._good and not self._slower(middle, FLAT)
        if stuck:
            self._fall_back(now, seconds=STUCK_PAUSE_SECONDS)
        elif as_fast or gained >= wanted:
            self._step, self._pause = min(self._longest, 2 * self._step), 0.0
            self._good_speed = self._speed(middle)
            self._settle(self.limit)
            self._try(middle)
        else:
            self._down = not self._down
            self._fall_back(now)

    def _fall_back(self, now: float, *, seconds: float = 0.0) -> None:
        self._longest = LONGEST_STEP
        if self._step > SHORTEST_STEP:
            self._step = min(LONGEST_STEP, max(SHORTEST_STEP, self._step / 2))
        else:
            self._pause = min(MAX_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * self._pause))

        self._try_at = now + max(self._pause, seconds)
        self._set(self._good)

    def _cut(self, now: float) -> None:
        self._step, self._longest, self._pause = SHORTEST_STEP, LONGEST_STEP, FIRST_PAUSE_SECONDS
        self._try_at = now + self._pause
        self._settle(max(1, int(self.limit * CUT)))

    def _settle(self, limit: int) -> None:
        self._set(limit)
        self._good = limit

    def _set(self, limit: int) -> None:
        self.limit = limit
        self._count_anew()

    def _count_anew(self) -> None:
        """Only what goes from now on tells of the limit as it is now."""
        self._counts_from = self._place
        self._firsts_back = 0
        self._latencies: list[float] = []
        self._troubled = 0
        self._reached = False

    def __repr__(self) -> str:
        return f"<Concurrency {self.in_flight} of {self.limit}, {self._good} are good>"
