"""RabbitMQ: a durable queue, consumed in bursts.

RabbitMQ pushes, and what lies pushed in a client that dies is marked as delivered. So a consumer is
there only while a chunk is taken, for as many messages as are wanted: what it was given is all
written into the journal together, as soon as what was taken before is mapped.

A message has no identity but the one its producer gave it. One without is known by what it holds
alone, and only where it comes again: because RabbitMQ says so, or because it was held when the line
broke. So of two that are the same to the last byte both are sent.

A node that was restarted says of everything on a classic queue that it was delivered before, also
of what it gave to nobody: it is in doubt then, where others take from the queue. Of a quorum queue
it says so of what was delivered.

A message is this worker's while the channel is open by which it came, and no longer: with it, or
with a connection that has been silent for more than two of its minutes, RabbitMQ gives out again
what is not acknowledged. That the channel is open is known from what is answered on it.

RabbitMQ closes a channel that has not acknowledged for half an hour (`consumer_timeout`), and gives
its messages out again. This worker knows them and does not send them twice; another one holds them
as unknown. Where contacts wait for longer, as outside of `delivery.window`, raise it on the broker.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..extras import need
from .amqp_line import ANSWER_SECONDS, HEARTBEAT_SECONDS, AmqpLine, Waited
from .amqp_tags import Tags
from .message import Backlog, Message, QueueLostError, digest_of, known_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...events import MessagesDeleted
    from .place import Place

__all__ = ("AmqpQueue",)

SILENCE_SECONDS: Final = 0.005
"""A burst ends when nothing has come for so long."""
MOST_PREFETCHED: Final = 65_535


class AmqpQueue:
    """A queue of RabbitMQ.

    It uses the channel that aio-pika has beneath: a message costs a fifth less there.
    """

    extend_seconds: float = HEARTBEAT_SECONDS / 4
    hold_seconds: float = HEARTBEAT_SECONDS
    knows_workers: bool = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._line = AmqpLine(place, confirms=False)
        self._openings = 0
        self._prefetched = 0
        self._tags = Tags()
        self._pushed: list[Message] = []

    async def open(self, worker: str, *, fresh: bool) -> None:  # AMQP knows no workers
        await self._line.open(make=fresh)
        self._openings += 1
        self._prefetched, self._tags = 0, Tags()
        self._pushed = []

    @property
    def losses(self) -> int:
        return self._openings if self._line.is_open else -1

    def keeps(self, message: Message) -> bool:
        return message.line == self.losses

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        try:
            await self._burst(min(most, MOST_PREFETCHED), wait_seconds)
        except QueueLostError:
            # It comes again, in doubt; but once it is taken, the journal knows it.
            if not self._pushed:
                raise

        taken, self._pushed = self._pushed, []
        return taken

    async def _burst(self, most: int, wait_seconds: float) -> None:
        self._line.check()
        async with Waited(self._place, seconds=ANSWER_SECONDS + wait_seconds):
            channel = await self._line.channel.get_underlay_channel()
            if most != self._prefetched:
                await channel.basic_qos(prefetch_count=most)
                self._prefetched = most

            burst = _Burst(line=self._openings, most=most)
            taking_in = partial(self._take_in, burst)
            consumer = await channel.basic_consume(self._place.queue, taking_in)
            await burst.over(wait_seconds)
            # A consumer that was given all it may be given gets no more: then nothing can come
            # before the answer, and none is waited for.
            await channel.basic_cancel(consumer.consumer_tag, nowait=burst.full)

    async def _take_in(self, burst: _Burst, pushed: Any) -> None:
        body, named = pushed.body, pushed.header.properties.message_id or None
        self._pushed.append(
            Message(
                identity=digest_of(body) if named is None else known_as(named, body),
                body=body,
                redelivered=bool(pushed.redelivered),
                anonymous=named is None,
                line=burst.line,
                handle=pushed.delivery_tag,
            )
        )
        burst.count()

    def finish(self, messages: Sequence[Message]) -> None:
        """It is enough to acknowledge them."""

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        self._line.check()
        told = [message for message in messages if message.line == self._openings]
        if not told:
            return []

        basic = need("aiormq", extra="amqp", what=self._place.label).spec.Basic
        await self._say(
            [
                basic.Ack(delivery_tag=tag, multiple=multiple)
                for tag, multiple in self._tags.acknowledged(message.handle for message in told)
            ]
        )
        return told

    async def _say(self, frames: Sequence[Any]) -> None:
        aiormq = need("aiormq", extra="amqp", what=self._place.label)
        async with Waited(self._place):
            channel = await self._line.channel.get_underlay_channel()
            # All at once: the client takes ten at a time, and none when the line has just broken.
            await channel.write_queue.put(
                aiormq.abc.ChannelFrame.marshall(channel_number=channel.number, frames=frames)
            )
            # What is answered behind them says that they arrived.
            await channel.queue_declare(self._place.queue, passive=True)

    async def give_back(self, messages: Sequence[Message]) -> None:
        self._line.check()
        tags = [message.handle for message in messages if message.line == self._openings]
        if tags:
            basic = need("aiormq", extra="amqp", what=self._place.label).spec.Basic
            await self._say([basic.Nack(delivery_tag=tag, requeue=True) for tag in tags])

    async def extend(self, messages: Sequence[Message], *, age_seconds: float) -> list[Message]:
        """There is no such thing; but an answer on a channel says that all it gave is ours."""
        self._line.check()
        async with Waited(self._place):
            channel = await self._line.channel.get_underlay_channel()
            await channel.queue_declare(self._place.queue, passive=True)

        return [message for message in messages if self.keeps(message)]

    def deleted(self) -> list[MessagesDeleted]:  # it does not tell
        return []

    async def close(self) -> None:
        await self._line.close()

    async def look(self) -> str:
        await self._line.open(make=False)
        result = self._line.queue.declaration_result
        return (
            f"{result.message_count:,} messages wait, {result.consumer_count:,} workers take them; "
            "none was looked at: RabbitMQ takes that for a delivery"
        )

    async def backlog(self) -> Backlog:
        if not self._line.is_open:
            await self._line.open(make=False)

        async with Waited(self._place):
            channel = await self._line.channel.get_underlay_channel()
            told = await channel.queue_declare(self._place.queue, passive=True)

        return Backlog(waiting=told.message_count)

    async def peek(self, most: int) -> list[Message]:  # seeing is taking
        return []


class _Burst:
    """What one consumer is given, at most `most` messages."""

    def __init__(self, *, line: int, most: int) -> None:
        self.line = line
        self._most = most
        self._given = 0
        self._any, self._all = asyncio.Event(), asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether it was given all that it may be given."""
        return self._given >= self._most

    def count(self) -> None:
        """One more was given."""
        self._given += 1
        self._any.set()
        if self.full:
            self._all.set()

    async def over(self, wait_seconds: float) -> None:
        """Wait until it is full, or nothing comes any more."""
        seen, came = -1, await _set(self._any, wait_seconds)
        while came and self._given > seen and not self.full:
            seen = self._given
            await _set(self._all, SILENCE_SECONDS)


async def _set(event: asyncio.Event, seconds: float) -> bool:
    """Whether it is set within so long."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False

    return True
