"""Shared: one pace and one token for many workers, on a Redis or Valkey server.

Workers that inject for the same credentials, on whatever machines, hold in common

    token      who needs another one than it has looks here first, and one alone asks for a new one:
               asking for a v1 token may end the one that all others send with
    slot       when the next request, and the next contact, may go: `requests_per_second` and
               `contacts_per_hour` are what all of them together may send
    hold       until when nobody may go, because one of them was told so

The time is the server's, so no worker's clock matters. Each key is called after a digest of whom
the credentials belong to, and is forgotten when it means nothing any more. What a worker finds out
by trying (how many at once, what the server can take, whether it is well) stays its own.

Nothing goes while the server is away: two workers that each keep the whole pace are what it is
there against. After `delivery.max_outage_seconds` of that the run halts. The token lies there as it
is: who may read the server may send with it.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final, Self

import anyio
import orjson

from .bucket import UNPACED
from .limits import Limit
from .line import ANSWER_SECONDS, Line
from .scripts import CLAIM, HOLD, KEEP, LET_GO, LOOK, RESERVE
from .token import early_seconds
from .verdict import Granted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from ..events import Emit
    from .account import Account
    from .clock import Clock
    from .coordination import CoordinationPolicy

__all__ = ("Shared", "Slot")

SLOWED: Final = 0.99
"""Of the asked rate: a hundredth of a second lies between a slot and its request's first byte now,
and not the next time, and no second may hold one too many for that."""

SLACK_SECONDS: Final = 0.01
"""How much of a slot that nobody took is made up for: timers and busy loops are late."""

SPREAD_SECONDS: Final = 0.25
AHEAD_SECONDS: Final = 1.0
"""A slot further away is not taken yet: much may change until then."""

ASKING_SECONDS: Final = 60.0
"""So long one worker alone asks for a token; if it died meanwhile, another does then."""

LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Slot:
    """When a request may go: in `seconds`, if it is `taken`; else that is when to ask again."""

    taken: bool
    seconds: float
    limit: Limit


class Shared:
    """One worker's part in it. An async context manager; it connects when it is first asked."""

    def __init__(
        self,
        policy: CoordinationPolicy,
        account: Account,
        *,
        patience_seconds: float,
        clock: Clock,
        emit: Emit,
    ) -> None:
        self._account = account
        self._clock = clock
        self._name = secrets.token_hex(8)
        self._chance = Random().random
        # A token is good for one business unit and what was asked for; so is everything here.
        whose = (
            account.auth,
            account.auth_base,
            account.client_id,
            account.account_id,
            account.scope,
        )
        self._whose = hashlib.blake2b(repr(whose).encode(), digest_size=12).hexdigest()
        self._line = Line(
            policy,
            prefix=f"journey-pipeline:{{{self._whose}}}",
            patience_seconds=patience_seconds,
            clock=clock,
            emit=emit,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._line.close()

    async def token(
        self, stale: str | None, ask: Callable[[], Awaitable[Granted]]
    ) -> tuple[Granted, bool]:
        """A token other than `stale`, and whether it was asked for just now, by this worker.

        Raises HaltError as `ask` does, and where the server stays away.
        """
        while True:
            granted = await self._known(stale)
            if granted is not None:
                return granted, False

            try:
                if await self._line.run(
                    CLAIM, ("asking",), self._name, round(1000 * ASKING_SECONDS)
                ):
                    found = await self._asked(stale, ask)
                    if found is not None:
                        return found
            finally:  # also where the claim's answer was not waited for
                with anyio.move_on_after(ANSWER_SECONDS, shield=True):
                    await self._line.run(LET_GO, ("asking",), self._name)

            await self._clock.sleep(LOOK_SECONDS)

    async def _asked(
        self, stale: str | None, ask: Callable[[], Awaitable[Granted]]
    ) -> tuple[Granted, bool] | None:
        """The token that is asked for; None where another worker has asked meanwhile.

        Who asks for longer than his claim lasts may have ended the other's token, or not: what the
        other has is tried first.
        """
        granted = await self._known(stale)  # whoever asked before has just let go
        if granted is not None:
            return granted, False

        granted = await ask()
        lifetime = granted.lifetime_seconds
        cell = {
            "token": granted.token,
            "rest_base": granted.rest_base,
            "early_seconds": early_seconds(lifetime),
        }
        kept = await self._line.run(
            KEEP,
            ("token", "asking"),
            orjson.dumps(cell),
            max(1, round(1000 * lifetime)),
            self._name,
        )
        return (granted, True) if kept else None

    async def _known(self, stale: str | None) -> Granted | None:
        """The token that lies there, if it is another one and not near its end."""
        found = await self._line.run(LOOK, ("token",))
        if not found:
            return None

        try:
            cell, left = orjson.loads(found[0]), int(found[1]) / 1000
            if cell["token"] == stale or left <= cell["early_seconds"]:
                return None
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None  # not ours, and written over

        return Granted(
            token=cell["token"],
            lifetime_seconds=left,
            # What came over the server is trusted no more than what came with the token.
            rest_base=self._account.trusted(cell.get("rest_base")),
        )

    async def slot(
        self, contacts: int, *, requests_per_second: float, contacts_per_hour: float | None
    ) -> Slot:
        """Ask when a request of so many contacts may go.

        Raises HaltError where the server stays away.
        """
        paced = requests_per_second < UNPACED
        taken, away, why = await self._line.run(
            RESERVE,
            ("requests", "contacts", "hold"),
            round(1e6 / (SLOWED * requests_per_second)) if paced else 0,
            f"{3.6e9 / contacts_per_hour:.3f}" if contacts_per_hour else 0,
            contacts,
            round(1e6 * SLACK_SECONDS),
            round(1e6 * AHEAD_SECONDS),
        )
        # Not all at the same moment: else the same one is always first.
        later = 0.0 if taken else SPREAD_SECONDS * self._chance()
        return Slot(bool(taken), away / 1e6 + later, _LIMITS[why.decode()])

    async def hold(self, seconds: float) -> None:
        """Let no worker go for `seconds` from now."""
        await self._line.run(HOLD, ("hold",), round(1e6 * seconds))

    def __repr__(self) -> str:
        return f"<Shared on {self._line}>"


_LIMITS: Final = {"rate": Limit.RATE, "contacts": Limit.CONTACTS, "hold": Limit.HOLD}
