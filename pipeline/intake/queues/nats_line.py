"""The line to a NATS server, and what its client raises turned into what must be done."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...errors import SourceError
from ..extras import need
from .message import QueueLostError
from .translating import Translating

if TYPE_CHECKING:
    from .place import Place

__all__ = ("CONNECT_SECONDS", "IDENTITY", "Translated", "connected", "hang_up", "make_stream")

IDENTITY: Final = "Nats-Msg-Id"
"""The header by which JetStream itself knows a message that is put twice within its window."""

CONNECT_SECONDS: Final = 5


async def connected(place: Place) -> Any:
    """A client that is connected, and stays away once it is not: its owner connects anew."""
    nats = need("nats", extra="nats", what=place.label)
    context = None
    if place.tls:
        context = ssl.create_default_context(cafile=place.policy.ca_file)
        logging.getLogger("asyncio").addFilter(_is_news)

    scheme = "tls" if place.tls else "nats"
    with Translated(place):
        return await nats.connect(
            [f"{scheme}://{_host(host)}:{port or 4222}" for host, port in place.hosts],
            name="journey-pipeline",
            user=place.user,
            password=place.policy.password if place.user else None,
            token=None if place.user else place.policy.password,
            tls=context,
            allow_reconnect=False,
            max_reconnect_attempts=1,  # of the first connection, too
            reconnect_time_wait=0.1,
            connect_timeout=CONNECT_SECONDS,
            error_cb=_heard,
        )


def _is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than that the client's protocol does not know of TLS: that is harmless."""
    return "eof_received() has no effect when using ssl" not in record.getMessage()


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def _heard(_: Exception) -> None:
    """Whatever happens to the connection, the next call tells."""


async def hang_up(client: Any) -> None:
    """Close the connection, in whatever state it is."""
    with suppress(Exception):
        await asyncio.wait_for(client.close(), CONNECT_SECONDS)


async def make_stream(context: Any, place: Place) -> None:
    """Make the stream where there is none; it takes what is published under its own name."""
    errors = need("nats.js.errors", extra="nats", what=place.label)
    try:
        await context.stream_info(place.queue)
    except errors.NotFoundError:
        await context.add_stream(name=place.queue, subjects=[place.queue])


class Translated(Translating):
    """What nats-py raises."""

    def raised_for(self, error: BaseException) -> SourceError | QueueLostError | None:
        core = need("nats.errors", extra="nats", what=self._place.label)
        told = str(error) or type(error).__name__
        refused = isinstance(error, core.AuthorizationError) or "authorization" in told.lower()
        jetstream = need("nats.js.errors", extra="nats", what=self._place.label)
        if isinstance(error, core.MaxPayloadError):
            return SourceError(
                f"{self._place.label}: a message is larger than its server takes. Raise "
                "max_payload, or take fewer --contacts-per-message"
            )

        if refused or isinstance(error, jetstream.BadRequestError | jetstream.NotFoundError):
            return self.refused(told)

        if isinstance(error, core.Error | OSError | TimeoutError):
            return QueueLostError(told.removeprefix("nats: "))

        return None
