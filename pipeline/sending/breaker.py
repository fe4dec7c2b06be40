"""The breaker: where nothing gets through, one batch at a time finds out whether it does again.

A streak is trouble with nothing good in between, counted in rounds: requests that were under way
together fail together, and that is one round. Three rounds open the breaker. From then on one
batch goes every so often, and the others wait; the first sign of life closes it. Nothing is ever
dropped. An answer that costs contacts their certainty (it may have been taken) counts as a round of
its own, so that an outage leaves no more of them in doubt than it must.

Sans-IO: told the time.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ("Breaker",)

OPENS_AT: Final = 3
"""Rounds of trouble."""

DOUBTS_OPEN_AT: Final = 5
"""Requests in a row that may have been taken."""

FIRST_SECONDS: Final = 0.5
GROWTH: Final = 1.5
MAX_SECONDS: Final = 5.0
"""Between two probes. One request in five seconds is no burden to a server that lies down, and
its return is seen at once."""


class Breaker:
    """Closed until a streak of trouble opens it."""

    def __init__(self) -> None:
        self.rounds = 0
        """Rounds of trouble since the last sign of life."""
        self.proven = False
        """Whether there ever was a sign of life."""
        self.opened_at: float | None = None
        self._doubts = 0
        self._round_began = -math.inf
        self._streak_began = math.inf
        self._probe_at = 0.0
        self._pause = FIRST_SECONDS
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether batches wait for one that probes."""
        return self.opened_at is not None

    def outage_seconds(self, now: float) -> float:
        """How long nothing has got through."""
        return max(0.0, now - self._streak_began)

    def rested(self, seconds: float) -> None:
        """For so long nothing was sent, and could not have got through."""
        self._streak_began += seconds

    def wait_seconds(self, now: float) -> float:
        """How long the next batch must wait; for ever while another one probes."""
        if self.opened_at is None:
            return 0.0

        return math.inf if self._probing else max(0.0, self._probe_at - now)

    def went(self) -> bool:
        """A batch goes; whether it is the one that probes."""
        self._probing = self.is_open
        return self._probing

    def alive(self) -> bool:
        """Something came back that shows a server at work; whether that closes the breaker."""
        closes = self.is_open
        self.rounds = self._doubts = 0
        self.proven = True
        self.opened_at = None
        self._round_began = -math.inf
        self._streak_began = math.inf
        self._pause = FIRST_SECONDS
        self._probing = False
        return closes

    def trouble(self, went_at: float, now: float, *, probe: bool, doubt: bool) -> bool:
        """Nothing, or nothing good, came back of what went at `went_at`; whether that opens it."""
        self._streak_began = min(self._streak_began, now)
        self._doubts += doubt
        if went_at >= self._round_began:
            self.rounds += 1
            self._round_began = now

        if probe:
            self._pause = min(self._pause * GROWTH, MAX_SECONDS)
            self._probe_at = now + self._pause
            self._probing = False

        if self.is_open or (self.rounds < OPENS_AT and self._doubts < DOUBTS_OPEN_AT):
            return False

        self.opened_at = now
        self._probe_at = now + self._pause
        return True

    def lost(self, *, probe: bool) -> None:
        """What went was never sent: another one may probe."""
        if probe:
            self._probing = False

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<Breaker {state}, {self.rounds} rounds of trouble>"
