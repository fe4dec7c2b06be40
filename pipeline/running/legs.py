"""Legs: what one process is asked to do for a run, how the run is opened for it, how it ended.

A run has as many legs as processes worked on it: one that begins it, others that go on with it or
send contacts of it again (a retry).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InterruptedRunError, JourneyError, RunDirectoryError, SourceError
from ..events import LeftoversFound, RetryStarted, RunPutAside, RunStarted
from ..intake.queues.place import is_queue
from ..settling.directory import Kind
from ..settling.opening import Leftovers
from ..settling.retrying import RetryOrder
from .plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Config
    from ..events import Emit
    from ..settling.directory import Opened, RunDirectory
    from ..settling.rows import RunRow
    from ..settling.summary import Summary

__all__ = ("Ended", "RunOptions", "announce", "open_leg", "plan_leg")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a run is asked beyond its config."""

    again: bool = False
    """Begin anew although the run is finished, or another one is unfinished in the directory."""

    retry: str | None = None
    """Send the contacts that have this outcome again, and nobody else."""

    limit: int | None = None
    """Stop after so many contacts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a leg ended: the run's books, and the error that halted it, if one did.

    `completed`: all that was asked for is done. After a retry that need not be all of the run.
    `drained`: a worker was told to end, which otherwise it never does. `untouched`: a source halted
    it, and nothing was read or sent by then.
    """

    summary: Summary
    error: JourneyError | None
    completed: bool
    drained: bool = False
    untouched: bool = False

    @property
    def exit_code(self) -> int:
        """What the process says at its end (CONTRACT: exit codes)."""
        if self.error is not None:
            return self.error.exit_code

        if self.drained:
            return 0

        if not self.completed:
            return InterruptedRunError.exit_code

        return 1 if self.summary.rejected or self.summary.unknown else 0


def plan_leg(config: Config, options: RunOptions) -> Plan:
    """Look at the sources; of what came through a pipe or from a queue a retry has only what the
    journal holds, and of a watched folder the file that the run was of.

    Raises as `Plan.of` does, and RunDirectoryError where there is no run to retry.
    """
    once = config.source.url == "-" or is_queue(config.source.url)
    if options.retry is None or not (once or config.source.watch):
        return Plan.of(config)

    from ..settling.view import viewed  # a retry's alone

    with viewed(Path(config.run.directory)) as view:
        run = view.run()

    if once:
        return Plan.recalling(config, run.identity.sources)

    return Plan.of(_of_its_file(config, run))


def _of_its_file(config: Config, run: RunRow) -> Config:
    """The config of a watched folder's run: its file, wherever in the folder that lies now.

    Raises RunDirectoryError where it is gone.
    """
    from ..intake.inbox import Inbox  # likewise

    known = run.identity
    size = known.sources[0].size if len(known.sources) == 1 else None
    for path in Inbox.of(config.source).kept(known.sources[0].name.partition("/")[0]):
        if size not in (None, path.stat().st_size) and path.suffix != ".zip":
            continue

        source = replace(config.source, url=str(path), watch=False)
        found = config.model_copy(update={"source": source})
        with suppress(SourceError):  # another file, which cannot be read
            fingerprints = Plan.before_mapping(found).fingerprints
            if not known.differences(replace(known, sources=fingerprints)):
                return found

    raise RunDirectoryError(
        f"{config.run.directory} holds run {run.run_id}, and its contacts cannot be found again: "
        f"{known.names} lies in {config.source.url} no more, nor in its done/. A retry reads them "
        "from what the run has read: put that back. To send mended records, take `results --of "
        "rejected` for a file of their own"
    )


def open_leg(
    directory: RunDirectory,
    plan: Plan,
    options: RunOptions,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> Opened:
    """Open the run for what is asked; raises as `RunDirectory.open` does, and InterruptedRunError
    where a source was not read through yet when it `stopped`.

    Of a queue nothing is held yet: what was taken and not acknowledged is whoever's it gives it to.
    """
    order = None
    if options.retry is not None:
        order = RetryOrder(outcome=options.retry, recalled=plan.recalled)

    opened = directory.open(
        plan.identity,
        endpoint=plan.config.journey.endpoint,
        again=options.again,
        retry=order,
        leftovers=Leftovers(plan.config.delivery.on_unknown),
        holdings=plan.holdings(stopped=stopped),
    )
    if (queue := plan.queue) is not None:
        with opened.store.transaction():
            opened.store.messages.begin(queue.name, opened.replay.done[queue.name])

    return opened


def announce(opened: Opened, *, directory: str, emit: Emit) -> None:
    """Report what was found in the run directory, and what is about to be done."""
    replay, retry = opened.replay, opened.replay.retry
    emit(
        RunStarted(
            run_id=opened.run_id,
            resumed=opened.kind is Kind.CONTINUED,
            settled=replay.counts.settled if retry is None else 0,
            total=None if retry is None else retry.contacts,
            directory=directory,
        )
    )
    if opened.put_aside is not None:
        emit(RunPutAside(directory=str(opened.put_aside)))

    if replay.leftover_batches:
        emit(LeftoversFound(batches=replay.leftover_batches, contacts=replay.leftover_contacts))

    if retry is not None:
        emit(
            RetryStarted(
                run_id=opened.run_id,
                outcome=retry.outcome,
                contacts=retry.contacts,
                lost=retry.lost,
                continued=retry.continued,
            )
        )
