"""The line to the server on which workers share a pace and a token (shared.py)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

import anyio

from ..errors import EndpointError, UnavailableError
from ..events import CoordinationLost, CoordinationRegained
from ..intake.extras import need

if TYPE_CHECKING:
    from ..events import Emit
    from .clock import Clock
    from .coordination import CoordinationPolicy

__all__ = ("ANSWER_SECONDS", "Line")

ANSWER_SECONDS: Final = 5.0
AWAY_SECONDS: Final = 0.5
"""Between two tries."""

FIRST_SECONDS: Final = 15.0
"""How long a server is waited for that has never answered: its name may be wrong."""

_PASSING: Final = (
    *("ReadOnly", "OutOfMemory", "ClusterDown", "MasterDown", "TryAgain", "BusyLoading"),
    *("READONLY", "OOM", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "LOADING", "BUSY", "MISCONF"),
)
"""What a server says that is taken over by another, is full, or is busy: it may pass."""


class _AwayError(Exception):
    """The server is away, or cannot do what it is asked for just now."""


class Line:
    """Runs scripts on the server; it connects with the first. `prefix` begins each key's name."""

    def __init__(
        self,
        policy: CoordinationPolicy,
        *,
        prefix: str,
        patience_seconds: float,
        clock: Clock,
        emit: Emit,
    ) -> None:
        """Raises SourceError where the library is missing."""
        need("redis.asyncio", extra="redis", what="coordination.url")
        self._policy = policy
        self._prefix = prefix
        self._patience = patience_seconds
        self._clock = clock
        self._emit = emit
        self._redis: Any = None
        self._lost = False
        self._answered = False

    async def close(self) -> None:
        """Closing again does nothing."""
        if self._redis is not None:
            with anyio.CancelScope(shield=True):
                await self._redis.aclose()

    async def run(self, script: str, names: tuple[str, ...], *arguments: object) -> Any:
        """Run a script of the server's, again and again while the server is away.

        That repeats what may have been done already: at worst a slot is left empty. A server that
        has never answered is not waited for as long as one that did: its name may be wrong.
        """
        keys = [f"{self._prefix}:{name}" for name in names]
        began = self._clock.now()
        while True:
            try:
                result = await self._once(script, keys, arguments)
            except _AwayError as error:
                if not self._lost:
                    self._lost = True
                    self._emit(CoordinationLost(server=self._policy.label, detail=str(error)))

                away = self._clock.now() - began
                if away >= min(self._patience, inf if self._answered else FIRST_SECONDS):
                    raise UnavailableError(
                        f"coordination.url: {self._policy.label} has been away for {away:,.0f} s "
                        f"({error}), and without it nobody knows what the other workers send. "
                        "`run` goes on once it is there again"
                    ) from None

                await self._clock.sleep(AWAY_SECONDS)
            else:
                self._answered = True
                if self._lost:
                    self._lost = False
                    away = self._clock.now() - began
                    self._emit(CoordinationRegained(server=self._policy.label, seconds=away))

                return result

    async def _once(self, script: str, keys: list[str], arguments: tuple[object, ...]) -> Any:
        """Raises _AwayError where it may be done again, EndpointError where that is no use."""
        errors = need("redis.exceptions", extra="redis", what="coordination.url")
        refused = (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError)
        lost = (errors.ConnectionError, errors.TimeoutError, OSError)
        try:
            return await self._connected().eval(script, len(keys), *keys, *arguments)
        except (errors.RedisError, OSError) as error:
            told = f"{type(error).__name__} {error}"
            passing = isinstance(error, lost) or any(word in told for word in _PASSING)
            if isinstance(error, refused) or not passing:
                raise self._refused(error) from None

            # The name may lead to another server by now: old connections are of no use.
            await self._connected().connection_pool.disconnect()
            raise _AwayError(str(error)) from None

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
        return f"<Line to {self._policy.label}>"
