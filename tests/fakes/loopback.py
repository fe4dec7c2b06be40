"""A bare HTTP server on loopback that does to each request what a test says, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fakes.listener import Listener, reset

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Awaitable, Callable

__all__ = ("Exchange", "Loopback")


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request as far as its headers; the rest is the test's to read, answer, or break."""

    method: str
    path: str
    headers: dict[str, str]
    connection: int
    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)

    async def body(self) -> bytes:
        return await self.reader.readexactly(int(self.headers.get("content-length", "0")))

    async def answer(self, status: int = 201, body: bytes = b"", **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def raw(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    def close(self) -> None:
        """End the connection in good order."""
        self.writer.close()

    def reset(self) -> None:
        """End it at once, as a crashed host does."""
        reset(self.writer)


class Loopback(Listener):
    """`async with Loopback(act) as server`: `act` is awaited for every request."""

    def __init__(
        self, act: Callable[[Exchange], Awaitable[None]], *, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self._act = act
        self.exchanges: list[Exchange] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            exchange = _read(head, connection=number, reader=reader, writer=writer)
            self.exchanges.append(exchange)
            await self._act(exchange)


def _read(
    head: bytes, *, connection: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Exchange:
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines if line)
    return Exchange(
        method=method,
        path=path,
        headers={name.lower(): value.strip() for name, _, value in pairs},
        connection=connection,
        reader=reader,
        writer=writer,
    )
