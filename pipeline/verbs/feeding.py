"""The verb that feeds a queue from files, for workers to take from."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from . import terminal
from .aftermath import AsJson, ConfigFile  # noqa: TC001  # typer reads them

if TYPE_CHECKING:
    from pathlib import Path

    from ..events import Event
    from .enqueued import Enqueued

__all__ = ("verbs",)

TELL_EVERY_SECONDS = 10.0

verbs = typer.Typer()
"""They are added to those of the command line (cli.py)."""


@verbs.command()
def enqueue(
    config: ConfigFile,
    url: Annotated[str, typer.Argument(metavar="URL", help="The queue, as [source] url has it.")],
    each: Annotated[
        int, typer.Option("--contacts-per-message", min=1, max=500, help="At the most.")
    ] = 100,
    again: Annotated[
        bool, typer.Option("--again", help="Put it there anew although it is there.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Put the source's contacts on a queue, for any number of workers; goes on where it stopped.

    They are put there as they are read; the workers map them, by the same config. A password comes
    from JOURNEY_QUEUE_PASSWORD. Exit codes: 0 all of it · 1 some records could not be put ·
    2 usage, config, or there already · 5 interrupted; the same command goes on.

    \b
    Examples:
      journey-pipeline enqueue journey.toml redis://127.0.0.1/0/contacts
      JOURNEY_SOURCE__URL=redis://127.0.0.1/0/contacts journey-pipeline run journey.toml
    """
    work = partial(_enqueue, config, url, each=each, again=again, json=json)
    raise typer.Exit(terminal.in_loop(work, broken_off="interrupted; the same command goes on"))


async def _enqueue(path: Path, url: str, *, each: int, again: bool, json: bool) -> int:
    from ..config import load
    from ..watching.logs import logging_to
    from .enqueue import enqueue as enqueued

    config = load(path)
    with logging_to(terminal.stderr(), secrets=config.secrets):
        record = await enqueued(
            config, url, each=each, again=again, emit=_say, tell=_Progress().tell
        )

    terminal.say(_told(record))
    if record.rejected:
        where = f"{config.run.directory}/enqueued/{record.name}.rejected.ndjson"
        terminal.say(f"{record.rejected:,} records could not be put, and are not there: {where}")

    if json:
        fields = ("queue", "contacts", "messages", "rejected")
        terminal.tell(orjson.dumps({name: getattr(record, name) for name in fields}))

    return 1 if record.rejected else 0


def _told(record: Enqueued) -> str:
    return f"{record.contacts:,} contacts in {record.messages:,} messages on {record.queue}"


class _Progress:
    """A line every ten seconds."""

    def __init__(self) -> None:
        self._next = time.monotonic() + TELL_EVERY_SECONDS

    def tell(self, record: Enqueued) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + TELL_EVERY_SECONDS
            terminal.say(_told(record))


def _say(event: Event) -> None:
    from ..watching.notices import notice_of

    if (notice := notice_of(event)) is not None:
        terminal.say(notice.text, style="yellow")
