"""Tenure: since when it is sure of each message that it is this worker's. Sans-IO, told the time.

A broker leaves a message to a worker for a while, and longer where it is told in time that it is
still being worked on. What was said in time is sure; from then on it is the broker's to give it to
another worker. A message that was not sure in time, or that the broker is known to have taken away,
has *lapsed*: nothing of it is sent until it comes again.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

__all__ = ("Tenure",)

SURE_SHARE: Final = 0.75
"""Of the broker's time: the rest is there for a request to arrive."""
LONG_AGO: Final = -1e9
ROUNDS: Final = 4
"""What was last sure within so great a part of the broker's time is asked for together."""


class Tenure:
    """Of messages by their identity. The times are those of the questions, not the answers.

    A broker's time begins when it answers, so that it never ends sooner than is thought here.
    """

    def __init__(self) -> None:
        self.hold_seconds = inf
        """How long the broker leaves a message to a worker that says nothing."""
        self._sure_at: dict[str, float] = {}
        self._lapsed: set[str] = set()
        self._oldest = inf  # none was sure last before that

    def taken(self, identity: str, at: float) -> None:
        """It was given to this worker, which had asked at that time: it has lapsed no more."""
        if at > self._sure_at.get(identity, -inf):
            self._sure_at[identity] = at
            self._lapsed.discard(identity)
            self._oldest = min(self._oldest, at)

    def begin(self, identity: str) -> None:
        """It is held; where nobody knows when it was sure, it is asked for before it is sent."""
        if identity not in self._sure_at:
            self._sure_at[identity] = self._oldest = LONG_AGO

    def sure(self, identities: Iterable[str], at: float) -> None:
        """They were still this worker's at that time, but for those that have lapsed since."""
        for identity in identities:
            if identity in self._sure_at and identity not in self._lapsed:
                self._sure_at[identity] = max(at, self._sure_at[identity])

    def end(self, identity: str) -> None:
        """It is done with, or let go."""
        self._sure_at.pop(identity, None)
        self._lapsed.discard(identity)

    def all_hold(self, now: float) -> bool:
        """Whether every message is sure now. Costs next to nothing where it is so."""
        if self._lapsed:
            return False

        if now < self._oldest + self._sure_seconds:
            return True

        self._oldest = min(self._sure_at.values(), default=inf)
        return now < self._oldest + self._sure_seconds

    def lapsed(self, identity: str) -> bool:
        """Whether this one has lapsed."""
        return identity in self._lapsed

    def holds(self, identity: str, now: float) -> bool:
        """Whether this one is sure now."""
        if identity in self._lapsed:
            return False

        return now < self._sure_at[identity] + self._sure_seconds

    def lapse(self, now: float, *, but: AbstractSet[str] = frozenset()) -> int:
        """Those that are sure no more lapse, `but` for some; how many these are."""
        late = [identity for identity in self._sure_at if not self.holds(identity, now)]
        return self.take_away(identity for identity in late if identity not in but)

    def take_away(self, identities: Iterable[str]) -> int:
        """These lapse; how many had not by now."""
        before = len(self._lapsed)
        self._lapsed.update(identities)
        return len(self._lapsed) - before

    def rounds(self, now: float) -> list[tuple[float, list[str]]]:
        """(age, messages) to be asked for together: none of them was sure longer ago than that.

        Nor much less long ago, but those of the last quarter of the broker's time are together.
        """
        width = self.hold_seconds / ROUNDS
        rounds: dict[int, list[str]] = {}
        for identity, at in self._sure_at.items():
            if identity not in self._lapsed:
                rounds.setdefault(int((now - at) / width), []).append(identity)

        return [
            (max(now - self._sure_at[identity] for identity in identities), identities)
            for _, identities in sorted(rounds.items())
        ]

    @property
    def _sure_seconds(self) -> float:
        return SURE_SHARE * self.hold_seconds

    def __repr__(self) -> str:
        return f"<Tenure of {len(self._sure_at)} messages, {len(self._lapsed)} lapsed>"
