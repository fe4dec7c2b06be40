"""The lookout: asks a queue now and then how much lies on it, by a line of its own.

Whatever becomes of that is harmless: what cannot be learnt is not known, and the work goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from anyio import CancelScope, move_on_after

from ..events import BacklogSeen
from ..intake.queues.message import Backlog
from ..intake.queues.source import queue_of

if TYPE_CHECKING:
    from ..events import Emit
    from ..intake.queues.message import Queue
    from ..intake.queues.place import Place

__all__ = ("Lookout",)

LOOK_EVERY_SECONDS: Final = 12.0
LOOK_SECONDS: Final = 10.0
"""What is not answered by then is not known."""
LEAVE_SECONDS: Final = 3.0


class Lookout:
    """Reports what lies on a queue, for all of its workers together."""

    def __init__(self, place: Place, *, emit: Emit) -> None:
        self._place = place
        self._emit = emit
        self._queue: Queue | None = None

    async def keep(self) -> None:
        """One task's work, until it is cancelled."""
        try:
            while True:
                await self._look()
                await anyio.sleep(LOOK_EVERY_SECONDS)
        finally:
            await self._leave()

    async def _look(self) -> None:
        seen: Backlog | None = None
        try:
            with move_on_after(LOOK_SECONDS):
                if self._queue is None:
                    self._queue = queue_of(self._place)

                seen = await self._queue.backlog()
        except Exception:  # noqa: BLE001  # whatever it is: nothing of the work depends on it
            seen = None

        if seen is None:
            await self._leave()
            seen = Backlog(waiting=None)

        self._emit(
            BacklogSeen(waiting=seen.waiting, taken=seen.taken, oldest_seconds=seen.oldest_seconds)
        )

    async def _leave(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            with CancelScope(shield=True), move_on_after(LEAVE_SECONDS):
                await queue.close()
