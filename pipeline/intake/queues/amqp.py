"""RabbitMQ: a durable queue, consumed in bursts.

RabbitMQ pushes, and what lies pushed in a client that dies is marked as delivered. So a consumer is
there only while a chunk is taken, for as many messages as are wanted: what it was given is all
written into the journal at once, and nothing waits in between.

A message has no identity but the one its producer gave it. One without is known by what it holds
alone, and only where it comes again: because RabbitMQ says so, or because it was held when the line
broke. So of two that are the same to the last byte both are sent.

RabbitMQ closes a channel that has not acknowledged for half an hour (`consumer_timeout`), and gives
its messages out again. This worker knows them and does not send them twice; another one holds them
as unknown. Where contacts wait for longer, as outside of `delivery.window`, raise it on the broker.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from .amqp_line import ANSWER_SECONDS, AmqpLine, Translated
from .message import Message, QueueLostError, digest_of, known_as

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .place import Place

__all__ = ("AmqpQueue",)

SILENCE_SECONDS: Final = 0.005
"""A burst ends when nothing has come for so long."""
MOST_PREFETCHED: Final = 65_535


class AmqpQueue:
    """A queue of RabbitMQ."""

    extend_seconds: float | None = None

    def __init__(self, place: Place) -> None:
        self._place = place
        self._line = AmqpLine(place, confirms=False)
        self._openings = 0
        self._pushed: deque[Message] = deque()
        self._arrived = asyncio.Event()

    async def open(self, worker: str, *, fresh: bool) -> None:  # AMQP knows no workers
        await self._line.open(make=fresh)
        self._openings += 1
        self._pushed.clear()

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        try:
            await self._burst(most, wait_seconds)
        except QueueLostError:
            # It comes again, in doubt; but once it is taken, the journal knows it.
            if not self._pushed:
                raise

        taken = list(self._pushed)
        self._pushed.clear()
        return taken

    async def _burst(self, most: int, wait_seconds: float) -> None:
        self._line.check()
        with Translated(self._place):
            await self._line.channel.set_qos(min(most, MOST_PREFETCHED), timeout=ANSWER_SECONDS)
            tag = await self._line.queue.consume(self._take_in, timeout=ANSWER_SECONDS)
            await self._gather(most, wait_seconds)
            await self._line.queue.cancel(tag, timeout=ANSWER_SECONDS)

    async def _gather(self, most: int, wait_seconds: float) -> None:
        patience = wait_seconds
        while len(self._pushed) < most:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), patience)
            except TimeoutError:
                return

            patience = SILENCE_SECONDS

    async def _take_in(self, pushed: Any) -> None:
        body, named = pushed.body, pushed.message_id or None
        self._pushed.append(
            Message(
                identity=digest_of(body) if named is None else known_as(named, body),
                body=body,
                redelivered=bool(pushed.redelivered),
                anonymous=named is None,
                line=self._openings,
                handle=pushed.delivery_tag,
            )
        )
        self._arrived.set()

    def finish(self, messages: Sequence[Message]) -> None:
        """It is enough to acknowledge them."""

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        self._line.check()
        told = [message for message in messages if message.line == self._openings]
        with Translated(self._place):
            channel = await self._line.channel.get_underlay_channel()
            for message in told:
                await channel.basic_ack(message.handle, wait=False)

            # What is answered behind them says that they arrived.
            await channel.queue_declare(self._place.queue, passive=True, timeout=ANSWER_SECONDS)

        return told

    async def extend(self, messages: Sequence[Message]) -> None:
        """There is no such thing."""

    async def close(self) -> None:
        await self._line.close()

    async def look(self) -> str:
        await self._line.open(make=False)
        result = self._line.queue.declaration_result
        return (
            f"{result.message_count:,} messages wait, {result.consumer_count:,} workers take them; "
            "none was looked at: RabbitMQ takes that for a delivery"
        )

    async def peek(self, most: int) -> list[Message]:  # seeing is taking
        return []
