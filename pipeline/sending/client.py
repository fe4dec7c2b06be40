"""The HTTP client: one request, one answer, and the truth about how far the body got.

Nothing is ever sent a second time in here: no redirect is followed, and aiohttp repeats idempotent
methods only, of which we send GET. A batch whose body has begun to leave is never taken back.

An idle connection that the server has closed is the one trap that looks like a lost answer. Four
things keep out of it: connections are dropped before servers usually drop them (sooner where a
server says when, or was met closing one), the loop is given its turns to notice the end of a
connection before the body's first byte, a connection found closed then counts as not begun, and so
does one whose end shows that no byte of the request had come (`wire.py`).

An answer that lies on a connection before anything was asked is nobody's: it is never read as that
of the next request (`connection.py`).
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import aiohttp
import anyio
from multidict import CIMultiDict
from yarl import URL

from .. import __version__
from .breaking import breakage_of, detail_of
from .connection import Body, Connector
from .inflating import Inflater
from .reply import Breakage, Broken, Reply, blotted

if TYPE_CHECKING:
    from asyncio import BaseProtocol
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from multidict import CIMultiDictProxy

    from .clock import Clock
    from .policy import DeliveryPolicy

__all__ = ("Client", "open_client")

IDLE_SECONDS: Final = 4.0
"""Below the five seconds after which the least patient common servers drop a connection."""

SHORTEST_IDLE_SECONDS: Final = 0.5
"""However early a server is met closing connections, they are used again within this."""

TELLING_SECONDS: Final = 1.0
"""A reset says that the connection had been idle too long if it was idle for so long."""

SHORTEST_TOKEN: Final = 8
CONNECT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 1 << 20
"""More of an answer is not read, unless asked for; no answer to a batch comes near it."""

CLOSING_SECONDS: Final = 2.0
_IDLE_LIMIT: Final = re.compile(r"timeout\s*=\s*(\d{1,6})", re.IGNORECASE)


class Client:
    """Requests of one run, over its own connections. Make it with `open_client`."""

    def __init__(
        self, session: aiohttp.ClientSession, connector: Connector, *, clock: Clock
    ) -> None:
        self._session = session
        self._connector = connector
        self._clock = clock
        self._rested: WeakKeyDictionary[BaseProtocol, float] = WeakKeyDictionary()
        """Since when each connection that was used has been idle."""

    async def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], max_bytes: int = ANSWER_BYTES
    ) -> Reply | Broken:
        """POST `body` once. Raises nothing that a network can do."""
        return await self._request(
            "POST", url, body=Body(body), headers=headers, max_bytes=max_bytes
        )

    async def get(
        self, url: str, *, headers: Mapping[str, str], max_bytes: int = ANSWER_BYTES
    ) -> Reply | Broken:
        """GET once; aiohttp may repeat it on a connection that was closed while idle."""
        return await self._request("GET", url, body=None, headers=headers, max_bytes=max_bytes)

    async def download(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        sink: Callable[[bytes], Awaitable[None]],
    ) -> Reply | Broken:
        """POST once, and hand the body of a success to `sink` piece by piece, never held whole.

        The reply's own body is then empty, and `whole` tells whether all of it came. It may take
        as long as it likes, but no pause may be longer than a request's timeout.
        """
        began, sent = self._clock.now(), Body(body)
        patience = aiohttp.ClientTimeout(
            total=None, connect=CONNECT_SECONDS, sock_read=self._session.timeout.total
        )
        try:
            async with self._session.post(
                URL(url, encoded=True),
                data=sent,
                headers={**headers, "Accept-Encoding": "gzip", "Accept": "*/*"},
                allow_redirects=False,
                timeout=patience,
                auto_decompress=False,
            ) as response:
                content, whole = await _passed_on(response, sink)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Broken(
                breakage=breakage_of(error),
                detail=detail_of(error, url=url),
                body_started=sent.started,
                seconds=self._clock.now() - began,
            )
        finally:
            sent.let_go()

        token = _told(headers)
        return Reply(
            status=response.status,
            headers=_without(token, response.headers),
            body=blotted(content, token),
            seconds=self._clock.now() - began,
            whole=whole,
        )

    async def _request(
        self,
        method: str,
        url: str,
        *,
        body: Body | None,
        headers: Mapping[str, str],
        max_bytes: int,
    ) -> Reply | Broken:
        began = self._clock.now()
        try:
            async with self._session.request(
                method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response:
                if body is not None and not body.started:
                    raise aiohttp.ClientConnectionError("an answer came before the request")

                content, whole = await _content(response, max_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            begun = body is not None and body.may_have_come(error)
            self._learn(body, breakage_of(error), began=began, begun=begun)
            return Broken(
                breakage=breakage_of(error),
                detail=detail_of(error, url=url),
                body_started=begun,
                seconds=self._clock.now() - began,
            )
        finally:
            if body is not None:
                body.let_go()

        self._heed_idle_limit(response.headers)
        if body is not None and body.connection is not None:
            self._rested[body.connection] = self._clock.now()

        token = _told(headers)
        return Reply(
            status=response.status,
            headers=_without(token, response.headers),
            body=blotted(content, token),
            seconds=self._clock.now() - began,
            whole=whole,
        )

    def _learn(self, body: Body | None, breakage: Breakage, *, began: float, begun: bool) -> None:
        """A connection that was idle was found ended: from now on none is kept half as long."""
        connection = None if body is None else body.connection
        rested = None if connection is None else self._rested.get(connection)
        if rested is None or breakage is not Breakage.LOST:
            return

        idle = began - rested
        if not begun or idle >= TELLING_SECONDS:
            self._connector.shorten_idle(max(idle / 2, SHORTEST_IDLE_SECONDS))

    def _heed_idle_limit(self, headers: Mapping[str, str]) -> None:
        keep_alive = headers.get("Keep-Alive")
        if keep_alive and (said := _IDLE_LIMIT.search(keep_alive)):
            limit = float(said[1])
            self._connector.shorten_idle(max(limit - 1.0, limit / 2))


def _told(headers: Mapping[str, str]) -> str:
    """The token that a request carried; none is shorter than a word that means something else."""
    token = headers.get("Authorization", "").partition(" ")[2]
    return token if len(token) >= SHORTEST_TOKEN else ""


def _without(token: str, headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    """The headers, and no token in the one that messages quote."""
    if "Location" not in headers:
        return headers

    there = headers["Location"].encode("utf-8", "replace")
    if (clean := blotted(there, token)) == there:
        return headers

    return CIMultiDict({**headers, "Location": clean.decode()})


async def _content(response: aiohttp.ClientResponse, max_bytes: int) -> tuple[bytes, bool]:
    """The body, and whether it is whole. The status stands even where the body breaks off."""
    pieces: list[bytes] = []
    size = 0
    try:
        while not response.content.at_eof():
            piece = await response.content.readany()
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes:
                response.close()
                return b"".join(pieces)[:max_bytes], False
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b"".join(pieces), False

    return b"".join(pieces), True


async def _passed_on(
    response: aiohttp.ClientResponse, sink: Callable[[bytes], Awaitable[None]]
) -> tuple[bytes, bool]:
    """The body of a refusal; that of a success goes to `sink`. And whether it came whole."""
    try:
        inflater = Inflater(response.headers.get("Content-Encoding", ""))
        if not 200 <= response.status < 300:
            content, whole = await _content(response, ANSWER_BYTES)
            return b"".join(inflater.feed(content)), whole

        async for piece in response.content.iter_any():
            for inflated in inflater.feed(piece):
                await sink(inflated)
    except ValueError as error:
        raise aiohttp.ClientPayloadError(str(error)) from None

    return b"", inflater.whole


@asynccontextmanager
async def open_client(
    policy: DeliveryPolicy, *, clock: Clock, trust_env: bool = False
) -> AsyncIterator[Client]:
    """Open the connections of a run and close them at its end.

    `trust_env` lets proxies and netrc of the environment count; they do not by default.
    """
    connector = Connector(
        limit=policy.max_in_flight + 1,  # one more, so that a token never waits for the batches
        keepalive_timeout=IDLE_SECONDS,
    )
    total = policy.timeout_seconds
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"journey-pipeline/{__version__}", "Accept": "application/json"},
        timeout=aiohttp.ClientTimeout(total=total, connect=min(CONNECT_SECONDS, total)),
        trust_env=trust_env,
    )
    try:
        yield Client(session, connector, clock=clock)
    finally:
        with anyio.move_on_after(CLOSING_SECONDS, shield=True):
            await session.close()
