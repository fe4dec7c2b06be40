"""Showing: a run together with what shows it, to a person or to a collector of logs."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import InterruptedRunError, JourneyError, UsageError
from ..events.emitter import Emitter
from ..flow import run
from ..watching.logs import logging_to
from ..watching.progress import draw
from ..watching.summary import print_summary
from ..watching.tally import Tally
from .company import company_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from anyio.abc import TaskStatus
    from rich.console import Console

    from ..config import Config
    from ..running.legs import Ended, RunOptions
    from ..watching.sight import Companion, Sight

__all__ = ("drawn", "recorded")


async def drawn(
    path: Path, config: Config, options: RunOptions, *, console: Console
) -> Ended | None:
    """Inject what the config file at `path` says, shown to a person."""
    emitter, tally = Emitter(), Tally()
    emitter.subscribe(tally.note)
    company = company_of(config, emitter, path=path)
    watch = partial(draw, tally, console)
    with logging_to(console, secrets=config.secrets):
        ended = await _injected(config, options, emitter, watch=watch, companions=company)

    _ignore_signals()
    if ended is not None:
        summary = ended.summary.to_dict()
        retried = options.retry is not None and ended.completed
        directory = config.run.directory
        print_summary(console, summary, config=str(path), directory=directory, retried=retried)

    return ended


async def recorded(
    path: Path, config: Config, options: RunOptions, *, console: Console
) -> Ended | None:
    """The same for who collects logs: whatever is said is a record.

    Raises SystemExit where the run cannot be made, or ends early: why is told already.
    """
    from ..watching.records import Records, log_error, log_event, log_summary, recording_to
    from ..watching.showing import show

    emitter, tally = Emitter(), Tally()
    for subscriber in (tally.note, log_event):
        emitter.subscribe(subscriber)

    company = company_of(config, emitter, path=path)
    watch = partial(show, Records(tally))
    with recording_to(console.file, secrets=config.secrets):
        try:
            ended = await _injected(config, options, emitter, watch=watch, companions=company)
        except InterruptedRunError:
            raise
        except JourneyError as error:
            log_error(error)
            raise SystemExit(error.exit_code) from None

        _ignore_signals()
        if ended is not None:
            log_summary(ended.summary)

    return ended


async def _injected(
    config: Config,
    options: RunOptions,
    emitter: Emitter,
    *,
    watch: Callable[[], Coroutine[Any, Any, None]],
    companions: list[Companion],
) -> Ended | None:
    if not config.source.watch or options.retry is not None:
        return await run(config, options, emitter=emitter, watch=watch, companions=companions)

    if options.again or options.limit is not None:
        raise UsageError(
            "a watched folder takes neither --again nor --limit. One of its files does, with "
            "JOURNEY_SOURCE__WATCH=false JOURNEY_SOURCE__URL=… in the environment, and the worker "
            "ended"
        )

    from .folder import watch_over

    async def shown(sight: Sight, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await sight.begun.wait()  # a worker that is refused says why, and nothing else
        await watch()

    return await watch_over(config, emitter=emitter, companions=[*companions, shown])


def _ignore_signals() -> None:
    """The books are closed: a signal that comes now must not make another ending of it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
