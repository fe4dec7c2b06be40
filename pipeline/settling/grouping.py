"""Grouping: when what waits for the disk is written, and so what shares a commit.

A commit costs much the same whatever is in it, so it is worth gathering for. What that costs is
time: a dispatch keeps a sender waiting, and an outcome that is not yet on disk is unknown if the
process is killed. Whether that time is missed depends on who waits for whom:

- The senders are pressed: batches lie ready, and no sender is free for them, or has leave to send
  them. Each millisecond that a dispatch waits is missing from what is under way. So it is where
  outcomes and what was read pile up behind those that wait, and once the last batches are out.
- They are not: the source (or the rate) is what the run waits for, and a sender that waits for the
  disk would otherwise wait for its next batch.

What comes after a quiet time has nobody to share with, and does not gather. What is urgent never
does: most who ask for it have more in hand. Those who gather go with it; where nobody does, whoever
comes after it has not to wait for that.

Sans-IO: told the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

__all__ = ("DISPATCH", "OUTCOME", "URGENT", "Grouping", "Patience")

PERIOD_SECONDS: Final = 0.005
"""Between the beginnings of two groups, at the least: those who come meanwhile share a commit."""

GATHER_SECONDS: Final = 0.060
"""The same where nobody is missed meanwhile, between groups of those who can wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an order waits for others in any case, and whether it can while none is missed."""

    seconds: float = 0.0
    gathers: bool = True


URGENT: Final = Patience(gathers=False)
DISPATCH: Final = Patience()
OUTCOME: Final = Patience(seconds=PERIOD_SECONDS)
"""It goes with the next dispatch where one comes soon. What comes while others of its kind wait is
handed over after them, and may gather anew: twice GATHER_SECONDS before it is on disk."""


class Grouping:
    """Says when the group that waits is to be written."""

    def __init__(self) -> None:
        self._soonest = inf  # none of those who wait is to be written before
        self._patient = False  # some of them can wait for others
        self._urgent = False  # some cannot
        self._began = -inf  # the last group
        self._gathered = -inf  # the last with somebody who could have waited

    def came(self, now: float, patience: Patience) -> None:
        """An order came, to wait for others."""
        self._soonest = min(self._soonest, now + patience.seconds)
        self._patient = self._patient or patience.gathers
        self._urgent = self._urgent or not patience.gathers

    def due(self, *, pressed: bool) -> float:
        """When those who wait are to be written, as things are; never where nobody waits."""
        soonest = max(self._soonest, self._began + PERIOD_SECONDS)
        if pressed or self._urgent:
            return soonest

        return max(soonest, self._gathered + GATHER_SECONDS)

    def begun(self, now: float) -> None:
        """All that waited is being written."""
        self._began = now
        if self._patient:
            self._gathered = now

        self._soonest, self._patient, self._urgent = inf, False, False

    def __repr__(self) -> str:
        return f"<Grouping due at {self.due(pressed=True):.3f} if pressed>"
