"""What is reported of batches on their way: sealed, sent, answered, settled."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "AttemptFailed",
    "BatchDispatched",
    "BatchSealed",
    "BatchSettled",
    "BatchSplit",
    "DoubtSettled",
    "RequestEnded",
    "RequestStarted",
    "TokenRenewed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSealed:
    """A batch is complete. `trigger` is the Trigger's value."""

    batch_id: int
    contacts: int
    payload_bytes: int
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDispatched:
    """A batch is in the journal as dispatched; its first byte may leave."""

    batch_id: int
    contacts: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStarted:
    """A POST of a batch begins."""

    batch_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnded:
    """A POST of a batch ended. `status` is None where no answer came."""

    batch_id: int
    status: int | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """A batch was certainly not taken and will be sent again in `delay_seconds`."""

    batch_id: int
    attempt: int
    reason: str
    detail: str
    delay_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSplit:
    """Marketing Cloud refused a batch as a whole; its halves are sent."""

    batch_id: int
    contacts: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettled:
    """The outcome of contacts is on disk. `outcome`: accepted, rejected or unknown."""

    batch_id: int | None  # None for contacts that never reached a batch
    outcome: str
    contacts: int
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtSettled:
    """A batch whose answer was lost, or made no sense, was found by asking for its status."""

    batch_id: int
    contacts: int
    reason: str  # of the doubt


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRenewed:
    """A token was obtained. `lifetime_seconds` is what Marketing Cloud said, or what is left."""

    lifetime_seconds: float
    reason: str  # "first", "ending" or "refused"
    asked: bool = True  # for by this process; else another worker had it already
