"""The ending of a leg: what has come to its end, and the books that are closed over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BudgetError, HaltError, SourceError
from ..settling.state import RunState
from .legs import Ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..sending.probation import Probation
    from ..settling.opening import Replay
    from ..settling.settler import Settler
    from ..settling.summary import Summary
    from .stop import Stop

__all__ = ("Ending",)


class Ending:
    """How a leg ends. `completed` once everything that was asked for is settled."""

    def __init__(
        self,
        replay: Replay,
        *,
        settler: Settler,
        count: Callable[[], Awaitable[None]],
        stop: Stop,
        limit: int | None,
        lives_on: bool,
    ) -> None:
        """`count` is called once the sources were read to their end.

        `lives_on`: they have none, so that a signal alone ends the run.
        """
        self._lives_on = lives_on
        self._replay = replay
        self._settler = settler
        self._count = count
        self._stop = stop
        self._limit = limit
        self._exhausted = False  # the sources were read to their end
        self.completed = replay.idle

    async def come(self, contacts: int, *, probation: Probation) -> None:
        """The sources ended, or the limit of `contacts` is reached, and all of it is settled."""
        self._exhausted = self._limit is None or contacts < self._limit
        try:
            await self._settler.settle(probation.finish())
            if self._exhausted:
                await self._settler.miss_nothing()
                await self._count()
        except (HaltError, BudgetError, SourceError) as error:
            self._stop.halt(error)
        else:
            self.completed = True

    async def closed(self) -> Ended:
        """How it ended, the books being closed."""
        summary = await self.close_books()
        barred = isinstance(self._stop.error, SourceError)
        return Ended(
            summary=summary,
            error=self._stop.error,
            completed=self.completed,
            drained=self._lives_on and self._stop.drained,
            untouched=barred and await self._settler.untouched(),
        )

    async def close_books(self) -> Summary:
        """Write down how this leg ended. Raises ConservationError if the books do not balance."""
        if self._replay.idle:
            return await self._settler.summary()

        error = self._stop.error
        if isinstance(error, BudgetError):
            state = RunState.OVER_BUDGET
        elif error is not None:
            state = RunState.HALTED
        else:
            state = RunState.COMPLETED if self.completed else RunState.INTERRUPTED

        exhausted = state is RunState.COMPLETED and self._exhausted
        detail = None if error is None else str(error)
        if self._replay.retry is not None and state is RunState.COMPLETED:
            state, detail = self._replay.state, self._replay.detail  # the run stands as it stood

        try:
            return await self._settler.finish(state, exhausted=exhausted, detail=detail)
        except BudgetError as overdrawn:
            self._stop.halt(overdrawn)
            return await self.close_books()
