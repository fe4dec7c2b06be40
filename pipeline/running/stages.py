"""The stages of the flow, each one task's work: reading, packing, sending, settling.

A stage is given its ends of the streams and closes them; `flow.py` makes the streams and the tasks.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import BrokenResourceError, CancelScope, EndOfStream, WouldBlock

from ..errors import BudgetError, ConfigError, HaltError, JourneyError, SourceError
from ..events import BatchSealed, ChunkRead, MessagesDoubted, ReadingEnded, ReadingStarted
from ..packing.batch import Trigger
from ..sending.outcome import Settlement, Unknown
from ..settling.settler import Read

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import ObjectReceiveStream, ObjectSendStream
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from ..events import Emit
    from ..mapping.contacts import Contacts
    from ..mapping.encoder import Encoder
    from ..packing.batch import Batch
    from ..packing.batcher import Batcher
    from ..sending.sender import Sender
    from ..settling.settler import Item, Settler
    from .stop import Stop

__all__ = ("REDELIVERED", "Packer", "Reader", "hand", "missed", "send", "settle")

T = TypeVar("T")


async def hand(item: T, stream: MemoryObjectSendStream[T], *, hurry: Callable[[], None]) -> None:
    """Send `item`; where there is room, without a turn of the loop, which counts at full speed.

    Where there is none, `hurry` is called before the wait.
    """
    try:
        stream.send_nowait(item)
    except WouldBlock:
        hurry()
        await stream.send(item)


def missed(
    batches: MemoryObjectReceiveStream[Batch], items: MemoryObjectReceiveStream[Item]
) -> bool:
    """Whether somebody is missed while he waits for the journal.

    Batches lie ready for senders, or no more will, so that it is the last ones that are waited for;
    or what was read, or an outcome, cannot be handed on, since those before it wait.
    """
    ready, told = batches.statistics(), items.statistics()
    if ready.current_buffer_used or not ready.open_send_streams:
        return True

    return told.current_buffer_used >= told.max_buffer_size


REDELIVERED = "redelivered"
REDELIVERED_DETAIL = (
    "another worker had its message and did not acknowledge it: the contact may have been taken"
)


class Reader:
    """Passes on what the encoder makes until the sources end, break off, or the run stops."""

    def __init__(
        self,
        encoder: Encoder,
        chunks: ObjectSendStream[Contacts],
        *,
        stop: Stop,
        emit: Emit,
        scope: Callable[[], CancelScope],
    ) -> None:
        """`scope` makes the scope that reading is left by when the run stops."""
        self._scope = scope
        self._encoder = encoder
        self._emit = emit
        self._chunks = chunks
        self._stop = stop
        self.contacts = 0
        """How many contacts were read, to be sent."""
        self.ended = False
        """Whether the encoder came to its end."""
        self.trouble: SourceError | None = None
        """Why a source broke off; what was read before is passed on all the same."""

    async def run(self) -> None:
        """One task's work."""
        self._emit(ReadingStarted())
        async with self._chunks:
            with self._scope():
                try:
                    while (contacts := await self._encoder.next()) is not None:
                        self.contacts += len(contacts)
                        await self._chunks.send(contacts)
                except SourceError as error:
                    self.trouble = error
                except JourneyError as error:
                    self._stop.halt(error)
                else:
                    self.ended = True

        self._emit(ReadingEnded())


class Packer:
    """Gathers contacts into batches, and seals those that are full or have waited long enough."""

    def __init__(
        self,
        batcher: Batcher,
        chunks: ObjectReceiveStream[Contacts],
        *,
        batches: MemoryObjectSendStream[Batch],
        items: MemoryObjectSendStream[Item],
        hurry: Callable[[], None],
        emit: Emit,
    ) -> None:
        """`hurry` is called when batches may lie ready, before a wait for room in a stream, and at
        the end.
        """
        self._batcher = batcher
        self._chunks = chunks
        self._batches = batches
        self._items = items
        self._hurry = hurry
        self._emit = emit

    async def run(self) -> None:
        """One task's work."""
        async with self._chunks, self._batches, self._items:
            # A broken stream means that the senders have stopped: what they did not dispatch
            # stays unprocessed.
            with suppress(BrokenResourceError):
                while await self._step():
                    pass

                await self._pass_on(self._batcher.flush(Trigger.DRAIN))

        self._hurry()

    async def _step(self) -> bool:
        """Take a chunk, or seal what lingers; False when there are no more chunks."""
        due = self._batcher.due
        with CancelScope(deadline=inf if due is None else due) as linger:
            try:
                contacts = await self._chunks.receive()
            except EndOfStream:
                return False

        if linger.cancelled_caught:
            await self._pass_on(self._batcher.flush(Trigger.LINGER))
        else:
            await self._take(contacts)

        return True

    async def _take(self, contacts: Contacts) -> None:
        # What was read is settled before any batch of it can be, so that the books always balance.
        await hand(
            Read(source=contacts.source, mark=contacts.mark, rejections=contacts.rejected),
            self._items,
            hurry=self._hurry,
        )
        self._emit(
            ChunkRead(
                source=contacts.source,
                records=len(contacts) + len(contacts.rejected),
                rejected=len(contacts.rejected),
                share=contacts.share,
            )
        )
        if not contacts.in_doubt:
            await self._pass_on(self._batcher.add(contacts, anyio.current_time()))
            return

        self._emit(MessagesDoubted(source=contacts.source, contacts=len(contacts)))
        doubt = Unknown(reason=REDELIVERED, detail=REDELIVERED_DETAIL)
        for batch in self._batcher.apart(contacts):
            doubted = Settlement(batch=batch, outcome=doubt, attempt=0)
            await hand(doubted, self._items, hurry=self._hurry)

    async def _pass_on(self, sealed: list[Batch]) -> None:
        for batch in sealed:
            self._emit(
                BatchSealed(
                    batch_id=batch.batch_id,
                    contacts=len(batch),
                    payload_bytes=len(batch.payload),
                    trigger=batch.trigger,
                )
            )
            await hand(batch, self._batches, hurry=self._hurry)

        self._hurry()


async def send(
    batches: MemoryObjectReceiveStream[Batch],
    sender: Sender,
    *,
    stop: Stop,
    scope: Callable[[], CancelScope],
) -> None:
    """Send one batch after the other until there are no more, or the run stops.

    `scope` makes the scope that the wait for the next one is left by then.
    """
    async with batches:
        while True:
            batch = await _next(batches, stop=stop, scope=scope)
            if batch is None:
                return

            try:
                await sender.send(batch)
            except (HaltError, ConfigError) as error:  # a secret file may be gone by a renewal
                stop.halt(error)
                return


async def _next(
    batches: MemoryObjectReceiveStream[Batch], *, stop: Stop, scope: Callable[[], CancelScope]
) -> Batch | None:
    """The next batch; None when there are no more, or the run stops."""
    try:
        if not stop.asked:
            with suppress(WouldBlock):
                return batches.receive_nowait()

        with scope():
            return await batches.receive()
    except EndOfStream:
        return None

    return None


async def settle(items: MemoryObjectReceiveStream[Item], settler: Settler, *, stop: Stop) -> None:
    """Write down everything that has come up since the last time, in one go."""
    async with items:
        async for item in items:
            group = [item]
            with suppress(WouldBlock, EndOfStream):
                while True:
                    group.append(items.receive_nowait())

            try:
                await settler.settle(group)
            except BudgetError as error:
                stop.halt(error)
