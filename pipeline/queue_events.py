"""What is reported of a queue as a source."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("QueueLost", "QueueRegained")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLost:
    """The queue cannot be talked to; it is tried again until it can."""

    queue: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRegained:
    """The queue answers again, after so long."""

    queue: str
    seconds: float
