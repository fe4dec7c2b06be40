"""Which fault strikes which request: decided in the order of requests, from a seed.

Every fault draws from a randomness of its own, once for each request that it concerns, so the
same seed and the same order of requests strike the same requests, whatever other faults are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .faults import Fault, Scope

__all__ = ("Schedule", "Strike")


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes a request; `taken`: its contacts are taken first."""

    fault: Fault
    taken: bool


class Schedule:
    """The faults in force. The first of them that strikes a request is the one it suffers."""

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self.faults = tuple(faults)
        self.seed = seed
        self._counters = [
            _Counter(fault, Random(f"{seed}/{index}/{fault.spec}"))
            for index, fault in enumerate(self.faults)
        ]

    def __repr__(self) -> str:
        return f"<Schedule seed={self.seed} {self.struck()}>"

    def again(self) -> Schedule:
        """The same schedule from its beginning."""
        return Schedule(self.faults, seed=self.seed)

    def strike(self, scope: Scope) -> Strike | None:
        """What befalls the next request of this kind."""
        struck: Strike | None = None
        for counter in self._counters:
            if counter.fault.scope is scope and counter.due() and struck is None:
                struck = counter.strike()

        return struck

    def struck(self) -> dict[str, int]:
        """How often each fault struck."""
        return {counter.fault.spec: counter.struck for counter in self._counters}


class _Counter:
    """One fault, and how many requests it has seen."""

    __slots__ = ("_random", "fault", "seen", "struck")

    def __init__(self, fault: Fault, random: Random) -> None:
        self.fault = fault
        self.seen = 0
        self.struck = 0
        self._random = random

    def due(self) -> bool:
        """Whether the fault is due at the next request."""
        fault = self.fault
        self.seen += 1
        # Drawn for every request, due or not: what a request suffers hangs on its number alone.
        drawn = self._random.random()
        if self.seen < fault.first or (fault.last is not None and self.seen > fault.last):
            return False

        if fault.times is not None and self.struck >= fault.times:
            return False

        if fault.rate is not None:
            return drawn < fault.rate

        if fault.every is not None:
            return self.seen % fault.every == 0

        return not fault.at or self.seen in fault.at

    def strike(self) -> Strike:
        """Strike, and decide whether the contacts are taken first."""
        self.struck += 1
        taken = self.fault.taken
        by_chance = 0.0 < taken < 1.0
        return Strike(self.fault, self._random.random() < taken if by_chance else taken == 1.0)
