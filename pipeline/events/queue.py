"""What is reported of a queue as a source."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("BacklogSeen", "QueueLost", "QueueRegained")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogSeen:
    """What lies on the queue was asked; None what it does not tell, or was not to be had.

    `taken` messages are being worked on, by whichever worker; the oldest is that of all.
    """

    waiting: int | None
    taken: int | None
    oldest_seconds: float | None
