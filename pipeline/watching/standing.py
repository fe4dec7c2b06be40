"""Standing: how a run stands, as `status` tells it, to people and to programs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..errors import SourceError
from ..sending.limits import Limit
from ..settling.live import WORKER, live_of
from ..settling.store import FILE_NAME
from ..settling.summary import iso
from ..settling.view import viewed
from .summary import counted, print_summary

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from ..intake.inbox import Inbox
    from ..sending.limits import Standing
    from ..settling.live import Live
    from ..settling.view import JournalView

__all__ = ("live_lines", "pace_lines", "print_standing", "standing", "standing_of")


def standing_of(directory: Path, inbox: Inbox | None = None) -> tuple[dict[str, Any], Live | None]:
    """How the run in `directory` stands, and who works there; raises RunDirectoryError.

    Of a worker that waits for its first file, and of a run that is about to begin, there is `live`
    alone. Where the folder `inbox` is watched, `waiting_files` is how many lie there beside the one
    that is sent just now; None where it cannot be read.
    """
    live = live_of(directory)
    if live is not None and not (directory / FILE_NAME).exists():
        return {"live": live.told(), **_waiting(inbox)}, live

    with viewed(directory) as view:
        live = live_of(directory)
        at_work = live is not None and live.seat is WORKER and not live.waiting
        sent = view.run().identity.sources[0].name.partition("/")[0] if at_work else None
        return {**standing(view, live), **_waiting(inbox, sent=sent)}, live


def _waiting(inbox: Inbox | None, *, sent: str | None = None) -> dict[str, Any]:
    if inbox is None:
        return {}

    try:
        return {"waiting_files": len(inbox.lying() - {sent})}
    except SourceError:
        return {"waiting_files": None}


def standing(view: JournalView, live: Live | None) -> dict[str, Any]:
    """The summary's members, `unsettled` batches, `last_error` (None if nothing went wrong), and
    `live`: the process and the pace of a run that is going on (else None). `left_out`, where there
    are any, names the files that alone had some of its contacts, and do not have them now."""
    summary, error = view.summary(), view.last_error()
    missed = view.left_out(by_size=True)
    return {
        **summary.to_dict(),
        "unsettled": [
            {
                "batch": batch.batch_id,
                "attempt": batch.attempt,
                "contacts": batch.contacts,
                "dispatched_at": iso(batch.dispatched_at),
            }
            for batch in view.unsettled()
        ],
        "last_error": None
        if error is None
        else {"reason": error.reason, "detail": error.detail, "at": iso(error.at)},
        "live": None if live is None else live.told(),
        **({"left_out": missed} if missed else {}),
    }


def pace_lines(standing: Standing, *, config: str) -> list[str]:
    """What limits a run that is going on, since when, and what it lets through."""
    until = f", until {iso(standing.until.timestamp())}" if standing.until else ""
    since = iso(standing.since.timestamp())
    lines = [f"limit: {standing.limit.value}, since {since}{until}"]
    rate, asked = standing.requests_per_second, standing.asked_per_second
    parts = ["any number of requests a second"]
    if rate is not None:
        lowered = "" if rate == asked else f" ({_most(asked)}; Marketing Cloud throttles)"
        parts = [f"{_number(rate)} requests a second{lowered}"]

    if standing.contacts_per_hour is not None:
        parts.append(f"{_number(standing.contacts_per_hour)} contacts an hour")

    found, most = standing.max_in_flight, standing.most_in_flight
    below = "" if found == most else f" (at most {most:,})"
    parts.append(f"{standing.in_flight:,} in flight of {found:,}{below}")
    lines.append("pace: " + ", ".join(parts))
    if standing.limit is Limit.PAUSED:
        lines.append(f"to go on: journey-pipeline resume {shlex.quote(config)}")

    return lines


def live_lines(live: Live, *, config: str) -> list[str]:
    """What a process does, where it is not sending, and how it stands."""
    lines = pace_lines(live.standing, config=config)
    if live.waiting:
        return [f"the worker (process {live.process}) waits for files", *lines]

    if live.opening:
        begins = (
            f"the run (process {live.process}) is opening its journal: this holds once it sends"
        )
        return [begins, *lines]

    return lines


def _files_line(files: int | None) -> str:
    """How many files wait in a watched folder."""
    if files is None:
        return "the watched folder cannot be read: nobody knows how many files wait"

    return f"in the watched folder: {counted(files, 'file')} to be sent"


def _most(asked: float | None) -> str:
    return "any number is asked" if asked is None else f"{_number(asked)} are asked"


def _number(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 or number == int(number) else f"{number:.3g}"


def print_standing(
    found: dict[str, Any], console: Console, *, live: Live | None, config: str
) -> None:
    """Print what `standing_of` found."""
    if "state" in found:
        print_summary(console, found, config=config)

    unsettled = found.get("unsettled")
    if unsettled:
        contacts = sum(batch["contacts"] for batch in unsettled)
        batches = counted(len(unsettled), "batch", plural="batches")
        fate = "under way" if found["state"] == "running" else "unknown once the run goes on"
        _line(console, f"  {fate}: {batches} of {counted(contacts, 'contact')}")

    if live is not None:
        for line in live_lines(live, config=config):
            _line(console, f"  {line}")

    if "waiting_files" in found:
        _line(console, f"  {_files_line(found['waiting_files'])}")

    for missed in found.get("left_out", ()):
        _line(console, f"  {missed}")

    if (error := found.get("last_error")) is not None:
        _line(console, f"  last trouble, {error['at']}: {error['detail']} ({error['reason']})")


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
