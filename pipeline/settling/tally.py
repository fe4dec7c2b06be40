"""Tally: requests, retries, tokens and active seconds, counted over every leg of a run.

A leg is one process's share of a run. The tally listens to events; the journal writes what it
says with each settlement, so that a killed process takes little of it along.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..events import AttemptFailed, RequestStarted, TokenRenewed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..events import Event

__all__ = ("Counters", "Tally")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What a run has cost so far, all legs together."""

    requests: int = 0
    """POSTs begun."""

    retries: int = 0
    """Attempts that certainly failed and were followed by another."""

    tokens: int = 0
    """Tokens obtained."""

    seconds: float = 0.0
    """Time during which a process worked on the run."""


class Tally:
    """Counts a leg's events on top of what earlier legs `carried` over."""

    __slots__ = ("_carried", "_clock", "_requests", "_retries", "_started", "_tokens")

    def __init__(
        self, carried: Counters | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._carried = carried or Counters()
        self._clock = clock
        self._started = clock()
        self._requests = 0
        self._retries = 0
        self._tokens = 0

    def observe(self, event: Event) -> None:
        """Count `event`; subscribe this to the emitter."""
        if isinstance(event, RequestStarted):
            self._requests += 1
        elif isinstance(event, AttemptFailed):
            self._retries += 1
        elif isinstance(event, TokenRenewed):
            self._tokens += event.asked

    def counters(self) -> Counters:
        """The sums up to now."""
        carried = self._carried
        return Counters(
            requests=carried.requests + self._requests,
            retries=carried.retries + self._retries,
            tokens=carried.tokens + self._tokens,
            seconds=carried.seconds + self._clock() - self._started,
        )

    def __repr__(self) -> str:
        return f"<Tally {self.counters()}>"
