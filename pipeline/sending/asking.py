"""Asking: a question that may simply be repeated, and what stays wrong told apart.

Passing trouble is waited out; what stays wrong is an unknown key, a missing permission, or an
answer that cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from ..errors import EndpointError, HaltError, PermissionDeniedError
from .answers import Said, parse, unknown_definition
from .endpoint import bearer
from .patience import ATTEMPTS, PassingError, patiently
from .reply import Breakage, Broken, Reply
from .retry import http_date

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .client import Client
    from .clock import Clock
    from .token import TokenKeeper

__all__ = ("Asker", "trouble")

ANSWER_BYTES: Final = 1 << 26
"""A page of fifty journeys with all their activities may hold some megabytes."""


class Asker:
    """Asks Marketing Cloud with the senders' token.

    Each method waits out passing trouble, and raises:
        EventDefinitionError: The event definition `key` is asked for, and there is none.
        PermissionDeniedError: The package may not read this.
        EndpointError: The answer cannot be read, or comes from somewhere else.
        UnavailableError: No answer could be had.
        CredentialsError: No token could be had.
    """

    def __init__(
        self, *, client: Client, keeper: TokenKeeper, clock: Clock, attempts: int = ATTEMPTS
    ) -> None:
        self.client = client
        self.clock = clock
        self.attempts = attempts
        self._keeper = keeper

    async def get(self, url: str, *, subject: str, key: str | None = None) -> dict[str, Any]:
        """GET an object; `subject` says in messages what was asked for."""
        return content_of(await self.reply(url, subject=subject, key=key), subject=subject)

    async def post(self, url: str, question: Mapping[str, Any], *, subject: str) -> dict[str, Any]:
        """POST a question that changes nothing, and read the object that answers it."""
        body = orjson.dumps(question)
        return content_of(await self.reply(url, body, subject=subject), subject=subject)

    async def reply(
        self, url: str, body: bytes | None = None, *, subject: str, key: str | None = None
    ) -> Reply:
        """The whole answer of success to a GET, or to a POST of `body`."""

        async def ask() -> Reply:
            reply = await self._once(url, body)
            if isinstance(reply, Reply) and 200 <= reply.status < 300 and reply.whole:
                return reply

            raise trouble(reply, subject=subject, key=key, now=self.clock.wall())

        return await patiently(
            ask, subject=subject[0].upper() + subject[1:], attempts=self.attempts
        )

    async def token(self, stale: str | None = None) -> str:
        """The token; another one where `stale` was refused."""
        return await (self._keeper.token() if stale is None else self._keeper.renew(stale))

    def ahead_seconds(self, reply: Reply) -> float:
        """How far Marketing Cloud's clock is ahead of ours; 0 where both may show the same."""
        said = http_date(reply.headers.get("Date"))
        if said is None:
            return 0.0

        # A date has whole seconds, and was written at some time between question and answer.
        least = (said - self.clock.wall()).total_seconds()
        most = least + reply.seconds + 1.0
        return 0.0 if least <= 1.0 and most >= -1.0 else (least + most) / 2

    async def _once(self, url: str, body: bytes | None) -> Reply | Broken:
        """Ask with the token; a refused token is renewed once."""
        token = await self.token()
        reply = await self._send(url, body, token)
        if isinstance(reply, Reply) and reply.status == 401:
            reply = await self._send(url, body, await self.token(token))

        return reply

    async def _send(self, url: str, body: bytes | None, token: str) -> Reply | Broken:
        if body is None:
            return await self.client.get(url, headers=bearer(token), max_bytes=ANSWER_BYTES)

        return await self.client.post(url, body, headers=bearer(token), max_bytes=ANSWER_BYTES)


def content_of(reply: Reply, *, subject: str) -> dict[str, Any]:
    """The object an answer holds; raises EndpointError where it is none."""
    content = parse(reply.body)
    if isinstance(content, dict):
        return content

    said = f"status {reply.status}: {reply.excerpt()}"
    raise EndpointError(f"The answer to a request for {subject} is no object ({said})")


def trouble(
    reply: Reply | Broken, *, subject: str, key: str | None = None, now: datetime
) -> PassingError | HaltError:
    """What an answer that is no success means: it may pass, or it stays wrong."""
    if isinstance(reply, Broken):
        return _unanswered(reply)

    if 200 <= reply.status < 300:
        return PassingError(f"the answer broke off after {len(reply.body):,} bytes")

    return _refusal(Said.of(reply, now=now), subject=subject, key=key)


def _unanswered(broken: Broken) -> PassingError | HaltError:
    if broken.breakage is Breakage.CERTIFICATE:
        return EndpointError(f"The server's certificate was refused ({broken.detail})")

    return PassingError(broken.detail)


def _refusal(said: Said, *, subject: str, key: str | None) -> PassingError | HaltError:
    if said.status in {408, 429} or said.status >= 500:
        return PassingError(said.detail, retry_after=said.retry_after)

    if said.status in {401, 403}:
        return PermissionDeniedError(
            f"The installed package behind account.client_id may not read {subject} ({said.detail})"
        )

    missing = said.status == 404 and said.code is not None  # without a code it is no such route
    if key is not None and (missing or said.names_event_definition):
        return unknown_definition(said, key=key)

    return EndpointError(
        f"A request for {subject} is answered with {said.detail}. Look at account.rest_url or "
        "account.subdomain"
    )
