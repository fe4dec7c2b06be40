"""The rate a server that throttles will bear: cubic, as in the adaptive mode of cloud SDKs.

Off until the first 429. Then, with r the rate at which requests were taken before it, t the seconds
since, and all of it in proportion to r:

    back     t < 2.5              r * (1 - 0.3 * (1 - t / 2.5) ** 3)   from 0.7 r to r
    rest     t < 2.5 + rest       r
    beyond   x = t - 2.5 - rest   r * (1 + 0.0003 * x ** 3)            +4 % after 5 s, +80 % at 14

An SDK's server forgives it a refusal every few seconds; here each one holds everybody, so the way
back is short, the rest at the rate that was good is long, and the search for more begins slowly,
and goes to no more than twice what is really taken: who has little to send proves nothing. The rest
is eight times the pause that was asked for, and eight seconds at the least, so that pauses take no
more than a tenth of the time.

A server that keeps what was not used lets through more for a while than it will bear for long: r is
no more than a little above what was taken since the cut before, a second of its pause counted in.

Requests that were under way together are refused together, and count as one; and where nothing
was taken since the last cut the server has shut its door altogether, which says nothing of a rate.

Sans-IO: told the time.
"""

from __future__ import annotations

import math
from typing import Final

from .spread import Spread

__all__ = ("ThrottledRate",)

CUT: Final = 0.7
BACK_SECONDS: Final = 2.5
REST_SECONDS: Final = 8.0
RESTS_A_PAUSE: Final = 8.0
LONGEST_REST_SECONDS: Final = 600.0
BEYOND: Final = 0.0003
FLOOR: Final = 0.5
LITTLE_ABOVE: Final = 1.07
LEFT_BEHIND: Final = 1.5
KEPT_SECONDS: Final = 1.0
"""A server is taken to keep what it bears in so long, for those who pause; not more."""

SPELL_SECONDS: Final = 0.5
SMOOTHING: Final = 0.4


class ThrottledRate:
    """Requests per second, as far as throttling has taught."""

    def __init__(self) -> None:
        self._spread = Spread()
        self._good: float | None = None
        self._cut_at = -math.inf
        self._pause = 0.0  # that was asked for with the cut
        self._taken_since = 0  # of what went after the cut
        self._taken = 0  # in this spell
        self._spell_began: float | None = None
        self._measured = 0.0
        self._first = True

    def rate(self, now: float) -> float | None:
        """Requests per second that may go; None while nobody was throttled."""
        if self._good is None:
            return None

        since = now - self._cut_at
        if since < BACK_SECONDS:
            share = 1.0 - (1.0 - CUT) * (1.0 - since / BACK_SECONDS) ** 3
        else:
            rest = min(max(REST_SECONDS, RESTS_A_PAUSE * self._pause), LONGEST_REST_SECONDS)
            share = 1.0 + BEYOND * max(0.0, since - BACK_SECONDS - rest) ** 3

        wanted = self._good * share
        return max(FLOOR, min(wanted, max(self._good, 2.0 * self._measured)))

    def wait_seconds(self, now: float) -> float:
        """How long the next request must wait."""
        return self._spread.wait_seconds(now)

    def spend(self, now: float) -> None:
        """A request goes."""
        if (rate := self.rate(now)) is not None:
            self._spread.spend(1.0 / rate, now)

    def taken(self, went_at: float, now: float) -> None:
        """A request that went at `went_at` was taken."""
        self._measure(now)
        self._taken += 1
        self._taken_since += went_at > self._cut_at

    def throttled(self, went_at: float, now: float, *, pause_seconds: float) -> bool:
        """A request that went at `went_at` was refused, and a pause asked for; whether that cuts
        the rate."""
        self._measure(now)
        if went_at <= self._cut_at or not self._taken_since:
            return False

        current, measured = self.rate(now), self._measured or self._first_guess(now)
        self._good = max(
            FLOOR, measured if current is None else min(current, measured, self._lasting(now))
        )
        self._cut_at = now
        self._pause = pause_seconds
        self._taken_since = 0
        return True

    def _lasting(self, now: float) -> float:
        """A little above what was taken since the last cut, pause and all; or anything, where the
        rate has left that far behind."""
        seconds = now - self._cut_at - max(0.0, self._pause - KEPT_SECONDS)
        lasting = self._taken_since / seconds if seconds >= BACK_SECONDS else math.inf
        return LITTLE_ABOVE * lasting if self._measured < LEFT_BEHIND * lasting else math.inf

    def _first_guess(self, now: float) -> float:
        """What was taken since the first request came back, before a spell was over."""
        began = now if self._spell_began is None else self._spell_began
        return self._taken / max(now - began, 0.001)

    def _measure(self, now: float) -> None:
        """Close the spell that is over, and those in which nothing was taken."""
        if self._spell_began is None:
            self._spell_began = now

        seconds = now - self._spell_began
        if seconds < SPELL_SECONDS:
            return

        weight = 1.0 if self._first else 1.0 - (1.0 - SMOOTHING) ** (seconds / SPELL_SECONDS)
        self._measured += weight * (self._taken / seconds - self._measured)
        self._first = False
        self._taken, self._spell_began = 0, now

    def __repr__(self) -> str:
        good = "off" if self._good is None else f"{self._good:.1f}/s was good"
        return f"<ThrottledRate {good}>"
