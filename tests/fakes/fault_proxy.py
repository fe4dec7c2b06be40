"""A TCP proxy before a server, which does to chosen requests what networks do.

It passes bytes on, and knows of HTTP only where a request and an answer end. What befalls the
request is a `Fault`: how much of it is read, whether the server gets it, what comes back instead
of the server's answer, how fast, how much of it, and how the connection ends.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tests.fakes.listener import Listener, reset

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("End", "Fault", "FaultProxy")

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


class End(StrEnum):
    """How a connection ends after an exchange."""

    NOT = "not"  # it is kept
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"  # nothing more comes, and it is not closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What befalls one request. Without anything said it is passed on, and so is its answer."""

    reads: int | None = None
    """So many bytes of the request are read, head and all; None: the whole. Part of a request is
    never passed on."""

    passes: bool = True
    """Whether the server gets the request."""

    answer: bytes | None = None
    """What the client gets in the stead of the server's answer; b"" is nothing."""

    cut: int | None = None
    """So many bytes of the answer get through."""

    drip_seconds: float = 0.0
    """Between each two pieces of eight bytes of the answer."""

    then: End = End.NOT


class FaultProxy(Listener):
    """`async with FaultProxy(server_url, act) as proxy`: `act` is asked about each request.

    `act` is told the request's number, from 1. With `idle_seconds` a connection on which nothing
    comes for so long is closed; `announced` says in a Keep-Alive header that it will be.
    """

    def __init__(
        self,
        server_url: str,
        act: Callable[[int], Fault],
        *,
        idle_seconds: float | None = None,
        announced: int | None = None,
    ) -> None:
        super().__init__()
        self._server_url = server_url
        self._act = act
        self._idle_seconds = idle_seconds
        self._announced = announced
        self.requests = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._exchange(reader, writer):
            pass

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and what comes of it; whether the connection is kept."""
        async with asyncio.timeout(self._idle_seconds):
            first = await reader.readexactly(1)

        self.requests += 1
        fault = self._act(self.requests)
        if fault.reads is not None:
            await reader.readexactly(max(0, fault.reads - 1))
            return await _end(fault.then, writer)

        request = first + await _message(reader)
        answer = await self._ask(request) if fault.passes else b""
        answer = answer if fault.answer is None else fault.answer
        await _send(writer, self._announcing(answer)[: fault.cut], drip=fault.drip_seconds)
        return await _end(fault.then, writer)

    def _announcing(self, answer: bytes) -> bytes:
        if self._announced is None:
            return answer

        return answer.replace(b"\r\n", b"\r\nKeep-Alive: timeout=%d\r\n" % self._announced, 1)

    async def _ask(self, request: bytes) -> bytes:
        """Pass the request on to the server, on a connection of its own."""
        host, _, port = self._server_url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            return await _message(reader)
        finally:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + await reader.readexactly(int(length[1]) if length else 0)


async def _send(writer: asyncio.StreamWriter, answer: bytes, *, drip: float) -> None:
    size = 8 if drip else max(1, len(answer))
    for begin in range(0, len(answer), size):
        writer.write(answer[begin : begin + size])
        await writer.drain()
        await asyncio.sleep(drip)


async def _end(end: End, writer: asyncio.StreamWriter) -> bool:
    if end is End.HANG:
        await asyncio.sleep(3600)

    if end is End.RESET:
        reset(writer)

    return end is End.NOT
