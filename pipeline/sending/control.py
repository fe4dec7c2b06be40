"""The control: everything that decides whether the next request may go, composed in one place.

    a person's pause, the delivery window       nothing goes
    hold until Retry-After                      nothing goes
    breaker                                     where nothing gets through, one batch at a time
    concurrency                                 as many at once as bring more through
    contacts per hour, rate after a 429         not before the last is far enough behind
    requests per second                         the pace's own bucket (pace.py)

A request goes when none of them objects. What came back is told to those whom it concerns: a 429 to
hold and rate, never to concurrency; failures, timeouts and the time it took to concurrency; any
sign of life to the breaker. A batch refused for what is in it says that the server is well. Beside
all that stands the budget of retries, which puts off what is sent again, and nothing else.

Sans-IO: told the time, it answers with what to do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..events import BreakerClosed, BreakerOpened, HoldStarted, RateCut
from .breaker import Breaker
from .concurrency import Concurrency
from .hold import Hold
from .limits import SHUTS, Limit, Meter
from .retries import RetryBudget
from .spread import ContactSchedule
from .throttled import ThrottledRate
from .verdict import Ambiguous, Judged, Taken, TryLater

if TYPE_CHECKING:
    from aiolimiter import AsyncLimiter

    from ..events import Event
    from .policy import DeliveryPolicy
    from .verdict import Verdict

__all__ = ("Control", "Permit", "Wait")

UNTOLD_HOLD_SECONDS: Final = 1.0
"""How long a 429 holds everybody that does not say how long."""

LOOK_AGAIN_SECONDS: Final = 20.0
"""How often the wall clock is looked at outside the window: it may be set, or the machine sleep."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: ask again in `seconds` (for ever: when something has changed)."""

    limit: Limit
    seconds: float


@dataclass(slots=True)
class Permit:
    """Leave for one request, handed back when it has ended.

    Between leave and the first byte lies the journal's commit, which takes now longer, now shorter.
    What that has pushed together passes a gate (another bucket of the same rate) right before it is
    sent, so that no second holds more than it should.
    """

    went_at: float
    place: int
    probe: bool
    gate: AsyncLimiter | None = None


class Control:
    """The control of one process."""

    def __init__(self, policy: DeliveryPolicy, *, now: float) -> None:
        self.contacts = ContactSchedule(policy.contacts_per_hour)
        self.rate = ThrottledRate()
        self.concurrency = Concurrency(policy.max_in_flight)
        self.breaker = Breaker()
        self.retries = RetryBudget()
        self.meter = Meter(now)
        self.paused = False
        self.window_seconds = 0.0
        """How long the delivery window stays closed; kept by whoever has a wall clock."""
        self._hold = Hold()
        self._waiting: Limit | None = None
        self._resting_since: float | None = None  # paused, or outside the window

    def ask(self, now: float) -> Wait | None:
        """Why the next request must wait; None: it may go."""
        if (wait := self._shut(now)) is not None:
            return wait

        if self.concurrency.full:
            return Wait(Limit.CONCURRENCY, math.inf)

        if (seconds := self.contacts.wait_seconds(now)) > 0:
            return Wait(Limit.CONTACTS, seconds)

        seconds = self.rate.wait_seconds(now)
        return Wait(Limit.RATE, seconds) if seconds > 0 else None

    def _shut(self, now: float) -> Wait | None:
        """What lets nothing through at all."""
        if self.paused:
            return Wait(Limit.PAUSED, math.inf)

        if self.window_seconds > 0:
            return Wait(Limit.WINDOW, min(self.window_seconds, LOOK_AGAIN_SECONDS))

        if (seconds := self._hold.wait_seconds(now)) > 0:
            return Wait(Limit.HOLD, seconds)

        seconds = self.breaker.wait_seconds(now)
        return Wait(Limit.BREAKER, seconds) if seconds > 0 else None

    def go(self, contacts: int, now: float) -> Permit:
        """A request of `contacts` goes."""
        self.contacts.spend(contacts, now)
        self.rate.spend(now)
        permit = Permit(now, self.concurrency.went(), self.breaker.went())
        self._turn(now)
        return permit

    def came_back(self, permit: Permit, verdict: Verdict | None, now: float) -> list[Event]:
        """A request has ended, with `verdict` (None: it was never sent, or broken off)."""
        self.concurrency.came_back(permit.place)
        events: list[Event] = []
        match verdict:
            case None:
                self.breaker.lost(probe=permit.probe)
            case Taken() | Judged():
                self.rate.taken(permit.went_at, now)
                self.concurrency.good(permit.place, now - permit.went_at, now)
                self._revive(now, events)
            case TryLater(holds_all=True):
                self._throttled(permit, verdict, now=now, events=events)
            case TryLater() | Ambiguous():
                self.concurrency.trouble(permit.place, now)
                self._fail(permit, verdict, now=now, events=events)
            case _:
                self._revive(now, events)

        self._turn(now)
        return events

    def hold(self, seconds: float, now: float) -> bool:
        """Let nothing go for `seconds`; whether that is worth telling."""
        return self._hold.until(now + seconds, now=now)

    def waits(self, limit: Limit | None, now: float) -> None:
        """The next request waits because of `limit`, or nothing waits any more."""
        self._waiting = None if limit in SHUTS else limit
        self._turn(now)

    def stands(self, now: float) -> Wait | None:
        """Why nothing at all goes just now; None where something may."""
        self._turn(now)
        return self._shut(now)

    def _throttled(
        self, permit: Permit, verdict: TryLater, *, now: float, events: list[Event]
    ) -> None:
        after = verdict.retry_after
        seconds = UNTOLD_HOLD_SECONDS if after is None else after
        # Who says "at once" asks for no less.
        if seconds > 0 and self.rate.throttled(permit.went_at, now, pause_seconds=seconds):
            events.append(RateCut(requests_per_second=self.rate.rate(now) or 0.0))

        if seconds > 0 and self.hold(seconds, now):
            events.append(HoldStarted(seconds=seconds, reason=verdict.detail))

        self._fail(permit, verdict, now=now, events=events)

    def _fail(
        self, permit: Permit, verdict: TryLater | Ambiguous, *, now: float, events: list[Event]
    ) -> None:
        doubt = isinstance(verdict, Ambiguous)
        if self.breaker.trouble(permit.went_at, now, probe=permit.probe, doubt=doubt):
            events.append(BreakerOpened(reason=verdict.reason, detail=verdict.detail))

    def _revive(self, now: float, events: list[Event]) -> None:
        self.retries.earn()
        seconds = self.breaker.outage_seconds(now)
        if self.breaker.alive():
            self.concurrency.begin_anew(now)
            events.append(BreakerClosed(seconds=seconds))

    def _turn(self, now: float) -> None:
        """Note what limits the run from now on."""
        self._rest(now)
        if (shut := self._shut(now)) is not None:
            limit = shut.limit
        elif self._waiting is not None:
            limit = self._waiting
        else:
            limit = Limit.CONCURRENCY if self.concurrency.full else Limit.SOURCE

        self.meter.turn(limit, now)

    def _rest(self, now: float) -> None:
        """A time in which nothing may be sent is no part of an outage."""
        resting = self.paused or self.window_seconds > 0
        if resting and self._resting_since is None:
            self._resting_since = now
        elif not resting and self._resting_since is not None:
            self.breaker.rested(now - self._resting_since)
            self._resting_since = None

    def __repr__(self) -> str:
        return f"<Control {self.concurrency!r} {self.rate!r} {self.breaker!r}>"
