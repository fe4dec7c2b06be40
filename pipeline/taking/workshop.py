"""The workshop: where contacts are made of messages, off the event loop.

As with the encoder of a file (`mapping/encoder.py`), that is a thread at first, and a child process
once it turns out to be much. A child that dies is started again, and given once more what it had.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from anyio import to_thread

from ..errors import JourneyError, SourceError
from ..events import EncoderRestarted
from ..mapping.child import spawn
from ..mapping.encoding import READY
from ..mapping.workbench import Made, Workbench
from ..mapping.workplace import EncoderPlace, Workplace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from ..events import Emit
    from ..mapping.child import Child
    from ..mapping.contacts import Contacts
    from ..mapping.workbench import Portion

__all__ = ("Job", "Workshop")

Result = TypeVar("Result")

MOST_DEATHS: Final = 4
"""Of children that were given the same messages."""


class Job(Generic[Result]):
    """A piece of work that was begun; `Workshop.done` tells what came of it."""

    def __init__(self, work: partial[Result]) -> None:
        self.work = work
        self.is_done = False
        self.answer: Any = None

    def tell(self, answer: Any) -> None:
        """It is done."""
        self.answer, self.is_done = answer, True


class Workshop:
    """A workbench in its place. An async context manager; one task calls it."""

    def __init__(
        self,
        bench: Workbench,
        *,
        place: EncoderPlace,
        emit: Emit,
        workplace: Workplace | None = None,
    ) -> None:
        self._bench = bench
        self._place = place
        self._emit = emit
        self._workplace = workplace or Workplace()
        self._under_way: deque[Job[Any]] = deque()  # what the child is at, or has before it
        self._coming: Child | None = None  # started, and not yet at work
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        child = self._child or self._coming
        return None if child is None else child.process.pid

    async def __aenter__(self) -> Self:
        if self._place == EncoderPlace.PROCESS:
            self._child = await to_thread.run_sync(self._start)

        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in (self._child, self._coming):
            if child is not None:
                _end(child)

        self._child = self._coming = None

    async def make(self, messages: Sequence[tuple[str, bytes]]) -> Job[Made]:
        """Begin to make contacts of them, behind what was begun before; see Workbench."""
        return await self._begin(Job(partial(Workbench.make, messages=messages)))

    async def make_of(
        self, messages: Sequence[tuple[str, bytes]], orders: Sequence[Sequence[Portion]]
    ) -> Job[list[Contacts]]:
        """The same, of what the orders name."""
        work = partial(Workbench.make_of, messages=messages, orders=orders)
        return await self._begin(Job(work))

    async def done(self, job: Job[Result]) -> Result:
        """What came of it, once it is done. Who leaves that wait asks for nothing more.

        Raises MappingError as the workbench does, SourceError where children die of it.
        """
        deaths = 0
        while not job.is_done and (child := self._child) is not None:
            try:
                answer = await to_thread.run_sync(_answer, child, abandon_on_cancel=True)
            except (EOFError, OSError):
                deaths += 1
                await self._restart(child, deaths)
            else:
                self._under_way.popleft().tell(answer)
                deaths = 0

        if isinstance(job.answer, JourneyError):
            raise job.answer

        result: Result = job.answer
        return result

    async def _begin(self, job: Job[Result]) -> Job[Result]:
        if self._coming is not None and self._coming.ready():
            self._child, self._coming = self._coming, None

        if self._child is None:
            await self._do_here(job)
        else:
            self._under_way.append(job)
            await to_thread.run_sync(_send, self._child, [job], abandon_on_cancel=True)

        return job

    async def _do_here(self, job: Job[Result]) -> None:
        began = time.monotonic()
        try:
            job.tell(await to_thread.run_sync(job.work, self._bench, abandon_on_cancel=True))
        except JourneyError as error:
            job.tell(error)

        self._workplace.worked(began, time.monotonic())
        may_move = self._place == EncoderPlace.AUTO and self._coming is None
        if may_move and self._workplace.crowded:
            try:
                self._coming = await to_thread.run_sync(self._start)
            except SourceError:  # it goes on here
                self._workplace.refused(time.monotonic())

    async def _restart(self, child: Child, deaths: int) -> None:
        status = _end(child)
        if deaths == MOST_DEATHS:
            raise SourceError(
                f"the process reading messages died {deaths} times of the same ones (status "
                f"{status}): {_named(self._under_way[0])}. Is there memory enough, or does a rule "
                "end it? They stay on the queue, and come again"
            )

        self._child = await to_thread.run_sync(self._start)
        self._emit(EncoderRestarted(detail=f"the encoder ended with status {status}"))
        await to_thread.run_sync(_send, self._child, [*self._under_way])

    def _start(self) -> Child:
        child = spawn()
        child.take(self._bench)
        return child

    def __repr__(self) -> str:
        return f"<Workshop {self._bench!r}, {'in a thread' if self._child is None else self.pid}>"


def _end(child: Child) -> int:
    """End it, and any thread that was left waiting for it; its status."""
    status = child.end()
    child.connection.close()
    return status


def _named(job: Job[Any]) -> str:
    """The messages of a job, for whoever looks for them on the queue."""
    identities = [identity for identity, _ in job.work.keywords["messages"]]
    if len(identities) == 1:
        return f"message {identities[0]}"

    return f"{len(identities):,} messages from {identities[0]} to {identities[-1]}"


def _send(child: Child, jobs: Sequence[Job[Any]]) -> None:
    """Give it jobs, in a thread. If it is dead, its answer will tell."""
    with suppress(OSError):
        for job in jobs:
            child.connection.send(job.work)


def _answer(child: Child) -> Any:
    """What the child says next; blocks. Raises EOFError or OSError where it is dead."""
    answer = child.connection.receive()
    return child.connection.receive() if answer == READY else answer
