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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, TypeVar
from urllib.parse import urlsplit

import anyio
import orjson

from ..errors import EndpointError, UnavailableError
from ..events import CoordinationLost, CoordinationRegained
from ..intake.extras import need
from .bucket import UNPACED
from .limits import Limit
from .scripts import CLAIM, HOLD, KEEP, LET_GO, LOOK, RESERVE
from .token import early_seconds
from .verdict import Granted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from ..events import Emit
    from .account import Account
    from .clock import Clock

    Result = TypeVar("Result")

__all__ = ("CoordinationPolicy", "Shared", "Slot")

SLOWED: Final = 0.99
"""Of the asked rate: a hundredth of a second lies between a slot and its request's first byte now,
and not the next time, and no second may hold one too many for that."""

SLACK_SECONDS: Final = 0.01
"""How much of a slot that nobody took is made up for: timers and busy loops are late."""

AHEAD_SECONDS: Final = 1.0
"""A slot further away is not taken yet: much may change until then."""

ASKING_SECONDS: Final = 60.0
"""So long one worker alone asks for a token; if it died meanwhile, another does then."""

LOOK_SECONDS: Final = 0.1
AWAY_SECONDS: Final = 0.5
ANSWER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationPolicy:
    """What many workers share: one pace and one token."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    url: str | None = field(default=None, repr=False)  # it may hold a password
    """The Redis or Valkey on which many workers share one pace and one token, such as
    "redis://127.0.0.1:6379/0"; rediss:// for TLS, a password best as JOURNEY_COORDINATION__URL.
    Absent: this process paces itself alone."""

    def __post_init__(self) -> None:
        if self.url is not None and urlsplit(self.url).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("url must begin with redis://, rediss:// or unix://")

    @property
    def password(self) -> str | None:
        """What must never be printed."""
        return None if self.url is None else urlsplit(self.url).password

    @property
    def label(self) -> str:
        """What messages call the server."""
        parts = urlsplit(self.url or "")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


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
        self._policy = policy
        self._account = account
        self._patience = patience_seconds
        self._clock = clock
        self._emit = emit
        self._name = secrets.token_hex(8)
        self._redis: Any = None
        whose = f"{account.auth}\n{account.auth_base}\n{account.client_id}"
        self._whose = hashlib.blake2b(whose.encode(), digest_size=12).hexdigest()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._redis is not None:
            with anyio.CancelScope(shield=True):
                await self._redis.aclose()

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

            if await self._run(CLAIM, ("asking",), self._name, round(1000 * ASKING_SECONDS)):
                return await self._asked(stale, ask)

            await self._clock.sleep(LOOK_SECONDS)

    async def _asked(
        self, stale: str | None, ask: Callable[[], Awaitable[Granted]]
    ) -> tuple[Granted, bool]:
        try:
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
            await self._run(KEEP, ("token",), orjson.dumps(cell), max(1, round(1000 * lifetime)))
            return granted, True
        finally:
            with anyio.move_on_after(ANSWER_SECONDS, shield=True):
                await self._run(LET_GO, ("asking",), self._name)

    async def _known(self, stale: str | None) -> Granted | None:
        """The token that lies there, if it is another one and not near its end."""
        found = await self._run(LOOK, ("token",))
        if not found:
            return None

        cell, left = orjson.loads(found[0]), int(found[1]) / 1000
        if cell["token"] == stale or left <= cell["early_seconds"]:
            return None

        return Granted(
            token=cell["token"],
            lifetime_seconds=left,
            # What came over the server is trusted no more than what came with the token.
            rest_base=self._account.trusted(cell["rest_base"]),
        )

    async def slot(
        self, contacts: int, *, requests_per_second: float, contacts_per_hour: float | None
    ) -> Slot:
        """Ask when a request of so many contacts may go.

        Raises HaltError where the server stays away.
        """
        paced = requests_per_second < UNPACED
        taken, away, why = await self._run(
            RESERVE,
            ("requests", "contacts", "hold"),
            round(1e6 / (SLOWED * requests_per_second)) if paced else 0,
            round(3.6e9 * contacts / contacts_per_hour) if contacts_per_hour else 0,
            round(1e6 * SLACK_SECONDS),
            round(1e6 * AHEAD_SECONDS),
        )
        return Slot(bool(taken), away / 1e6, _LIMITS[why.decode()])

    async def hold(self, seconds: float) -> None:
        """Let no worker go for `seconds` from now."""
        await self._run(HOLD, ("hold",), round(1e6 * seconds))

    async def _run(self, script: str, names: tuple[str, ...], *arguments: object) -> Any:
        """Run a script of the server's, again and again while the server is away.

        That repeats what may have been done already: at worst a slot is left empty.
        """
        errors = need("redis.exceptions", extra="redis", what="coordination.url")
        keys = [f"journey-pipeline:{{{self._whose}}}:{name}" for name in names]
        lost_at: float | None = None
        while True:
            now = self._clock.now()
            try:
                result = await self._connected().eval(script, len(keys), *keys, *arguments)
            except (errors.ConnectionError, errors.TimeoutError, OSError) as error:
                if isinstance(error, errors.AuthenticationError | errors.AuthorizationError):
                    raise self._refused(error) from None

                if lost_at is None:
                    lost_at = now
                    self._emit(CoordinationLost(server=self._policy.label, detail=str(error)))

                if now - lost_at >= self._patience:
                    raise UnavailableError(
                        f"coordination.url: {self._policy.label} has been away for "
                        f"{now - lost_at:,.0f} s ({error}), and without it nobody knows what the "
                        "other workers send. `run` goes on once it is there again"
                    ) from None

                await self._clock.sleep(AWAY_SECONDS)
            except errors.ResponseError as error:
                raise self._refused(error) from None
            else:
                if lost_at is not None:
                    seconds = self._clock.now() - lost_at
                    self._emit(CoordinationRegained(server=self._policy.label, seconds=seconds))

                return result

    def _connected(self) -> Any:
        if self._redis is None:
            client = need("redis.asyncio", extra="redis", what="coordination.url")
            self._redis = client.Redis.from_url(
                self._policy.url,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                protocol=2,
            )

        return self._redis

    def _refused(self, error: Exception) -> EndpointError:
        return EndpointError(
            f"coordination.url: {self._policy.label} refuses ({error}). Look at the user and the "
            "password in it (JOURNEY_COORDINATION__URL), and whether they may run EVAL"
        )

    def __repr__(self) -> str:
        return f"<Shared on {self._policy.label}>"


_LIMITS: Final = {"rate": Limit.RATE, "contacts": Limit.CONTACTS, "hold": Limit.HOLD}
