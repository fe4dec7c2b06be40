"""Sight: what the flow lays open of a run, as it comes to be, to those who watch it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from ..events import PaceChanged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio.abc import TaskStatus

    from ..sending.pace import Pace

__all__ = ("Companion", "Recorder", "Sight")


class Recorder(Protocol):
    """Writes into a run directory for as long as this process works there, and no longer: another
    one may work on the run in the next moment."""

    def begin(self, directory: Path) -> None:
        """A run is worked on from now on, in this directory."""

    def end(self) -> None:
        """No more; nothing is written once this returns."""


@dataclass(slots=True, kw_only=True)
class Sight:
    """What there is to look at; None before there is any."""

    directory: Path | None = None
    """The run directory, once it is this process's own."""

    pace: Pace | None = None
    """How fast it may go, and what limits it."""

    idle: Pace | None = None
    """The pace that is asked for while a worker waits for the next file: nothing goes by it."""

    opening: bool = False
    """Whether the run directory is this process's own, and its run is not begun yet. The pace in
    sight is one by which nothing goes: what is asked of it holds for the run."""

    asked: dict[str, Any] = field(default_factory=dict)
    """What was asked of the pace since the process began, for the runs that follow."""

    recorder: Recorder | None = None
    """Who writes into the run directory what is seen."""

    begun: anyio.Event = field(default_factory=anyio.Event)
    """There is something to be seen: nobody else works where this process does."""

    def open(self, directory: Path, pace: Pace) -> None:
        """A run begins: there it is to be seen, and what was asked holds for it."""
        self.directory, self.pace, self.opening = directory, pace, False
        self.begun.set()
        if self.asked:
            pace.follow(PaceChanged(**self.asked))

        if self.recorder is not None:
            self.recorder.begin(directory)

    def prepare(self, pace: Pace) -> None:
        """A run is about to be opened; a worker is asked as before until it begins."""
        if self.idle is None:
            self.pace, self.opening = pace, True

    @contextmanager
    def opened(self, directory: Path, pace: Pace) -> Iterator[None]:
        """While it lasts, the run is worked on, and recorded in its directory."""
        self.open(directory, pace)
        try:
            yield
        finally:
            if self.recorder is not None:
                self.recorder.end()

    @property
    def waiting(self) -> bool:
        """Whether it is a worker that waits for the next file."""
        return self.pace is not None and self.pace is self.idle

    def rest(self) -> None:
        """No run goes on until the next one begins: what is asked is asked for that."""
        if self.idle is not None:
            self.idle.follow(PaceChanged(**{"paused": False, **self.asked}))

        self.pace = self.idle
        self.begun.set()

    def ask(self, **asked: Any) -> None:
        """Ask this of the pace of this run, and of those that follow; None: as it is."""
        self.asked |= {name: value for name, value in asked.items() if value is not None}
        if self.asked.get("paused") is False:
            del self.asked["paused"]  # no run begins paused

        if self.pace is not None:
            self.pace.set(**asked)


class Companion(Protocol):
    """A task beside a run, from before its beginning until its books are closed.

    It says when it has started, then runs until it is cancelled. An error that it raises ends the
    run: before it has started nothing was sent.
    """

    async def __call__(self, sight: Sight, /, *, task_status: TaskStatus[None]) -> None:
        """The task's work."""
