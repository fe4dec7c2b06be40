"""What is reported of a queue as a source."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "BacklogSeen",
    "MessagesDeleted",
    "MessagesDoubted",
    "MessagesLapsed",
    "QueueLost",
    "QueueRegained",
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesDeleted:
    """The queue has deleted messages that its group was not done with.

    `where` says which ones, as far as the queue tells; `bound` is "at least" or "at most" where
    `messages` is not their very number. `taken`: a worker had taken them, and may have sent their
    contacts; otherwise nobody had, and nobody can send them. `limits` names what on the queue
    decides what is kept.
    """

    queue: str
    group: str
    messages: int
    where: str
    taken: bool
    limits: str
    bound: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesDoubted:
    """Messages came that the queue had given out before, to another worker as far as it tells.

    So many `contacts` of theirs may have been sent: they are unknown, and not sent.
    """

    source: str
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesLapsed:
    """So many messages that this worker holds may have been given to another one meanwhile.

    What of them is not under way by now is not sent, unless they come again.
    """

    queue: str
    messages: int
