"""Everything the program reports about itself: a frozen dataclass each.

An event is a fact, named by a noun and a participle. Whoever wants to show, count or log it
subscribes; whoever reports it knows nothing of that. No event carries a secret. Events come per
chunk, batch or request, never per contact.
"""

from __future__ import annotations

from collections.abc import Callable

from .delivery import (
    AttemptFailed,
    BatchDispatched,
    BatchSealed,
    BatchSettled,
    BatchSplit,
    DoubtSettled,
    RequestEnded,
    RequestStarted,
    TokenRenewed,
)
from .outlook import FieldsRead, FieldsUnreadable, ListenersRead
from .pace import (
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
from .queue import (
    BacklogSeen,
    MessagesDeleted,
    MessagesDoubted,
    MessagesLapsed,
    QueueLost,
    QueueRegained,
)
from .reading import (
    ChunkRead,
    DuplicatesDecided,
    EncoderRestarted,
    FileFailed,
    FileSettled,
    FilesSeen,
    LinkPassedOver,
    ReadingEnded,
    ReadingStarted,
    SourceChanged,
    WatchHeldUp,
)
from .run import (
    DrainStarted,
    LeftoversFound,
    RetryStarted,
    RunEnded,
    RunHalted,
    RunPutAside,
    RunStarted,
)
from .worker import (
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
    "LinkPassedOver",
    "ListenersRead",
    "ListeningStarted",
    "MessagesDeleted",
    "MessagesDoubted",
    "MessagesLapsed",
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
    | LinkPassedOver
    | FileFailed
    | FilesSeen
    | WatchHeldUp
    | EncoderRestarted
    | BacklogSeen
    | QueueLost
    | QueueRegained
    | MessagesDeleted
    | MessagesDoubted
    | MessagesLapsed
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
