"""The line to a Redis or Valkey server, and the names of the fields of an entry of ours."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from ..extras import need
from .message import QueueLostError
from .translating import Translating

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ...errors import SourceError
    from .place import Place

__all__ = ("BODY", "IDENTITY", "Translated", "connected", "first_met")

BODY: Final = b"contacts"
IDENTITY: Final = b"id"

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0

UNASKED_SECONDS: Final = 2.0

_PASSING: Final = ("LOADING", "MASTERDOWN", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "BUSY ")


def connected(place: Place) -> Any:
    """A client of the server; it connects when it is used."""
    asyncio_redis = need("redis.asyncio", extra="redis", what=place.label)
    retry = need("redis.asyncio.retry", extra="redis", what=place.label)
    backoff = need("redis.backoff", extra="redis", what=place.label)
    arguments: dict[str, Any] = {
        "db": int(place.within),
        "username": place.user,
        "password": place.policy.password,
        "socket_timeout": ANSWER_SECONDS,
        "socket_connect_timeout": CONNECT_SECONDS,
        "protocol": 2,
        # A command that is repeated out of sight would take entries that nobody is told of.
        "retry": retry.Retry(backoff.NoBackoff(), 0),
    }
    if place.socket is not None:
        return asyncio_redis.Redis(unix_socket_path=place.socket, **arguments)

    if place.tls:
        arguments |= {"ssl": True, "ssl_ca_certs": place.policy.ca_file}

    return asyncio_redis.Redis(host=place.host, port=place.port or 6379, **arguments)


class Translated(Translating):
    """What redis raises."""

    def raised_for(self, error: BaseException) -> SourceError | QueueLostError | None:
        errors = need("redis.exceptions", extra="redis", what=self._place.label)
        told = str(error)
        if isinstance(error, errors.AuthenticationError | errors.AuthorizationError) or (
            isinstance(error, errors.ResponseError) and not told.startswith(_PASSING)
        ):
            return self.refused(told)

        if isinstance(error, errors.RedisError | OSError):
            return QueueLostError(told)

        return None


@asynccontextmanager
async def first_met(place: Place) -> AsyncIterator[None]:
    """As Translated, for the first commands on a connection.

    A server in protected mode says why it wants nobody from elsewhere, and hangs up: the client
    meets the end of the line as it writes, and does not read that. So it is asked for here.
    """
    translated = Translated(place)
    try:
        with translated:
            yield
    except QueueLostError:
        if (told := await _told_unasked(place)) is not None:
            raise translated.refused(told) from None

        raise


async def _told_unasked(place: Place) -> str | None:
    """The refusal of a server that was asked nothing; None where it waits to be asked."""
    if place.socket is not None or place.tls:
        return None

    with suppress(OSError, ValueError):  # TimeoutError is one; a line without an end the other
        async with asyncio.timeout(UNASKED_SECONDS):
            reader, writer = await asyncio.open_connection(place.host, place.port or 6379)
            try:
                told = (await reader.readline()).decode("utf-8", "replace")
            finally:
                writer.close()

            if told.startswith("-DENIED "):
                return told.removeprefix("-DENIED ").partition(". ")[0]

    return None
