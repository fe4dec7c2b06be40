"""RabbitMQ, written to: each message is confirmed, and nothing tells how far that came.

What a process that was killed, or a connection that broke before the confirmation, may have put
twice has the same identity; a worker that gets both sends one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import SourceError
from ..extras import need
from .amqp_line import AmqpLine, Waited
from .message import QueueLostError
from .outlet import all_put

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outlet import Outgoing
    from .place import Place

__all__ = ("AmqpOutlet",)


class AmqpOutlet:
    """A durable queue that is written to, through the exchange that has no name."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._line = AmqpLine(place, confirms=True)

    async def open(self, name: str) -> int:  # nothing is kept under it
        await self._line.open(make=True)
        return 0

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:  # see open
        self._line.check()
        confirmed: set[str] = set()
        await all_put((self._publish(each, confirmed) for each in messages), confirmed=confirmed)

    async def _publish(self, message: Outgoing, confirmed: set[str]) -> None:
        pika = need("aio_pika", extra="amqp", what=self._place.label)
        try:
            async with Waited(self._place):
                await self._line.channel.default_exchange.publish(
                    pika.Message(
                        message.body,
                        message_id=message.identity,
                        content_type="application/json",
                        delivery_mode=pika.DeliveryMode.PERSISTENT,
                    ),
                    routing_key=self._place.queue,
                )
        except QueueLostError as lost:
            if "larger than" in str(lost):
                raise SourceError(
                    f"{self._place.label}: {lost}. Raise max_message_size, or take fewer "
                    "--contacts-per-message"
                ) from lost

            raise

        confirmed.add(message.identity)

    async def close(self) -> None:
        await self._line.close()
