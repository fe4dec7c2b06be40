"""The line to a RabbitMQ broker, and what its client raises turned into what must be done."""

from __future__ import annotations

import logging
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ..extras import need
from .message import QueueLostError
from .translating import Translating

if TYPE_CHECKING:
    from ...errors import SourceError
    from .place import Place

__all__ = ("ANSWER_SECONDS", "AmqpLine", "Translated")

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0


class AmqpLine:
    """A connection, one channel on it, and the queue."""

    def __init__(self, place: Place, *, confirms: bool) -> None:
        self._place = place
        self._confirms = confirms
        self._connection: Any = None
        self.channel: Any = None
        self.queue: Any = None

    async def open(self, *, make: bool) -> None:
        """Connect anew, and find the queue; `make` it, durable, where there is none."""
        await self.close()
        place = self._place
        for name in ("aiormq", "aio_pika"):  # what they would say, the caller says, and once
            logging.getLogger(name).setLevel(logging.CRITICAL)

        pika = need("aio_pika", extra="amqp", what=place.label)
        with Translated(place):
            self._connection = await pika.connect(
                host=place.host,
                port=place.port or (5671 if place.tls else 5672),
                login=place.user or "guest",
                password=place.policy.password or "guest",
                virtualhost=place.within,
                ssl=place.tls,
                ssl_context=(
                    ssl.create_default_context(cafile=place.policy.ca_file) if place.tls else None
                ),
                timeout=CONNECT_SECONDS,
                client_properties={"connection_name": "journey-pipeline"},
            )
            try:
                await self._open_channel(passive=True)
            except pika.exceptions.ChannelNotFoundEntity:  # which closes the channel
                if not make:
                    raise

                await self._open_channel(passive=False)

    async def _open_channel(self, *, passive: bool) -> None:
        self.channel = await self._connection.channel(publisher_confirms=self._confirms)
        self.queue = await self.channel.declare_queue(
            self._place.queue, durable=True, passive=passive, timeout=ANSWER_SECONDS
        )

    def check(self) -> None:
        """Raise QueueLostError where the channel is gone."""
        if self.channel is None or self.channel.is_closed or self._connection.is_closed:
            raise QueueLostError("the connection is gone")

    async def close(self) -> None:
        """Leave; never raises."""
        connection, self._connection, self.channel = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                await connection.close()


class Translated(Translating):
    """What aio-pika raises."""

    def raised_for(self, error: BaseException) -> SourceError | QueueLostError | None:
        errors = need("aiormq.exceptions", extra="amqp", what=self._place.label)
        told = str(error) or type(error).__name__
        refused = (
            errors.AuthenticationError,
            errors.ProbableAuthenticationError,
            errors.ChannelAccessRefused,
            errors.ChannelNotFoundEntity,
            errors.ChannelLockedResource,
            errors.ConnectionNotAllowed,
        )
        if isinstance(error, refused):
            return self.refused(told)

        if isinstance(error, errors.AMQPError | OSError | TimeoutError | RuntimeError):
            return QueueLostError(told)

        return None
