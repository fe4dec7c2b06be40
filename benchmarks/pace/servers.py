"""Servers of different tempers, in simulated time: each answers a request after so long with so.

`ideal(now)` is the oracle's: what the best of all clients would get through a second, just now,
with at most `CLIENTS` requests under way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.sending.verdict import Ambiguous, Taken, TryLater

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from pipeline.sending.verdict import Verdict

__all__ = ("CLIENTS", "SCENARIOS", "Scenario", "Server")

CLIENTS = 40
"""Requests that may be under way at once: `max_in_flight`."""

LATENCY = 0.2
_TAKEN = Taken(event_instance_id="e")
_BUSY = TryLater(reason="unavailable", detail="status 503")
_DOWN = TryLater(reason="connection_refused", detail="nobody listens")
_LOST = Ambiguous(reason="connection_lost", detail="the connection ended")
_BLOCKED = TryLater(reason="rate_limited", detail="status 429, errorcode 50200", holds_all=True)


@dataclass(slots=True, kw_only=True)
class Server:
    """One server. `serve` is a request; the rest is what it is made of."""

    random: Random
    latency: Callable[[int, float, Random], float]  # of so many in flight, at a time
    refuse: Callable[[Server, float], Verdict | None] = lambda _server, _now: None
    down: Callable[[float], bool] = lambda _now: False  # whoever is under way hears no more
    ideal: Callable[[float], float]  # requests a second
    in_flight: int = 0
    tokens: float = 0.0
    then: float = 0.0
    answers: list[tuple[float, str]] = field(default_factory=list)

    async def serve(self) -> Verdict:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        self.in_flight += 1
        try:
            verdict = self.refuse(self, loop.time())
            if verdict is None:
                await asyncio.sleep(self.latency(self.in_flight, loop.time(), self.random))
                verdict = _LOST if self.down(loop.time()) else _TAKEN
            else:
                await asyncio.sleep(0.001 if verdict is _DOWN else LATENCY / 4)
        finally:
            self.in_flight -= 1

        kind = "taken" if verdict is _TAKEN else "refused"
        self.answers.append((loop.time(), kind))
        return verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A server's temper, and when something about it changes: the run recovers from then on."""

    name: str
    about: str
    seconds: float
    make: Callable[[Random], Server]
    changes: tuple[float, ...] = ()


def _jittered(_in_flight: int, _now: float, random: Random) -> float:
    return LATENCY * random.lognormvariate(0.0, 0.15)


def _knee(limit: Callable[[float], int]) -> Callable[[Random], Server]:
    """Constant latency; more than `limit(now)` at once are refused."""

    def refuse(server: Server, now: float) -> Verdict | None:
        return _BUSY if server.in_flight > limit(now) else None

    def make(random: Random) -> Server:
        mean = LATENCY * 1.0113  # of the lognormal
        return Server(
            random=random,
            latency=_jittered,
            refuse=refuse,
            ideal=lambda now: min(limit(now), CLIENTS) / mean,
        )

    return make


def _loaded(random: Random) -> Server:
    """Latency grows with the square of the load: past 16 in flight, less gets through."""

    def latency(in_flight: int, _now: float, random: Random) -> float:
        return LATENCY * (1 + (in_flight / 16) ** 2) * random.lognormvariate(0.0, 0.15)

    best = max(n / (LATENCY * 1.0113 * (1 + (n / 16) ** 2)) for n in range(1, CLIENTS + 1))
    return Server(random=random, latency=latency, ideal=lambda _now: best)


def _bucket(random: Random) -> Server:
    """A bucket of 60 requests a second, as many of which it keeps; 429 when it is empty."""
    rate = kept = 60.0

    def refuse(server: Server, now: float) -> Verdict | None:
        server.tokens = min(kept, server.tokens + rate * (now - server.then))
        server.then = now
        if server.tokens >= 1.0:
            server.tokens -= 1.0
            return None

        return TryLater(
            reason="rate_limited",
            detail="status 429, errorcode 50100",
            retry_after=1.0,
            holds_all=True,
        )

    return Server(
        random=random, latency=_jittered, refuse=refuse, ideal=lambda _now: rate, tokens=kept
    )


def _blocking(random: Random) -> Server:
    """From 40 to 160 everything is answered with a 429 that does not say for how long."""

    def refuse(_server: Server, now: float) -> Verdict | None:
        return _BLOCKED if 40 <= now < 160 else None

    return Server(
        random=random,
        latency=_jittered,
        refuse=refuse,
        ideal=lambda now: 0.0 if 40 <= now < 160 else CLIENTS / (LATENCY * 1.0113),
    )


def _slow_ones(random: Random) -> Server:
    """One request in a hundred takes five seconds."""

    def latency(_in_flight: int, _now: float, random: Random) -> float:
        return 5.0 if random.random() < 0.01 else _jittered(0, 0, random)

    mean = 0.99 * LATENCY * 1.0113 + 0.05
    return Server(random=random, latency=latency, ideal=lambda _now: CLIENTS / mean)


def _dying(random: Random) -> Server:
    """From 40 to 85 nobody listens, and what was under way is lost."""

    def down(now: float) -> bool:
        return 40 <= now < 85

    return Server(
        random=random,
        latency=_jittered,
        refuse=lambda _server, now: _DOWN if down(now) else None,
        down=down,
        ideal=lambda now: 0.0 if down(now) else CLIENTS / (LATENCY * 1.0113),
    )


SCENARIOS = (
    Scenario(
        name="knee",
        about="constant latency, more than 20 at once are refused",
        seconds=100,
        make=_knee(lambda _now: 20),
    ),
    Scenario(
        name="load",
        about="latency grows with load, most gets through with 16 at once",
        seconds=100,
        make=_loaded,
    ),
    Scenario(
        name="bucket", about="60 a second, then 429 with Retry-After", seconds=120, make=_bucket
    ),
    Scenario(
        name="blocked",
        about="429 without Retry-After from 40 to 160 s",
        seconds=210,
        make=_blocking,
        changes=(160,),
    ),
    Scenario(
        name="flat",
        about="flat latency, any number at once",
        seconds=60,
        make=_knee(lambda _now: 10_000),
    ),
    Scenario(
        name="step",
        about="30 at once, 8 from 50 to 100 s, then 30 again",
        seconds=150,
        make=_knee(lambda now: 8 if 50 <= now < 100 else 30),
        changes=(50, 100),
    ),
    Scenario(
        name="slow ones", about="one request in a hundred takes 5 s", seconds=80, make=_slow_ones
    ),
    Scenario(
        name="dies",
        about="nobody listens from 40 to 85 s",
        seconds=130,
        make=_dying,
        changes=(85,),
    ),
)
