"""A folder's worker: what lives as long as it does, beside and between the runs of its files.

It is told and obeys what a run does (`status`, `pace`, `pause`, `resume`), also while it waits for
the next file; `run.lock` is free then, so that the last file's run can be verified, or sent again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from anyio import sleep, to_thread

from ..errors import SourceError
from ..events import FilesSeen
from ..flow import accompanied, run_leg
from ..intake.inbox import Inbox
from ..running.legs import RunOptions
from ..running.sharing import open_account
from ..running.steering import idle_pace
from ..sending.clock import Clock
from ..settling.directory import RunDirectory
from ..settling.lock import WATCH_LOCK_NAME, locked
from .watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyio.abc import TaskStatus

    from ..config import Config
    from ..events import Emit
    from ..events.emitter import Emitter
    from ..running.legs import Ended
    from ..running.stop import Stop
    from ..watching.sight import Companion, Sight

__all__ = ("watch_over",)

COUNT_SECONDS: Final = 5.0


async def watch_over(
    config: Config, *, emitter: Emitter, companions: Iterable[Companion] = ()
) -> Ended | None:
    """Run each file that comes into the config's folder, until a signal comes or one of them halts.

    Returns how the last one ended; None where there was none. Raises as `flow.run` does, and
    RunDirectoryError where another worker has the run directory.
    """

    async def work(stop: Stop, sight: Sight) -> Ended | None:
        async def leg(config: Config, emitter: Emitter, stop: Stop) -> Ended:
            try:
                return await run_leg(config, RunOptions(), emitter=emitter, stop=stop, sight=sight)
            finally:
                sight.rest()

        async def begin() -> None:
            sight.idle = idle_pace(config.delivery, sight, emit=emitter.emit)
            sight.rest()
            if config.worker.listen is not None:
                with stop.scope():
                    await _prove_token(config, emit=emitter.emit)

        directory = RunDirectory(config.run.directory)
        directory.prepare()
        with locked(directory.path, WATCH_LOCK_NAME):
            watched = Watched(config, leg, stop=stop, emit=emitter.emit)
            return await watched.run(begin)

    counting = _counting(Inbox.of(config.source), emit=emitter.emit)
    companions = [*companions, counting]
    return await accompanied(work, config, emitter=emitter, companions=companions)


def _counting(inbox: Inbox, *, emit: Emit) -> Companion:
    """Tells how many files lie in the folder, also while one of them is sent for hours."""

    async def count(sight: Sight, *, task_status: TaskStatus[None]) -> None:
        task_status.started()
        await sight.begun.wait()
        told: int | None = None
        while True:
            with suppress(SourceError):  # who takes the files says that it is away
                files = len(await to_thread.run_sync(inbox.lying, abandon_on_cancel=True))
                if files != told:
                    told = files
                    emit(FilesSeen(files=files))

            await sleep(COUNT_SECONDS)

    return count


async def _prove_token(config: Config, *, emit: Emit) -> None:
    """Know before there is work that a token is to be had. Raises HaltError where none is."""
    clock = Clock()
    async with open_account(config, clock=clock, emit=emit) as (_, keeper):
        await keeper.token()
