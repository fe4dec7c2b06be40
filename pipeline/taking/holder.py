"""The holder: holds what was taken of a queue, and acknowledges it once its outcome is on disk.

What it holds it keeps sure (`intake/queues/tenure.py`), for the fence to ask before anything of it
is sent. It also has the line to the queue. Nothing that is said over it is cancelled: each call of
the client has an end of its own, and what it brings is not lost. Where the line breaks it is opened
again, and what could not be said is said then.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
from anyio import CancelScope, Event, current_time, move_on_after

from ..errors import SourceError
from ..events import MessagesLapsed, QueueLost, QueueRegained
from ..intake.queues.backoff import backoff_seconds
from ..intake.queues.custody import Custody
from ..intake.queues.elapsed import Elapsed
from ..intake.queues.message import QueueLostError
from ..intake.queues.rounds import Rounds
from ..intake.queues.source import queue_of
from ..settling.grouping import OUTCOME
from ..settling.spans import runs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from ..errors import JourneyError
    from ..events import Emit
    from ..intake.queues.message import Message, Queue
    from ..intake.queues.place import Place
    from ..intake.source import Rejection
    from ..sending.outcome import Settlement
    from ..settling.journal import Journal

__all__ = ("Holder",)

Result = TypeVar("Result")

GATHER_SECONDS: Final = 0.02
"""What is done with meanwhile is acknowledged together: each time costs an answer of the queue and
a commit. Killed meanwhile, the next process is given it again, and knows its outcome."""
FAREWELL_SECONDS: Final = 15.0


class Holder:
    """Messages in custody, and the line to their queue, from `async with` to its end."""

    def __init__(
        self, place: Place, *, worker: str, fresh: bool, journal: Journal, emit: Emit
    ) -> None:
        """`worker` is what the queue knows us by, `fresh` whether it never gave us anything."""
        self.queue: Queue = queue_of(place)
        self.custody = Custody(self.queue.finish)
        self._place = place
        self._elapsed = Elapsed()
        self._asking = anyio.Lock()
        self._losses: int | None = None  # of the queue's, that were heeded
        self._worker, self._fresh = worker, fresh
        self._journal = journal
        self._emit = emit
        self._changed = Event()
        self._open = False
        self._opening = anyio.Lock()
        self._openings = 0
        self._failures = 0  # since the line was last opened
        self._lost_at: float | None = None
        self._chance = Random()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Acknowledge what is done with, if the queue is there, and leave."""
        with move_on_after(FAREWELL_SECONDS, shield=True):
            if self._open:
                with suppress(QueueLostError, SourceError):
                    await self._acknowledge()

            await self._note_let_go()
            await self.queue.close()

    def settled(self, settlements: Iterable[Settlement], rejections: Iterable[Rejection]) -> None:
        """The outcome of these is on disk."""
        for settlement in settlements:
            for span in settlement.batch.spans:
                for first, last in runs(span.positions):
                    self.custody.settle(first, last)

        for rejection in rejections:
            self.custody.settle(rejection.position, rejection.position)

        self._look_after()

    def look_after(self) -> None:
        """Others may be held now; see to what is done with or let go, if there is anything."""
        self._losses = None
        self._look_after()

    def _look_after(self) -> None:
        if self.custody.busy:
            self._changed.set()

    async def keep(self, halt: Callable[[JourneyError], None]) -> None:
        """One task's work, until it is cancelled: extend, acknowledge.

        `halt` is told where somebody must see to the queue.
        """
        rounds = Rounds(extend_seconds=self.queue.extend_seconds, now=current_time())
        try:
            while True:
                rounds.pace(self.queue.extend_seconds, now=current_time())
                with move_on_after(max(0.0, rounds.due - current_time())):
                    await self._changed.wait()
                    await anyio.sleep(GATHER_SECONDS)

                self._changed = Event()
                with CancelScope(shield=True):
                    lost = await self._make(rounds)

                if lost:
                    await self.back_off()
                    self.look_after()
        except SourceError as error:
            halt(error)

    async def _make(self, rounds: Rounds) -> bool:
        """Do what is due; True where the queue could not be told."""
        lost = False
        if self.custody.done:
            lost = await self.reached(self._acknowledge) is None

        if not lost and rounds.extends(current_time()) and self.custody:
            lost = not await self.assure()
            if lost:
                rounds.missed()

        await self._note_let_go()
        return lost

    async def _acknowledge(self) -> bool:
        messages = self.custody.take_done()
        try:
            told = await self.queue.acknowledge(messages)
        except BaseException:
            self.custody.put_back(messages)
            raise

        name, identities = self._place.queue, [message.identity for message in told]
        await self._journal.within(
            lambda store: store.messages.acknowledged(name, identities), OUTCOME
        )
        return True

    async def _note_let_go(self) -> None:
        if let_go := self.custody.take_let_go():
            name = self._place.queue
            await self._journal.within(lambda store: store.messages.let_go(name, let_go))

    def holds(self, positions: Sequence[int]) -> bool:
        """Whether the messages of positions that are under way are sure to be this worker's.

        Asked for the fence, which there is where others take from the queue, too.
        """
        self._heed()
        return self.custody.all_hold(positions, self._elapsed())

    def _heed(self) -> None:
        """What the queue has taken away has lapsed."""
        if self._losses == (losses := self.queue.losses):
            return

        self._losses = losses
        if losses:
            away = self.custody.taken_away(self.queue.keeps)
            self._tell_lapsed(self.custody.tenure.take_away(away))

    def _tell_lapsed(self, messages: int) -> None:
        if messages:
            self._emit(MessagesLapsed(queue=self._place.label, messages=messages))

    async def assure(self) -> bool:
        """Have the queue told that what is held is being worked on; False where it cannot be.

        What another worker may have been given meanwhile lapses.
        """
        custody, tenure = self.custody, self.custody.tenure
        async with self._asking:
            tenure.hold_seconds = self.queue.hold_seconds
            began, sure = self._elapsed(), set[str]()
            for age, identities in tenure.rounds(began):
                latest = custody.latest(identities)
                age_seconds = age + self._elapsed() - began
                extend = partial(self.queue.extend, latest, age_seconds=age_seconds)
                if (told := await self.reached(extend)) is None:
                    return False

                sure |= {each.identity for each in told}

            tenure.sure(sure, began)
            if self._place.policy.shared:
                self._heed()
                self._tell_lapsed(tenure.lapse(self._elapsed(), but=sure))

            return True

    def give_up(self) -> None:
        """Let lapse what is not sure, without asking the queue."""
        self._tell_lapsed(self.custody.tenure.lapse(self._elapsed()))

    async def take(self, most: int, wait_seconds: float) -> list[Message] | None:
        """Up to `most` messages; None where the queue cannot be talked to.

        What the queue was seen to have deleted is reported.
        """
        self.custody.asked_at = self._elapsed()
        taken = await self.reached(partial(self.queue.take, most, wait_seconds))
        for deleted in self.queue.deleted():
            self._emit(deleted)

        return taken

    async def give_back(self, begun: Callable[[int, int], bool]) -> None:
        """Let others have the messages of which nothing was `begun` (first, last)."""
        if self._place.policy.shared:
            self._heed()
            self.give_up()

        messages = self.custody.release(begun)
        self.look_after()
        if messages:
            await self.reached(partial(self.queue.give_back, messages))

    async def reached(self, work: Callable[[], Awaitable[Result]]) -> Result | None:
        """What `work` returns, the line being open; None where the queue cannot be talked to."""
        opening = self._openings
        try:
            if not self._open:
                await self._reopen()
                opening = self._openings

            return await work()
        except QueueLostError as error:
            if opening == self._openings:
                self._open = False

            if self._lost_at is None:
                self._lost_at = current_time()
                self._emit(QueueLost(queue=self._place.label, detail=str(error)))

            return None

    async def _reopen(self) -> None:
        async with self._opening:
            if self._open:
                return

            await self.queue.open(self._worker, fresh=self._fresh)
            self._open, self._fresh = True, False
            self.custody.tenure.hold_seconds = self.queue.hold_seconds
            self._openings += 1
            self._failures = 0
            self._changed.set()  # how often to extend is known now
            if self._lost_at is not None:
                seconds, self._lost_at = current_time() - self._lost_at, None
                self._emit(QueueRegained(queue=self._place.label, seconds=seconds))

    async def back_off(self) -> None:
        """Wait before the queue is tried again: twice as long each time, up to ten seconds."""
        self._failures += 1
        await anyio.sleep(backoff_seconds(self._failures, self._chance))

    def __repr__(self) -> str:
        return f"<Holder of {self._place.label}, {self.custody!r}>"
