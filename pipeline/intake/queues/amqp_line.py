"""The line to a RabbitMQ broker, and what its client raises turned into what must be done."""

from __future__ import annotations

import asyncio
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

__all__ = ("ANSWER_SECONDS", "HEARTBEAT_SECONDS", "AmqpLine", "Translated", "Waited")

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
HEARTBEAT_SECONDS: Final = 60.0
"""A connection that was silent for twice as long the broker takes for broken."""


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
        async with Waited(place):
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
                heartbeat=round(HEARTBEAT_SECONDS),
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
            self._place.queue, durable=True, passive=passive
        )

    @property
    def is_open(self) -> bool:
        """Whether the channel is there, as far as is known."""
        return self.channel is not None and not (
            self.channel.is_closed or self._connection.is_closed
        )

    def check(self) -> None:
        """Raise QueueLostError where the channel is gone."""
        if not self.is_open:
            raise QueueLostError("the connection is gone")

    async def close(self) -> None:
        """Leave; never raises."""
        connection, self._connection, self.channel = self._connection, None, None
        if connection is not None:
            with suppress(Exception, asyncio.CancelledError):
                async with Waited(self._place, seconds=CONNECT_SECONDS):
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

        # What was under way when the line broke, the client ends by Exception itself.
        if type(error) is Exception or isinstance(
            error, errors.AMQPError | OSError | TimeoutError | RuntimeError
        ):
            return QueueLostError(told)

        return None


class Waited:
    """An asynchronous Translated that has an end, whatever the client does.

    Where the line breaks in mid-call, the client may wait for ever to hand its next frame to a
    writer that is gone, or cancel the call as if its caller had been cancelled.
    """

    def __init__(self, place: Place, *, seconds: float = ANSWER_SECONDS) -> None:
        self._translated = Translated(place)
        self._seconds = seconds
        self._end = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._end.__aenter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            await self._end.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise QueueLostError(f"no answer in {self._seconds:g} s") from late

        if isinstance(error, asyncio.CancelledError) and not _cancelled():
            raise QueueLostError("the connection is gone") from error

        self._translated.__exit__(kind, error, trace)


def _cancelled() -> bool:
    """Whether somebody wants the current task to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
