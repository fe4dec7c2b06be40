"""The pace: requests per second, contacts per hour, and the pauses a server asks for.

Requests go through a leaky bucket (aiolimiter) of capacity c that drains at 99.5 % of the asked
rate r, where c = 1 + floor(0.04 r) + 0.003 r. Any second then holds at most 0.995 r + c requests,
rounded down: never more than asked below 25 a second, and within 4 % above. What c has above 1 is
what lets the bucket catch up after a timer or a busy loop was late: 3 ms at any rate, 40 ms where
one more request in a second makes no matter. What is left of the half percent keeps a second from
holding one too many when a request reaches the server some 2 ms late.

Senders wait in one line. Only the first in it waits for the bucket, the contacts' schedule and a
pause; so a pause holds everybody, and its end lets nobody rush.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from aiolimiter import AsyncLimiter

if TYPE_CHECKING:
    from .clock import Clock
    from .policy import DeliveryPolicy

__all__ = ("ContactSchedule", "Hold", "Pace", "Pacing", "bucket")

SLOWED: Final = 0.995
BURST_SHARE: Final = 0.04
CATCH_UP_SECONDS: Final = 0.003
UNPACED: Final = 100_000.0
"""Requests per second that no process reaches: no bucket is kept for more."""

LATE_SECONDS: Final = 0.05
SECONDS_AN_HOUR: Final = 3600.0


class Pacing(Protocol):
    """What senders need of a pace, be it one process's own or many workers' common one."""

    async def wait(self, contacts: int) -> None:
        """Return when a request of so many contacts may be sent; may be cancelled."""

    def take(self, contacts: int) -> bool:
        """Take leave to send at once, where that needs no waiting; else nothing is taken."""

    def hold(self, seconds: float) -> bool:
        """Let nobody send for `seconds` from now; whether that is worth telling."""


def bucket(requests_per_second: float) -> tuple[float, float]:
    """Capacity, and the seconds in which it drains, of the bucket for a rate."""
    burst = math.floor(BURST_SHARE * requests_per_second)
    capacity = 1 + burst + CATCH_UP_SECONDS * requests_per_second
    return capacity, capacity / (SLOWED * requests_per_second)


class ContactSchedule:
    """Spreads contacts evenly over the hours. Sans-IO: told the time.

    After a batch of n contacts the next may go n / rate seconds later. Time that was not used is
    not made up for (the journey digests no faster because it was idle), but for the moment by
    which a timer or a busy loop is late.
    """

    def __init__(self, contacts_per_hour: float | None) -> None:
        self._seconds_each = SECONDS_AN_HOUR / contacts_per_hour if contacts_per_hour else 0.0
        self._free_at = -math.inf

    def wait_seconds(self, now: float) -> float:
        """How long the next batch must wait."""
        return max(0.0, self._free_at - now)

    def spend(self, contacts: int, now: float) -> None:
        """A batch of `contacts` goes."""
        late = self._free_at < now <= self._free_at + LATE_SECONDS
        begin = self._free_at if late else max(self._free_at, now)
        self._free_at = begin + contacts * self._seconds_each

    def __repr__(self) -> str:
        return f"<ContactSchedule {self._seconds_each * 1000:.3f} ms a contact>"


class Hold:
    """A pause for everybody. Sans-IO: told the time. A shorter one never ends a longer one."""

    def __init__(self) -> None:
        self._until = -math.inf

    def until(self, moment: float, *, now: float) -> bool:
        """Hold until `moment`; whether a pause begins with that, or grows by a second or more.

        Requests that were under way together are refused together: that is one pause.
        """
        begins = self._until <= now
        grows = moment >= self._until + 1.0
        self._until = max(self._until, moment)
        return moment > now and (begins or grows)

    def wait_seconds(self, now: float) -> float:
        """How long the pause lasts from `now` on."""
        return max(0.0, self._until - now)


class Pace:
    """The pace of one process. Belongs to the event loop in which it is first waited for."""

    def __init__(self, policy: DeliveryPolicy, *, clock: Clock) -> None:
        rate = policy.requests_per_second
        self._limiter = AsyncLimiter(*bucket(rate)) if rate < UNPACED else None
        self._schedule = ContactSchedule(policy.contacts_per_hour)
        self._hold = Hold()
        self._clock = clock
        self._line = anyio.Lock(fast_acquire=True)

    async def wait(self, contacts: int) -> None:
        """Return when a request of `contacts` may be sent. Ask before every retry, too."""
        async with self._line:
            await self._wait_for_leave()
            if self._limiter is not None:
                await self._limiter.acquire()
                await self._wait_for_leave()  # a pause may have begun meanwhile

            self._schedule.spend(contacts, self._clock.now())

    def take(self, contacts: int) -> bool:
        """Take leave to send at once. Where requests are paced it is had by waiting alone."""
        now = self._clock.now()
        if self._limiter is not None or self._line.locked() or self.wait_seconds(now) > 0:
            return False

        self._schedule.spend(contacts, now)
        return True

    def hold(self, seconds: float) -> bool:
        """Let nobody send for `seconds` from now; whether that is worth telling."""
        now = self._clock.now()
        return self._hold.until(now + seconds, now=now)

    def wait_seconds(self, now: float) -> float:
        """How long pause and schedule together make the next batch wait."""
        return max(self._hold.wait_seconds(now), self._schedule.wait_seconds(now))

    async def _wait_for_leave(self) -> None:
        while (seconds := self.wait_seconds(self._clock.now())) > 0:
            await self._clock.sleep(seconds)

    def __repr__(self) -> str:
        return f"<Pace {self._limiter!r} {self._schedule!r}>"
