"""The budget of retries: sent again is, for long, no more than a tenth of what is sent.

Each request that is answered as it should be earns a tenth of a retry, and up to a hundred are
kept, so that a bad moment costs nothing. Where all are spent, one a second goes all the same, and
none waits longer than five seconds for it: a run of which every batch is to be sent again must come
to its end. What probes an open breaker costs nothing.

Sans-IO: told the time.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ("RetryBudget",)

SHARE: Final = 0.1
KEPT: Final = 100.0
TRICKLE_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 5.0


class RetryBudget:
    """How many retries may go at once, and when the next one."""

    def __init__(self) -> None:
        self.balance = KEPT
        self._next_at = -math.inf

    def earn(self) -> None:
        """A request was answered as it should be."""
        self.balance = min(KEPT, self.balance + SHARE)

    def spend(self, now: float) -> float:
        """A retry is to go; after how many seconds it may."""
        if self.balance >= 1.0:
            self.balance -= 1.0
            return 0.0

        self._next_at = min(max(self._next_at + TRICKLE_SECONDS, now), now + LONGEST_SECONDS)
        return self._next_at - now

    def __repr__(self) -> str:
        return f"<RetryBudget {self.balance:.1f}>"
