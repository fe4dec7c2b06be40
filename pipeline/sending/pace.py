"""The pace: how fast requests go, and how many at once. Senders ask it, and tell it what came back.

Requests go through a bucket (bucket.py), and through a second one of the same rate, the gate, right
before the wire (control.py, Permit). Where many workers share a pace they come to terms about each
request besides (shared.py).

Senders wait in one line. Only the first in it waits, for whatever the control says (control.py),
for the bucket and for the other workers; so a pause holds everybody, and its end lets nobody rush.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import anyio

from ..events import HoldStarted, PaceChanged, WindowClosed
from .bucket import UNPACED, fill, limiter_of
from .control import Control, Wait
from .limits import Limit, Standing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ..events import Emit
    from .clock import Clock
    from .control import Permit
    from .policy import DeliveryPolicy
    from .shared import Shared
    from .verdict import Verdict

__all__ = ("Pace",)

TOLD_ANOTHER: Final = "another worker was told to wait"
LONGEST_SECONDS: Final = 2.0
"""Other workers may end meanwhile, or somebody ask for another pace."""


class Pace:
    """The pace of one process. Belongs to the event loop in which it is first waited for."""

    def __init__(
        self, policy: DeliveryPolicy, *, clock: Clock, emit: Emit, shared: Shared | None = None
    ) -> None:
        """`shared` is where many workers keep one pace together."""
        self._policy = policy
        self._shared = shared
        self._untold = 0.0  # until when a hold lasts that the others have not been told of
        self._keep(policy.requests_per_second)
        self._clock = clock
        self._emit = emit
        self._line = anyio.Lock(fast_acquire=True)
        self._change: anyio.Event | None = None  # what the first in the line waits for
        self._queueing = anyio.CancelScope()  # its wait for the bucket
        self._window = policy.delivery_window()
        self._window_opens: datetime | None = None  # None where it is open, or there is none
        self.control = Control(policy, now=clock.now())
        """What decides; to be looked at."""
        self.waited: Callable[[], None] = lambda: None
        """Called when somebody begins to wait for leave."""

    async def wait(self, contacts: int) -> Permit:
        """Return when a request of `contacts` may be sent. Ask before every retry, too."""
        async with self._line:
            try:
                await self._wait_for_leave()
                while not await self._wait_for_bucket():
                    pass  # another pace was set meanwhile

                if self._shared is not None:
                    await self._wait_for_others(self._shared, contacts)

                while await self._wait_for_leave():  # a pause may have begun meanwhile
                    if self._shared is not None:  # and the slot gone by, as others' have
                        await self._wait_for_others(self._shared, contacts)
            finally:
                self.control.waits(None, self._clock.now())

            return self._go(contacts)

    @property
    def waits(self) -> bool:
        """Whether somebody waits until requests come back, or a time has passed."""
        return self._change is not None

    def take(self, contacts: int) -> Permit | None:
        """Take leave to send at once, where nobody waits and nothing is to be waited for."""
        limiter = self._limiter
        if self._shared is not None:
            return None

        if self._line.locked() or (limiter is not None and not limiter.has_capacity()):
            return None

        if self._ask() is not None:
            return None

        if limiter is not None:
            fill(limiter)

        return self._go(contacts)

    def _go(self, contacts: int) -> Permit:
        permit = self.control.go(contacts, self._clock.now())
        permit.gate = self._gate
        return permit

    def came_back(self, permit: Permit, verdict: Verdict | None) -> None:
        """A request has ended: whoever waits may go now."""
        for event in self.control.came_back(permit, verdict, self._clock.now()):
            self._emit(event)
            if isinstance(event, HoldStarted):
                self._untold = self._clock.now() + event.seconds

        self._wake()

    def retry_seconds(self) -> float:
        """How long a retry must wait, at the least; in an outage the breaker sees to that."""
        control = self.control
        return 0.0 if control.breaker.is_open else control.retries.spend(self._clock.now())

    async def spread(self) -> None:
        """Let other workers know of a hold that came back, if there are any."""
        left, self._untold = self._untold - self._clock.now(), 0.0
        if self._shared is not None and left > 0:
            await self._shared.hold(left)

    def outage(self) -> bool:
        """Whether nothing gets through, though it did before."""
        breaker = self.control.breaker
        return breaker.proven and breaker.rounds > 0

    def hopeless(self) -> bool:
        """Whether nothing has got through for so long that the run should halt."""
        breaker = self.control.breaker
        if breaker.proven:
            return breaker.outage_seconds(self._clock.now()) >= self._policy.max_outage_seconds

        return breaker.rounds >= self._policy.max_attempts

    def hold(self, seconds: float) -> bool:
        """Let nobody send for `seconds` from now; whether that is worth telling."""
        return self.control.hold(seconds, self._clock.now())

    def set(
        self,
        *,
        requests_per_second: float | None = None,
        contacts_per_hour: float | None = None,
        max_in_flight: int | None = None,
        paused: bool | None = None,
    ) -> None:
        """Change what is asked, for as long as this process lives; None: as it is."""
        asked = PaceChanged(
            requests_per_second=requests_per_second,
            contacts_per_hour=contacts_per_hour,
            max_in_flight=max_in_flight,
            paused=paused,
        )
        self.follow(asked)
        self._emit(asked)

    def follow(self, asked: PaceChanged) -> None:
        """Keep to what was asked of another pace before, and is told of already."""
        if asked.requests_per_second is not None:
            self._keep(asked.requests_per_second)
            self._queueing.cancel()

        if asked.contacts_per_hour is not None:
            self.control.contacts.change(asked.contacts_per_hour, self._clock.now())

        if asked.max_in_flight is not None:
            self.control.concurrency.let(asked.max_in_flight)

        if asked.paused is not None:
            self.control.paused = asked.paused

        self._wake()

    def standing(self) -> Standing:
        """How it stands just now."""
        self._heed_window()
        now, wall = self._clock.now(), self._clock.wall()
        control = self.control
        shut = control.stands(now)
        asked = self.requests_per_second if self.requests_per_second < UNPACED else None
        rates = [rate for rate in (asked, control.rate.rate(now)) if rate is not None]
        return Standing(
            limit=control.meter.limit,
            since=wall - timedelta(seconds=now - control.meter.since),
            until=self._until(shut, wall),
            in_flight=control.concurrency.in_flight,
            max_in_flight=control.concurrency.limit,
            most_in_flight=control.concurrency.ceiling,
            requests_per_second=min(rates, default=None),
            asked_per_second=asked,
            contacts_per_hour=control.contacts.contacts_per_hour,
        )

    def _until(self, shut: Wait | None, wall: datetime) -> datetime | None:
        match shut:
            case Wait(limit=Limit.WINDOW):
                return self._window_opens
            case Wait(limit=Limit.HOLD):
                return wall + timedelta(seconds=shut.seconds)

        return None

    def _keep(self, requests_per_second: float) -> None:
        self.requests_per_second = requests_per_second
        self._limiter, self._gate = (limiter_of(requests_per_second) for _ in range(2))

    def _wake(self) -> None:
        if self._change is not None:
            self._change.set()
            self._change = None

    async def _wait_for_bucket(self) -> bool:
        """Return when the bucket has room; False where it is no longer the one that counts."""
        limiter = self._limiter
        if limiter is None:
            return True

        if limiter.has_capacity():
            await limiter.acquire()
            return True

        self.control.waits(Limit.RATE, self._clock.now())
        with anyio.CancelScope() as self._queueing:
            await limiter.acquire()

        return not self._queueing.cancelled_caught

    async def _wait_for_others(self, shared: Shared, contacts: int) -> None:
        """Return when it is this worker's turn among those that share the pace."""
        while True:
            slot = await shared.slot(
                contacts,
                requests_per_second=self.requests_per_second,
                contacts_per_hour=self.control.contacts.contacts_per_hour,
            )
            if slot.limit is Limit.HOLD:
                if self.hold(slot.seconds):
                    self._emit(HoldStarted(seconds=slot.seconds, reason=TOLD_ANOTHER))

                await self._wait_for_leave()
                continue

            if slot.seconds > 0:
                self.control.waits(slot.limit, self._clock.now())
                await self._clock.sleep(min(slot.seconds, LONGEST_SECONDS))

            if slot.taken:
                return

    async def _wait_for_leave(self) -> bool:
        """Return when the control has no objection; whether it had one."""
        waited = False
        while (wait := self._ask()) is not None:
            waited = True
            self.control.waits(wait.limit, self._clock.now())
            self._change = anyio.Event()
            self.waited()
            await self._clock.wait(self._change, wait.seconds)

        return waited

    def _ask(self) -> Wait | None:
        now = self._clock.now()
        self._heed_window()
        return self.control.ask(now)

    def _heed_window(self) -> None:
        """Look at the clock on the wall."""
        if self._window is None:
            return

        wall = self._clock.wall()
        if self._window.is_open(wall):
            self._window_opens, self.control.window_seconds = None, 0.0
            return

        if self._window_opens is None or self._window_opens <= wall:
            self._window_opens = self._window.opens_at(wall)
            self._emit(WindowClosed(opens_at=self._window.there(self._window_opens)))

        self.control.window_seconds = (self._window_opens - wall).total_seconds()

    def __repr__(self) -> str:
        return f"<Pace {self._limiter!r} {self.control!r}>"
