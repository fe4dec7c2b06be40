"""The workshop: where messages are parsed and mapped, off the event loop.

As with the encoder of a file (`mapping/encoder.py`), that is a thread at first, and a child process
once it turns out to be much. A child that dies is started again, and given once more what it had.
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import to_thread

from ..errors import JourneyError, SourceError
from ..events import EncoderRestarted
from ..mapping.child import spawn
from ..mapping.encoding import READY
from ..mapping.workbench import Workbench
from ..mapping.workplace import EncoderPlace, Workplace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from ..events import Emit
    from ..mapping.child import Child
    from ..mapping.contacts import Contacts
    from ..mapping.workbench import Portion

__all__ = ("Workshop",)

Result = TypeVar("Result")

MOST_DEATHS: Final = 4
"""Of children that were given the same messages."""


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
        self._laid: partial[list[int]] | None = None  # the work that was to lay what lies there
        self._lost = False  # whether it does not, for the child is another one
        self._making: partial[list[Contacts]] | None = None  # what a child is at
        self._made: list[Contacts] = []  # by a thread
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

    async def lay(self, messages: Sequence[tuple[str, bytes]]) -> list[int]:
        """See Workbench. Raises SourceError where children die of these messages."""
        if self._coming is not None and self._coming.ready():
            self._child, self._coming = self._coming, None

        self._laid, self._lost = partial(Workbench.lay, messages=messages), False
        return await self._done(self._laid)

    async def begin(self, orders: Sequence[Sequence[Portion]]) -> None:
        """Have contacts made of what was laid last; a child does it while others do theirs."""
        work = partial(Workbench.make, orders=orders)
        if self._child is None:
            self._made = await self._in_thread(work)
            return

        self._making = work
        with suppress(OSError):  # if it is dead, `made` is told
            await to_thread.run_sync(self._child.connection.send, work)

    async def made(self) -> list[Contacts]:
        """What was begun last, once it is made; see Workbench. Raises SourceError as `lay` does."""
        work, self._making = self._making, None
        if work is None or self._child is None:
            made, self._made = self._made, []
            return made

        try:
            made = await to_thread.run_sync(_answer, self._child)
        except (EOFError, OSError):
            await self._restart(self._child, 1)
            return await self._done(work, deaths=1)

        return made

    async def _done(self, work: partial[Result], *, deaths: int = 0) -> Result:
        while (child := self._child) is not None:
            try:
                return await to_thread.run_sync(self._in_child, child, work)
            except (EOFError, OSError):
                deaths += 1
                await self._restart(child, deaths)

        return await self._in_thread(work)

    async def _restart(self, child: Child, deaths: int) -> None:
        status = _end(child)
        if deaths == MOST_DEATHS:
            raise SourceError(
                f"the process reading messages died {deaths} times of the same ones (status "
                f"{status}); is there memory enough? They stay on the queue, and come again"
            )

        self._emit(EncoderRestarted(detail=f"the encoder ended with status {status}"))
        self._child, self._lost = await to_thread.run_sync(self._start), True

    def _start(self) -> Child:
        child = spawn()
        child.take(self._bench)
        return child

    def _in_child(self, child: Child, work: partial[Result]) -> Result:
        """In a thread, what a child makes of `work`; EOFError or OSError where it is dead."""
        if self._lost and self._laid is not None and work is not self._laid:
            _ask(child, self._laid)

        result: Result = _ask(child, work)
        self._lost = False
        return result

    async def _in_thread(self, work: partial[Result]) -> Result:
        began = time.monotonic()
        result = await to_thread.run_sync(work, self._bench)
        self._workplace.worked(began, time.monotonic())
        may_move = self._place == EncoderPlace.AUTO and self._coming is None
        if may_move and self._workplace.crowded:
            self._coming = await to_thread.run_sync(self._start)

        return result

    def __repr__(self) -> str:
        return f"<Workshop {self._bench!r}, {'in a thread' if self._child is None else self.pid}>"


def _end(child: Child) -> int:
    """End it, whose status is returned: no thread is left waiting for it here."""
    status = child.end()
    child.connection.close()
    return status


def _ask(child: Child, work: partial[Any]) -> Any:
    child.connection.send(work)
    return _answer(child)


def _answer(child: Child) -> Any:
    """What the child answers to its work; blocks. Raises EOFError or OSError where it is dead."""
    answer = child.connection.receive()
    if answer == READY:
        answer = child.connection.receive()

    if isinstance(answer, JourneyError):
        raise answer

    return answer
