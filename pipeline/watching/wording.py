"""Wording: the notices that take more than a line to word, each a function of its event."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..events import (
        ConfigReloaded,
        DoubtSettled,
        DuplicatesDecided,
        FileSettled,
        JournalCompacted,
        LeftoversFound,
        ListenersRead,
        MessagesDeleted,
        MessagesDoubted,
        MessagesLapsed,
        PaceChanged,
        RetryStarted,
        RunsRemoved,
        RunStarted,
        TokenRenewed,
    )

__all__ = (
    "asked",
    "compacted",
    "deleted",
    "duplicates",
    "going_on",
    "in_doubt",
    "leftovers",
    "refused",
    "reloaded",
    "removed",
    "retry",
    "settled",
    "unheard",
)


def asked(event: PaceChanged) -> str | None:
    asked = {
        "requests a second": event.requests_per_second,
        "contacts an hour": event.contacts_per_hour,
        "in flight at most": event.max_in_flight,
    }
    parts = [f"{value:,.12g} {what}" for what, value in asked.items() if value is not None]
    if event.paused is not None:
        parts.append("nothing is sent until `resume`" if event.paused else "sending goes on")

    return f"the pace was changed: {', '.join(parts)}" if parts else None


def settled(event: FileSettled) -> str:
    if event.known:
        return f"{event.name} was injected already and lies in {event.place} now; nothing was sent"

    counts = {name: getattr(event, name) for name in ("accepted", "rejected", "unknown")}
    told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    told = f"{told or 'no contacts'}, run {event.run_id}"
    if event.place is None:
        return (
            f"{event.name} is settled as it was when it was taken ({told}), and was changed or "
            "taken away meanwhile: what lies there now is taken in its turn"
        )

    return f"{event.name} is settled and lies in {event.place} now: {told}"


def reloaded(event: ConfigReloaded) -> str:
    taken = f"taken: {', '.join(event.taken)}" if event.taken else "nothing of it was to be taken"
    left = f"; needs a new process: {', '.join(event.left)}" if event.left else ""
    return f"the config was read again, {taken}{left}"


def duplicates(event: DuplicatesDecided) -> str:
    if event.dropped is None:
        return "reading everything once, for contacts that share a key; nothing is sent yet"

    return (
        f"{event.dropped:,} of {event.contacts:,} contacts are not sent: another one of "
        f"their key is, the {event.kept}"
    )


def compacted(event: JournalCompacted) -> str:
    noun = "contact" if event.contacts == 1 else "contacts"
    return f"{event.contacts:,} accepted {noun} left the journal: {event.file} alone has them now"


def removed(event: RunsRemoved) -> str:
    runs = "1 run" if event.runs == 1 else f"{event.runs:,} runs"
    return f"{runs} older than run.keep_days left previous/; their files are known as before"


def retry(event: RetryStarted) -> str:
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


def leftovers(event: LeftoversFound) -> str:
    batches = "1 batch was" if event.batches == 1 else f"{event.batches:,} batches were"
    return (
        f"{batches} under way when the last process ended: "
        f"the fate of {event.contacts:,} contacts is unknown"
    )


def deleted(event: MessagesDeleted) -> str:
    noun = "message" if event.messages == 1 else "messages"
    told = " ".join(filter(None, [event.bound, f"{event.messages:,}", noun, event.where]))
    if event.taken:
        return (
            f"{event.queue} has deleted {told} that a run of group {event.group} had taken and was "
            "not done with: they may have been sent, so do not enqueue them; the results of that "
            "run tell what became of their contacts"
        )

    return (
        f"{event.queue} has deleted {told} before group {event.group} had taken them: their "
        f"contacts are not sent; see to {event.limits}, and enqueue those contacts once more"
    )


def doubted(event: MessagesDoubted) -> str:
    are = "contact is" if event.contacts == 1 else "contacts are"
    return (
        f"{event.contacts:,} {are} unknown and not sent (redelivered): {event.source} has given "
        "them out before, and who had them may have sent them; the results of that run tell"
    )


def lapsed(event: MessagesLapsed) -> str:
    noun = "message" if event.messages == 1 else "messages"
    return (
        f"{event.queue} may have given {event.messages:,} {noun} to another worker that this one "
        "had taken, for it was stopped or cut off: what was not sent of them by now is not sent, "
        "unless they come again"
    )


def going_on(event: RunStarted) -> str | None:
    if not event.resumed:
        return None

    return f"going on with run {event.run_id}: {event.settled:,} contacts settled before"


def in_doubt(event: DoubtSettled) -> str:
    return (
        f"a batch of {event.contacts:,} contacts in doubt ({event.reason}) was asked for: "
        "Marketing Cloud has it"
    )


def unheard(event: ListenersRead) -> str | None:
    if event.listening:
        return None

    return "; ".join(["no journey lets contacts of this event in", *event.lines])


def refused(event: TokenRenewed) -> str | None:
    if event.reason != "refused" or not event.asked:
        return None

    return "a token was refused before its time; a new one is in use"
