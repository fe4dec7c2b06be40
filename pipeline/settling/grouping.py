"""Grouping: when what waits for the disk is written, and so what shares a commit.

A commit costs much the same whatever is in it, so it is worth gathering for. What that costs is
time: a dispatch keeps a sender waiting, and an outcome that is not yet on disk is unknown if the
process is killed. Whether that time is missed depends on who waits for whom:

- The senders are pressed: batches lie ready, and no sender is free for them. Each millisecond that
  a dispatch waits is missing from what is under way.
- They are not: the source (or the pace) is what the run waits for, and a sender that waits for the
  disk would otherwise wait for its next batch.

Sans-IO: told the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final

__all__ = ("DISPATCH", "NONE", "OUTCOME", "Grouping", "Patience")

PERIOD_SECONDS: Final = 0.005
"""Between the beginnings of two groups, at the least: those who come meanwhile share a commit."""

GATHER_SECONDS: Final = 0.020
"""How long dispatches and outcomes are gathered where no sender is missed meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an order can wait for others, in seconds: while senders are pressed, and else."""

    pressed: float
    relaxed: float


NONE: Final = Patience(pressed=0.0, relaxed=0.0)
DISPATCH: Final = Patience(pressed=0.0, relaxed=GATHER_SECONDS)
OUTCOME: Final = Patience(pressed=PERIOD_SECONDS, relaxed=GATHER_SECONDS)
"""Nobody waits for it, and it goes with the next dispatch where one comes soon."""


class Grouping:
    """Says when to look, and then whether the group that waits is to be written."""

    def __init__(self) -> None:
        self._pressed = inf  # when what waits is due if the senders are pressed
        self._relaxed = inf  # when it is due in any case
        self._next = 0.0  # before that, nothing is written

    def came(self, now: float, patience: Patience) -> bool:
        """An order came, to wait for others; whether it is to be looked at sooner for that."""
        before = self._pressed
        self._pressed = min(before, now + patience.pressed)
        self._relaxed = min(self._relaxed, now + patience.relaxed)
        return self._pressed < before

    def look_at(self) -> float:
        """When to ask next whether the group is ripe."""
        return max(self._pressed, self._next)

    def ripe(self, now: float, *, pressed: bool) -> bool:
        """Whether what waits is to be written now; if not, `look_at` tells when to ask again."""
        if pressed or now >= self._relaxed:
            return True

        self._pressed = min(now + PERIOD_SECONDS, self._relaxed)
        return False

    def begun(self, now: float) -> None:
        """All that waited is being written."""
        self._pressed = self._relaxed = inf
        self._next = now + PERIOD_SECONDS

    def __repr__(self) -> str:
        return f"<Grouping due at {self._pressed:.3f}, at the latest {self._relaxed:.3f}>"
