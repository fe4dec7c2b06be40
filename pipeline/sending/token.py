"""The token: asked for when first needed, renewed before it ends, one request at a time.

However many senders meet a refused token at once, `renew` asks for one new token: whoever comes
with a token that is no longer the current one is given the current one. One keeper per
credential: asking for a second v1 token may end the first. Many workers keep one together
(shared.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import anyio
import anyio.to_thread

from ..errors import UnavailableError
from ..events import TokenRenewed
from .endpoint import token_body, token_url
from .grants import read_grant
from .patience import ATTEMPTS, PassingError, patiently
from .verdict import Fatal, Granted, TryLater

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..events import Emit
    from .account import Account
    from .client import Client
    from .clock import Clock
    from .shared import Shared

__all__ = ("TokenKeeper", "early_seconds", "keeper_of", "token_from")

EARLY_SECONDS: Final = 300.0
EARLY_SHARE: Final = 0.15
PATIENCE_SECONDS: Final = 30.0
"""After an early renewal failed: so long until the next one, while the old token still works."""


def early_seconds(lifetime_seconds: float) -> float:
    """How long before its end a token is renewed: 300 s, or 15 % of a short life.

    300 s before the end is what Salesforce's own SDKs do with a v1 token's 3600; for a v2 token's
    1079 it is 160.
    """
    return min(EARLY_SECONDS, EARLY_SHARE * lifetime_seconds)


class TokenKeeper:
    """Holds the one token of a credential. `fetch` asks for a new one, with patience."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Granted]],
        *,
        emit: Emit,
        clock: Clock,
        shared: Shared | None = None,
    ) -> None:
        """`shared` is where workers keep one token together; None: this process has its own."""
        self._fetch = fetch
        self._shared = shared
        self._emit = emit
        self._clock = clock
        self._lock = anyio.Lock()
        self._held: str | None = None
        self._rest_base: str | None = None
        self._early = 0.0
        self._end = 0.0
        self._renewals = 0
        self._asked = False  # for the token that is held

    @property
    def renewals(self) -> int:
        """How many tokens were asked for."""
        return self._renewals

    @property
    def ready(self) -> bool:
        """Whether there is a token that has not ended."""
        return self._held is not None and self._clock.now() < self._end

    @property
    def rest_base(self) -> str | None:
        """The REST host that the current token came with, if it is to be used."""
        return self._rest_base

    def fresh(self, token: str) -> bool:
        """Whether `token` is the current one, and this process has asked for it."""
        return token == self._held and self._asked

    def current(self) -> str | None:
        """The current token, unless it is time to ask for another."""
        return self._held if self._clock.now() < self._early else None

    async def token(self) -> str:
        """The current token. Waits only where there is none that works.

        Near its end the first caller renews it; the others go on with the old one.

        Raises:
            HaltError: Credentials or address are wrong, or no token could be had.
        """
        held, now = self._held, self._clock.now()
        if held is None:
            return await self._replace(None, reason="first")

        if now < self._early or (now < self._end and self._lock.locked()):
            return held

        if now >= self._end:
            return await self._replace(held, reason="ending")

        try:
            return await self._replace(held, reason="ending")
        except UnavailableError:
            if self._clock.now() >= self._end:
                raise

            self._early = min(self._clock.now() + PATIENCE_SECONDS, self._end)
            return held

    async def renew(self, stale: str) -> str:
        """A token other than `stale`, which was refused; asks only if `stale` is the current one.

        Raises:
            HaltError: As `token`.
        """
        return await self._replace(stale, reason="refused")

    async def _replace(self, stale: str | None, *, reason: str) -> str:
        async with self._lock:
            if self._held is not None and self._held != stale:
                return self._held  # somebody renewed it while we waited

            granted, asked = await self._another_than(stale)
            # Counted from the answer, not from the question: the early mark is wider than any trip.
            now = self._clock.now()
            self._held = granted.token
            self._rest_base = granted.rest_base
            self._end = now + granted.lifetime_seconds
            self._early = self._end - early_seconds(granted.lifetime_seconds)
            self._asked = asked
            self._renewals += asked
            self._emit(
                TokenRenewed(lifetime_seconds=granted.lifetime_seconds, reason=reason, asked=asked)
            )
            return granted.token

    async def _another_than(self, stale: str | None) -> tuple[Granted, bool]:
        """A token, and whether it was asked for just now."""
        if self._shared is not None:
            return await self._shared.token(stale, self._fetch)

        return await self._fetch(), True

    def __repr__(self) -> str:
        left = f"{self._end - self._clock.now():.0f} s left" if self._held else "no token yet"
        return f"<TokenKeeper {left}, {self._renewals} obtained>"


def keeper_of(
    account: Account,
    client: Client,
    *,
    emit: Emit,
    clock: Clock,
    attempts: int = ATTEMPTS,
    shared: Shared | None = None,
) -> TokenKeeper:
    """A keeper of the account's token; nothing is asked yet."""
    fetch = token_from(account, client, clock=clock, attempts=attempts)
    return TokenKeeper(fetch, emit=emit, clock=clock, shared=shared)


def token_from(
    account: Account, client: Client, *, clock: Clock, attempts: int = ATTEMPTS
) -> Callable[[], Awaitable[Granted]]:
    """The keeper's `fetch`: asks the account's token route, and again when the trouble may pass."""

    async def ask() -> Granted:
        secret = await anyio.to_thread.run_sync(account.secret)
        reply = await client.post(token_url(account), token_body(account, secret), headers={})
        match answer := read_grant(reply, account=account, secret=secret, now=clock.wall()):
            case Granted():
                return answer
            case TryLater():
                raise PassingError(answer.detail, retry_after=answer.retry_after)
            case Fatal():
                raise answer.error
            case _:
                assert_never(answer)

    return lambda: patiently(ask, subject="A token", attempts=attempts)
