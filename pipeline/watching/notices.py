"""Notices: the lines that events deserve, once each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from ..events import (
    BreakerClosed,
    BreakerOpened,
    ConfigReloaded,
    CoordinationLost,
    CoordinationRegained,
    DoubtSettled,
    DrainStarted,
    DuplicatesDecided,
    EncoderRestarted,
    Event,
    FieldsUnreadable,
    FileFailed,
    FileSettled,
    JournalCompacted,
    LeftoversFound,
    LinkPassedOver,
    ListenersRead,
    ListeningStarted,
    MessagesDeleted,
    MessagesDoubted,
    MessagesLapsed,
    PaceChanged,
    QueueLost,
    QueueRegained,
    ReloadRefused,
    ResultFilesRotated,
    ResultsMissed,
    RetryStarted,
    RunHalted,
    RunPutAside,
    RunsRemoved,
    RunStarted,
    SourceChanged,
    TokenRenewed,
    WatchHeldUp,
    WindowClosed,
)
from . import wording
from .notice import Notice, Tone

__all__ = ("LOG", "notice_of")

LOG = logging.getLogger("journey")
"""What a run says where stderr is no terminal: its level decides of what weight that must be."""

LOG.setLevel(logging.INFO)


def notice_of(event: Event) -> Notice | None:
    """The line an event deserves, if it deserves one. A hold's is written when it is sampled."""
    found = _LINES.get(type(event))
    if found is None:
        return None

    tone, tell = found
    text = tell(event)
    return None if text is None else Notice(text, tone, type(event).__name__)


_Teller = Callable[[Any], str | None]
_Kind = TypeVar("_Kind", bound=Event)


def _line(
    kind: type[_Kind], tone: Tone, tell: Callable[[_Kind], str | None]
) -> tuple[type[Any], tuple[Tone, _Teller]]:
    """An entry of the table, its two halves held against each other."""
    return kind, (tone, tell)


_LINES: Final = dict(
    [
        _line(RunStarted, Tone.NEWS, wording.going_on),
        _line(RetryStarted, Tone.NEWS, wording.retry),
        _line(
            RunPutAside,
            Tone.NEWS,
            lambda event: f"the run that was here before lies in {event.directory} now",
        ),
        _line(LeftoversFound, Tone.WARNING, wording.leftovers),
        _line(
            SourceChanged,
            Tone.WARNING,
            lambda event: f"{event.detail}: the run is of what it held when the run began",
        ),
        _line(
            ResultFilesRotated,
            Tone.NEWS,
            lambda event: f"a day is over, and its results lie in {', '.join(event.files)}",
        ),
        _line(JournalCompacted, Tone.NEWS, wording.compacted),
        _line(RunsRemoved, Tone.NEWS, wording.removed),
        _line(ResultsMissed, Tone.WARNING, lambda event: event.detail),
        _line(DuplicatesDecided, Tone.NEWS, wording.duplicates),
        _line(
            FieldsUnreadable,
            Tone.WARNING,
            lambda event: (
                f"contacts go unchecked, the event's fields cannot be read: {event.detail}"
            ),
        ),
        _line(ListenersRead, Tone.WARNING, wording.unheard),
        _line(TokenRenewed, Tone.WARNING, wording.refused),
        _line(
            EncoderRestarted,
            Tone.WARNING,
            lambda event: f"the encoder process ended and was started again: {event.detail}",
        ),
        _line(DoubtSettled, Tone.NEWS, wording.in_doubt),
        _line(
            BreakerOpened,
            Tone.WARNING,
            lambda event: f"nothing gets through, one batch at a time is tried: {event.detail}",
        ),
        _line(
            BreakerClosed,
            Tone.NEWS,
            lambda event: f"it gets through again, after {event.seconds:,.0f} s",
        ),
        _line(
            QueueLost,
            Tone.WARNING,
            lambda event: (
                f"{event.queue} is away, and tried again until it is back: {event.detail}"
            ),
        ),
        _line(
            QueueRegained,
            Tone.NEWS,
            lambda event: f"{event.queue} is back, after {event.seconds:,.0f} s",
        ),
        _line(MessagesDeleted, Tone.WARNING, wording.deleted),
        _line(MessagesDoubted, Tone.WARNING, wording.doubted),
        _line(MessagesLapsed, Tone.WARNING, wording.lapsed),
        _line(
            CoordinationLost,
            Tone.WARNING,
            lambda event: (
                f"{event.server}, where the workers' common pace and token are, is away; nothing "
                f"is sent until it is back: {event.detail}"
            ),
        ),
        _line(
            CoordinationRegained,
            Tone.NEWS,
            lambda event: f"{event.server} is back, after {event.seconds:,.0f} s",
        ),
        _line(
            WindowClosed,
            Tone.NEWS,
            lambda event: (
                f"outside delivery.window: waiting until {event.opens_at:%a %d %b %H:%M %Z}"
            ),
        ),
        _line(PaceChanged, Tone.NEWS, wording.asked),
        _line(
            ListeningStarted,
            Tone.NEWS,
            lambda event: f"health, metrics and a live page: {event.url}",
        ),
        _line(ConfigReloaded, Tone.NEWS, wording.reloaded),
        _line(
            ReloadRefused,
            Tone.WARNING,
            lambda event: f"the config was not read again, all goes on as it was: {event.detail}",
        ),
        _line(FileSettled, Tone.NEWS, wording.settled),
        _line(
            FileFailed,
            Tone.WARNING,
            lambda event: (
                f"{event.name} was not sent and lies in {event.place} now: {event.detail}"
            ),
        ),
        _line(
            LinkPassedOver,
            Tone.WARNING,
            lambda event: (
                f"{event.name} is a link, which is not followed, and is not sent: put the file "
                "itself there"
            ),
        ),
        _line(
            WatchHeldUp,
            Tone.WARNING,
            lambda event: f"no file is taken for now, it is tried until one can be: {event.detail}",
        ),
        _line(DrainStarted, Tone.NEWS, lambda event: f"finishing what is begun: {event.reason}"),
        _line(RunHalted, Tone.TROUBLE, lambda event: f"halted: {event.detail}"),
    ]
)
"""Kind of event -> how loud its line is, and what tells it: None where it deserves none."""
