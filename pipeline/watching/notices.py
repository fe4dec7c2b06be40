"""Notices: the lines that events deserve, once each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from ..events import (
    BreakerClosed,
    BreakerOpened,
    ConfigReloaded,
    DoubtSettled,
    DrainStarted,
    DuplicatesDecided,
    EncoderRestarted,
    Event,
    FieldsUnreadable,
    FileFailed,
    FileSettled,
    LeftoversFound,
    ListenersRead,
    ListeningStarted,
    PaceChanged,
    QueueLost,
    QueueRegained,
    ReloadRefused,
    RetryStarted,
    RunHalted,
    RunPutAside,
    RunStarted,
    SourceChanged,
    TokenRenewed,
    WatchHeldUp,
    WindowClosed,
)

__all__ = ("LOG", "Notice", "Tone", "notice_of")

LOG = logging.getLogger("journey")
"""What a run says where stderr is no terminal: its level decides of what weight that must be."""

LOG.setLevel(logging.INFO)


class Tone(StrEnum):
    """How loud a notice is."""

    NEWS = "news"  # good to know
    WARNING = "warning"  # the run goes on, someone may want to look
    TROUBLE = "trouble"  # the run ends

    @property
    def level(self) -> int:
        """The level at which it is logged."""
        levels = {Tone.NEWS: logging.INFO, Tone.WARNING: logging.WARNING}
        return levels.get(self, logging.ERROR)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth a line of its own, once."""

    text: str
    tone: Tone
    event: str = ""
    """The name of what it tells of."""


def notice_of(event: Event) -> Notice | None:
    """The line an event deserves, if it deserves one. A hold's is written when it is sampled."""
    if (news := _news_of(event) or _worker_news_of(event)) is not None:
        tone = Tone.WARNING if isinstance(event, ReloadRefused | FileFailed) else Tone.NEWS
        return Notice(news, tone, type(event).__name__)

    if (reach := _reach(event)) is not None:
        return reach

    tone = Tone.WARNING
    match event:
        case LeftoversFound():
            text = _leftovers(event)
        case SourceChanged():
            text = f"{event.detail}: the run is of what it held when the run began"
        case FieldsUnreadable():
            text = f"contacts go unchecked, the event's fields cannot be read: {event.detail}"
        case ListenersRead(listening=False):
            text = "; ".join(["no journey lets contacts of this event in", *event.lines])
        case TokenRenewed(reason="refused"):
            text = "a token was refused before its time; a new one is in use"
        case EncoderRestarted():
            text = f"the encoder process ended and was started again: {event.detail}"
        case RunHalted():
            tone = Tone.TROUBLE
            text = f"halted: {event.detail}"
        case _:
            return None

    return Notice(text, tone, type(event).__name__)


def _reach(event: Event) -> Notice | None:
    """What went out of reach, or came back into it."""
    tone = Tone.WARNING
    match event:
        case BreakerOpened():
            text = f"nothing gets through, one batch at a time is tried: {event.detail}"
        case WatchHeldUp():
            text = f"no file is taken for now, it is tried until one can be: {event.detail}"
        case QueueLost():
            text = f"{event.queue} is away, and tried again until it is back: {event.detail}"
        case BreakerClosed():
            tone, text = Tone.NEWS, f"it gets through again, after {event.seconds:,.0f} s"
        case QueueRegained():
            tone, text = Tone.NEWS, f"{event.queue} is back, after {event.seconds:,.0f} s"
        case _:
            return None

    return Notice(text, tone)


def _news_of(event: Event) -> str | None:
    text = None
    match event:
        case RunStarted(resumed=True):
            text = f"going on with run {event.run_id}: {event.settled:,} contacts settled before"
        case RetryStarted():
            text = _retry(event)
        case RunPutAside():
            text = f"the run that was here before lies in {event.directory} now"
        case DuplicatesDecided():
            text = _duplicates(event)
        case DoubtSettled():
            text = (
                f"a batch of {event.contacts:,} contacts in doubt ({event.reason}) was asked for: "
                "Marketing Cloud has it"
            )
        case DrainStarted():
            text = f"finishing what is begun: {event.reason}"
        case _:
            text = _news_of_pace(event)

    return text


def _news_of_pace(event: Event) -> str | None:
    match event:
        case BreakerClosed():
            return f"it gets through again, after {event.seconds:,.0f} s"
        case WindowClosed():
            return f"outside delivery.window: waiting until {event.opens_at:%a %d %b %H:%M %Z}"
        case PaceChanged():
            return _asked(event)

    return None


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


def _worker_news_of(event: Event) -> str | None:
    match event:
        case ListeningStarted():
            return f"health, metrics and a live page: {event.url}"
        case ConfigReloaded():
            return _reloaded(event)
        case FileSettled():
            return _settled(event)
        case FileFailed():
            return f"{event.name} was not sent and lies in {event.place} now: {event.detail}"
        case ReloadRefused():
            return f"the config was not read again, all goes on as it was: {event.detail}"

    return None


def _settled(event: FileSettled) -> str:
    if event.known:
        return f"{event.name} was injected already and lies in {event.place} now; nothing was sent"

    counts = {name: getattr(event, name) for name in ("accepted", "rejected", "unknown")}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    if event.place is None:
        return (
            f"{event.name} is settled as it was when it was taken ({told or 'no contacts'}), and "
            "has changed meanwhile: what lies there now is taken in its turn"
        )

    return f"{event.name} is settled and lies in {event.place} now: {told or 'no contacts'}"


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
