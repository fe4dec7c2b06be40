"""Everything the program reports about itself: a frozen dataclass each.

An event is a fact, named by a noun and a participle. Whoever wants to show, count or log it
subscribes; whoever reports it knows nothing of that. No event carries a secret. Events come per
chunk, batch or request, never per contact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .outlook_events import FieldsRead, FieldsUnreadable, ListenersRead
from .pace_events import (
    BreakerClosed,
    BreakerOpened,
    CoordinationLost,
    CoordinationRegained,
    HoldStarted,
    LimitChanged,
    PaceChanged,
    RateCut,
    WindowClosed,
)
from .queue_events import BacklogSeen, QueueLost, QueueRegained
from .reading_events import (
    ChunkRead,
    DuplicatesDecided,
    EncoderRestarted,
    FileFailed,
    FileSettled,
    FilesSeen,
    ReadingEnded,
    ReadingStarted,
    SourceChanged,
    WatchHeldUp,
)
from .worker_events import (
    ConfigReloaded,
    JournalCompacted,
    ListeningStarted,
    ReloadRefused,
    ResultFilesRotated,
    ResultsMissed,
    RunsRemoved,
)

__all__ = (
    "AttemptFailed",
    "BacklogSeen",
    "BatchDispatched",
    "BatchSealed",
    "BatchSettled",
    "BatchSplit",
    "BreakerClosed",
    "BreakerOpened",
    "ChunkRead",
    "ConfigReloaded",
    "CoordinationLost",
    "CoordinationRegained",
    "DoubtSettled",
    "DrainStarted",
    "DuplicatesDecided",
    "Emit",
    "EncoderRestarted",
    "Event",
    "FieldsRead",
    "FieldsUnreadable",
    "FileFailed",
    "FileSettled",
    "FilesSeen",
    "HoldStarted",
    "JournalCompacted",
    "LeftoversFound",
    "LimitChanged",
    "ListenersRead",
    "ListeningStarted",
    "PaceChanged",
    "QueueLost",
    "QueueRegained",
    "RateCut",
    "ReadingEnded",
    "ReadingStarted",
    "ReloadRefused",
    "RequestEnded",
    "RequestStarted",
    "ResultFilesRotated",
    "ResultsMissed",
    "RetryStarted",
    "RunEnded",
    "RunHalted",
    "RunPutAside",
    "RunStarted",
    "RunsRemoved",
    "SourceChanged",
    "TokenRenewed",
    "WatchHeldUp",
    "WindowClosed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins, or goes on. `settled` contacts were settled before."""

    run_id: str
    resumed: bool
    settled: int
    total: int | None  # contacts expected, where it can be known
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStarted:
    """Contacts that have an outcome are sent again; `continued`: an earlier process began it.

    `lost` ones cannot be: neither their source nor the journal has them.
    """

    run_id: str
    outcome: str
    contacts: int
    lost: int
    continued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPutAside:
    """The run that was in the run directory lies in `directory` now."""

    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoversFound:
    """A resumed run found batches that were dispatched when the last process died."""

    batches: int
    contacts: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainStarted:
    """The run takes no more; what is begun is finished."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHalted:
    """The run stops: sending again cannot mend it. Nothing is lost."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is over; `state` as in summary.json."""

    state: str


Event = (
    RunStarted
    | ListeningStarted
    | ConfigReloaded
    | ReloadRefused
    | ResultFilesRotated
    | JournalCompacted
    | ResultsMissed
    | RunsRemoved
    | RetryStarted
    | RunPutAside
    | LeftoversFound
    | SourceChanged
    | FieldsRead
    | ListenersRead
    | FieldsUnreadable
    | DuplicatesDecided
    | ReadingStarted
    | ChunkRead
    | ReadingEnded
    | FileSettled
    | FileFailed
    | FilesSeen
    | WatchHeldUp
    | EncoderRestarted
    | BacklogSeen
    | QueueLost
    | QueueRegained
    | BatchSealed
    | BatchDispatched
    | RequestStarted
    | RequestEnded
    | AttemptFailed
    | BatchSplit
    | BatchSettled
    | DoubtSettled
    | HoldStarted
    | RateCut
    | BreakerOpened
    | BreakerClosed
    | CoordinationLost
    | CoordinationRegained
    | WindowClosed
    | LimitChanged
    | PaceChanged
    | TokenRenewed
    | DrainStarted
    | RunHalted
    | RunEnded
)

Emit = Callable[[Event], None]
