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
    ListenersRead,
    ListeningStarted,
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


def _asked(event: PaceChanged) -> str | None:
    asked = {
        "requests a second": event.requests_per_second,
        "contacts an hour": event.contacts_per_hour,
        "in flight at most": event.max_in_flight,
    }
    parts = [f"{value:,.12g} {what}" for what, value in asked.items() if value is not None]
    if event.paused is not None:
        parts.append("nothing is sent until `resume`" if event.paused else "sending goes on")

    return f"the pace was changed: {', '.join(parts)}" if parts else None


def _settled(event: FileSettled) -> str:
    if event.known:
        return f"{event.name} was injected already and lies in {event.place} now; nothing was sent"

    counts = {name: getattr(event, name) for name in ("accepted", "rejected", "unknown")}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    told = f"{told or 'no contacts'}, run {event.run_id}"
    if event.place is None:
        return (
            f"{event.name} is settled as it was when it was taken ({told}), and has changed "
            "meanwhile: what lies there now is taken in its turn"
        )

    return f"{event.name} is settled and lies in {event.place} now: {told}"


def _reloaded(event: ConfigReloaded) -> str:
    taken = f"taken: {', '.join(event.taken)}" if event.taken else "nothing of it was to be taken"
    left = f"; needs a new process: {', '.join(event.left)}" if event.left else ""
    return f"the config was read again, {taken}{left}"


def _duplicates(event: DuplicatesDecided) -> str:
    if event.dropped is None:
        return "reading everything once, for contacts that share a key; nothing is sent yet"

    return (
        f"{event.dropped:,} of {event.contacts:,} contacts are not sent: another one of "
        f"their key is, the {event.kept}"
    )


def _compacted(event: JournalCompacted) -> str:
    noun = "contact" if event.contacts == 1 else "contacts"
    return f"{event.contacts:,} accepted {noun} left the journal: {event.file} alone has them now"


def _removed(event: RunsRemoved) -> str:
    runs = "1 run" if event.runs == 1 else f"{event.runs:,} runs"
    return f"{runs} older than run.keep_days left previous/; their files are known as before"


def _retry(event: RetryStarted) -> str:
    lost = (
        f"; {event.lost:,} more stay as they are: their source cannot be read again, and the "
        "journal has not their records (they were in flight when a process died, or unreadable)"
    )
    if not event.contacts:
        nobody = f"run {event.run_id} has no {event.outcome} contacts to send again"
        return nobody + lost.replace(" more", "") if event.lost else nobody

    verb = "going on to send" if event.continued else "sending"
    noun = "contact" if event.contacts == 1 else "contacts"
    text = f"{verb} {event.contacts:,} {event.outcome} {noun} of run {event.run_id} again"
    return text + lost if event.lost else text


def _leftovers(event: LeftoversFound) -> str:
    batches = "1 batch was" if event.batches == 1 else f"{event.batches:,} batches were"
    return (
        f"{batches} under way when the last process ended: "
        f"the fate of {event.contacts:,} contacts is unknown"
    )


def _going_on(event: RunStarted) -> str | None:
    if not event.resumed:
        return None

    return f"going on with run {event.run_id}: {event.settled:,} contacts settled before"


def _in_doubt(event: DoubtSettled) -> str:
    return (
        f"a batch of {event.contacts:,} contacts in doubt ({event.reason}) was asked for: "
        "Marketing Cloud has it"
    )


def _unheard(event: ListenersRead) -> str | None:
    if event.listening:
        return None

    return "; ".join(["no journey lets contacts of this event in", *event.lines])


def _refused(event: TokenRenewed) -> str | None:
    if event.reason != "refused" or not event.asked:
        return None

    return "a token was refused before its time; a new one is in use"


_Teller = Callable[[Any], str | None]
_Kind = TypeVar("_Kind", bound=Event)


def _line(
    kind: type[_Kind], tone: Tone, tell: Callable[[_Kind], str | None]
) -> tuple[type[Any], tuple[Tone, _Teller]]:
    """An entry of the table, its two halves held against each other."""
    return kind, (tone, tell)


_LINES: Final = dict(
    [
        _line(RunStarted, Tone.NEWS, _going_on),
        _line(RetryStarted, Tone.NEWS, _retry),
        _line(
            RunPutAside,
            Tone.NEWS,
            lambda event: f"the run that was here before lies in {event.directory} now",
        ),
        _line(LeftoversFound, Tone.WARNING, _leftovers),
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
        _line(JournalCompacted, Tone.NEWS, _compacted),
        _line(RunsRemoved, Tone.NEWS, _removed),
        _line(ResultsMissed, Tone.WARNING, lambda event: event.detail),
        _line(DuplicatesDecided, Tone.NEWS, _duplicates),
        _line(
            FieldsUnreadable,
            Tone.WARNING,
            lambda event: (
                f"contacts go unchecked, the event's fields cannot be read: {event.detail}"
            ),
        ),
        _line(ListenersRead, Tone.WARNING, _unheard),
        _line(TokenRenewed, Tone.WARNING, _refused),
        _line(
            EncoderRestarted,
            Tone.WARNING,
            lambda event: f"the encoder process ended and was started again: {event.detail}",
        ),
        _line(DoubtSettled, Tone.NEWS, _in_doubt),
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
        _line(PaceChanged, Tone.NEWS, _asked),
        _line(
            ListeningStarted,
            Tone.NEWS,
            lambda event: f"health, metrics and a live page: {event.url}",
        ),
        _line(ConfigReloaded, Tone.NEWS, _reloaded),
        _line(
            ReloadRefused,
            Tone.WARNING,
            lambda event: f"the config was not read again, all goes on as it was: {event.detail}",
        ),
        _line(FileSettled, Tone.NEWS, _settled),
        _line(
            FileFailed,
            Tone.WARNING,
            lambda event: (
                f"{event.name} was not sent and lies in {event.place} now: {event.detail}"
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
