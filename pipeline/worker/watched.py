"""Watched: a folder's files, each a run of its own in the one run directory, one after the other.

    a complete file ──▶ a run of it ──▶ done/        every contact has its outcome
                          │      └────▶ failed/      it cannot be read, or must not be sent
                          └─ halted, drained: it stays, and the next process goes on with it

A finished run is put aside in the run directory by the one that follows. The journal is what says
that a file is done; that it is moved is for people. So it does not matter when a process is killed:
a file that lies there although its run is finished is moved, and nothing of it is sent. One that
was replaced or has grown while its run went on stays, and is taken anew: what is new in it is sent,
or refused, as if it had come later. So is one that was replaced before it was opened: its run is
begun, and as nothing of it was read or sent, it is put aside.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from ..errors import (
    AlreadyInjectedError,
    ConfigError,
    InjectedInPartError,
    InterruptedRunError,
    JournalInUseError,
    RunDirectoryError,
    SourceError,
    UsageError,
)
from ..events import (
    ChunkRead,
    FileFailed,
    FileSettled,
    LinkPassedOver,
    ReadingEnded,
    ReadingStarted,
    RunEnded,
    RunHalted,
    RunPutAside,
    RunsRemoved,
    WatchHeldUp,
)
from ..events.emitter import Emitter
from ..intake.inbox import Inbox, Place
from ..intake.locate import shown
from ..settling.removal import Removal
from ..settling.store import FILE_NAME
from ..settling.view import viewed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..config import Config
    from ..events import Emit, Event
    from ..running.legs import Ended
    from ..running.stop import Stop

    Leg = Callable[[Config, Emitter, Stop], Awaitable[Ended]]

__all__ = ("Watched",)

LOOK_SECONDS: Final = 0.5


class Watched:
    """Runs over a folder until a signal comes, or one of them halts.

    `leg` does one run: it is given a config whose source is one file, where to report, and when to
    stop.
    """

    def __init__(self, config: Config, leg: Leg, *, stop: Stop, emit: Emit) -> None:
        self._config = config
        self._leg = leg
        self._stop = stop
        self._emit = emit
        self._inbox = Inbox.of(config.source)
        self._removal = Removal(Path(config.run.directory), keep_seconds=config.run.keep_seconds)
        self._opened = False  # something of the file at hand was read
        self._halted: RunHalted | None = None  # by what its run was before that
        self._named: str | None = None  # the run of the last file, by the line that tells of it
        self._links: frozenset[str] = frozenset()  # those that were told of, and lie there still
        self._held_up: set[type[Exception]] = set()  # what has been told of and not passed yet

    async def run(self, begin: Callable[[], Awaitable[None]]) -> Ended | None:
        """How the last run ended; None where there was no file.

        `begin` is called once the folder is this process's own: a token that is asked for may end
        the one that another works with.

        Raises:
            UsageError: Nothing of the file at hand was sent, and something must be mended first;
                or another process watches the folder.
        """
        await to_thread.run_sync(self._inbox.prepare)
        with self._inbox.held():
            await begin()
            return await self._run()

    async def _run(self) -> Ended | None:
        self._emit(ReadingStarted())
        last: Ended | None = None
        unfinished = await to_thread.run_sync(self._unfinished)
        if unfinished is not None:
            last = await self._go_on(unfinished)

        while last is None or last.completed:
            path = await self._next()
            if path is None:
                break

            last = await self._take(path) or last

        self._emit(ReadingEnded())
        return last and replace(last, drained=last.error is None)

    async def _next(self) -> Path | None:
        """Wait for a complete file; None when no more are to be taken."""
        with self._stop.scope():
            while True:
                await self._tidy()
                found = await self._look()
                if found is not None:
                    return found

                await anyio.sleep(LOOK_SECONDS)

        return None

    async def _tidy(self) -> None:
        """Remove what is older than is kept, some of it at a time."""
        removed = await to_thread.run_sync(self._removal.once)
        if removed:
            self._emit(RunsRemoved(runs=removed))

    async def _look(self) -> Path | None:
        """The next complete file, if there is one and the folder can be read."""
        try:
            found = await to_thread.run_sync(self._inbox.complete, anyio.current_time())
        except SourceError as error:  # a network's folder is away for a moment
            self._tell_held_up(error)
            return None

        self._held_up.discard(SourceError)
        self._tell_links()
        return found

    def _tell_links(self) -> None:
        for name in sorted(self._inbox.links - self._links):
            self._emit(LinkPassedOver(name=shown(name)))

        self._links = self._inbox.links

    def _tell_held_up(self, error: Exception) -> None:
        if type(error) not in self._held_up:
            self._held_up.add(type(error))
            self._emit(WatchHeldUp(detail=str(error)))

    async def _take(self, path: Path) -> Ended | None:
        """Run one file, and move it if it is settled; None where nothing of it was done."""
        try:
            ended = await self._judged(path)
        except JournalInUseError as error:  # whoever reads it will be done
            self._tell_held_up(error)
            with self._stop.scope():
                await anyio.sleep(LOOK_SECONDS)

            return None

        self._held_up.discard(JournalInUseError)
        return ended

    async def _judged(self, path: Path) -> Ended | None:
        """The same; raises what is not the file's."""
        try:
            return await self._go_on(path)
        except InjectedInPartError as error:
            await self._fail(path, error)
        except AlreadyInjectedError:
            # Its process ended before it was moved, or it has come once more.
            await self._settle(path, None)
        except (ConfigError, RunDirectoryError):
            raise  # it is not the file's
        except UsageError as error:
            await self._fail(path, error)

        return None

    async def _go_on(self, path: Path) -> Ended | None:
        """The same for one of which something may be sent already: it has not failed, whatever
        comes."""
        source = replace(self._config.source, url=str(path), watch=False)
        config = self._config.model_copy(update={"source": source})
        emitter = Emitter()
        emitter.subscribe(self._pass_on)
        self._opened, self._halted = False, None
        try:
            ended = await self._leg(config, emitter, self._stop.inner(emit=emitter.emit))
        except InterruptedRunError:
            return None

        if ended.untouched and await to_thread.run_sync(self._inbox.changed, path):
            self._halted = None
            return None

        self._tell_halted()
        if ended.completed:
            await self._settle(path, ended)

        return ended

    def _tell_halted(self) -> None:
        if self._halted is not None:
            self._emit(self._halted)
            self._halted = None

    async def _settle(self, path: Path, ended: Ended | None) -> None:
        place = await to_thread.run_sync(self._inbox.put, path, Place.DONE)
        if place is None and ended is None:
            return  # nothing was done, and what lies there now comes in its turn

        summary = None if ended is None else ended.summary
        if summary is not None:
            self._named = summary.run_id

        self._emit(
            FileSettled(
                name=path.name,
                place=None if place is None else str(place),
                run_id=summary.run_id if summary else None,
                accepted=summary.accepted if summary else 0,
                rejected=summary.rejected if summary else 0,
                unknown=summary.unknown if summary else 0,
                known=summary is None,
            )
        )

    async def _fail(self, path: Path, error: Exception) -> None:
        place = await to_thread.run_sync(self._inbox.put, path, Place.FAILED)
        if place is not None:  # what lies there now comes in its turn
            told = FileFailed(name=shown(path.name), place=shown(str(place)), detail=str(error))
            self._emit(told)

    def _unfinished(self) -> Path | None:
        """The file whose run an earlier process left: it comes first.

        Raises RunDirectoryError where it is gone, for then no other can be begun.
        """
        directory = Path(self._config.run.directory)
        if not (directory / FILE_NAME).exists():
            return None

        with viewed(directory) as view:
            run = view.run()
            if run.finished or view.untouched():
                return None

        name = run.identity.sources[0].name.partition("/")[0]
        path = self._inbox.find(name)
        if path is None:
            raise RunDirectoryError(
                f"{directory} holds an unfinished run ({run.run_id}) of {name}, which is not in "
                f"{self._config.source.url} any more. Put it back. If it is lost, run another file "
                "with --again, which puts that run aside: JOURNEY_SOURCE__WATCH=false "
                "JOURNEY_SOURCE__URL=… in the environment"
            )

        return path

    def _pass_on(self, event: Event) -> None:
        """What a run reports of itself, but for its ends, which are not ours."""
        match event:
            case ReadingStarted() | ReadingEnded() | RunEnded():
                return
            case RunPutAside(directory=directory) if Path(directory).name == self._named:
                return  # whoever looks for it was told of it with its file
            case RunHalted() if not self._opened:
                self._halted = event  # told at its end, unless it is another file by then
            case ChunkRead():
                self._opened = True
                self._emit(replace(event, share=None))  # more files come
            case _:
                self._emit(event)
