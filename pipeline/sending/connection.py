"""Connections of the HTTP client: the body that leaves on one, and the connector that keeps them.

aiohttp hands whatever comes on a connection to the request that uses it next, also what came while
it was idle: a proxy's notice that it closes, the second answer of a server that stutters. Taken for
a verdict on the next batch, it would report contacts wrongly. So a connection on which anything
lies unread is not used again, neither when it is taken up nor at the last moment before the body.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp.payload import Payload

from .wire import Wire, in_good_order

if TYPE_CHECKING:
    from typing import Any

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

__all__ = ("Body", "Connector")

CONTENT_TYPE: Final = "application/json; charset=UTF-8"
"""Of every body that is sent, to each of Marketing Cloud's addresses."""

SLICE_BYTES: Final = 1 << 18
"""A body is handed over in slices, so that a large one is not copied whole for each request."""

JOINED_BYTES: Final = 1 << 14
"""A body up to this leaves in one piece with the headers: a copy costs less than a packet."""


class Body(Payload):
    """A request's body that knows whether its first byte was written."""

    _autoclose = True

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type=CONTENT_TYPE)
        self._size: int = len(value)
        self._wire: Wire | None = None
        self.started = False
        self.connection: ResponseHandler | None = None

    def may_have_come(self, error: BaseException) -> bool:
        """Whether the other side may have any of it, now that its connection ended in `error`."""
        if self.started and self._wire is not None and in_good_order(error):
            return not self._wire.untouched()

        return self.started

    def let_go(self) -> None:
        """The request is over."""
        if self._wire is not None:
            self._wire.close()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        text: str = self._value.decode(encoding, errors)
        return text

    async def write(self, writer: AbstractStreamWriter) -> None:
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        self.connection = getattr(writer, "protocol", None)  # there even when the transport is not
        # The headers wait in the writer, so this is before any byte. What the server did to an
        # idle connection the loop finds in its next turn, and tells at the end of it; from Python
        # 3.12 on this is called without a turn in between.
        for _ in range(2):
            await asyncio.sleep(0)

        if self.connection is not None and self.connection.should_close:
            raise aiohttp.ClientConnectionError("the connection was ended or answered while idle")

        transport = writer.transport
        if transport is not None and not transport.is_closing():
            self._wire = Wire.under(transport)
            self.started = True

        if self._size > JOINED_BYTES:
            writer.send_headers()  # else they are joined with the first slice, which copies it

        if self._size <= SLICE_BYTES:
            await writer.write(self._value)
            return

        view = memoryview(self._value)
        for begin in range(0, len(view), SLICE_BYTES):
            await writer.write(view[begin : begin + SLICE_BYTES])


class Connector(aiohttp.TCPConnector):
    """A connector whose idle limit can be lowered while it works."""

    _keepalive_timeout: float

    def shorten_idle(self, seconds: float) -> None:
        """From now on drop connections that were idle for `seconds`."""
        self._keepalive_timeout = min(self._keepalive_timeout, seconds)

    async def connect(self, *arguments: Any, **options: Any) -> Connection:
        """A connection on which nothing lies unread."""
        while True:
            connection = await super().connect(*arguments, **options)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection

            connection.close()
