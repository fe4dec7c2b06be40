"""What the progress display knows: counters fed by events, read by sampling.

Sans-IO: `note` takes an event at once and without a clock, `sample(now)` is told the time, turns
the counters into rates and hands out what a display needs. Neither blocks, so `note` may be
subscribed to the Emitter as it is.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from ..events import (
    AttemptFailed,
    BatchSettled,
    ChunkRead,
    DrainStarted,
    Event,
    HoldStarted,
    LimitChanged,
    RequestEnded,
    RequestStarted,
    RunHalted,
    RunStarted,
    WindowClosed,
)
from .notice import Notice, Tone
from .notices import notice_of

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ("Snapshot", "Tally")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The run at one moment. Counts are contacts of this process; `before` was settled earlier."""

    read: int
    accepted: int
    rejected: int
    unknown: int
    before: int
    requests: int
    retries: int
    in_flight: int  # requests under way
    per_second: float  # contacts settled, over the window
    share: float | None  # 0 to 1, of everything the run will settle
    left_seconds: float | None
    condition: str | None  # what stands in the way just now
    limit: str | None = None  # what keeps the run from going faster: a word
    limited_since: datetime | None = None  # by the clock on this machine's wall


class Tally:
    """Counts events; `sample(now)` tells where the run stands.

    Args:
        window_seconds: What the rate is averaged over.
        quiet_seconds: Pauses that follow each other this closely make one notice, not many.
    """

    def __init__(self, *, window_seconds: float = 10.0, quiet_seconds: float = 30.0) -> None:
        self._window_seconds = window_seconds
        self._quiet_seconds = quiet_seconds
        self._read = 0
        self._settled = {"accepted": 0, "rejected": 0, "unknown": 0}
        self._before = 0
        self._total: int | None = None
        self._share_read: float | None = None
        self._requests = 0
        self._in_flight = 0
        self._retries = 0
        self._trouble: str | None = None
        self._ending: str | None = None
        self._limit: LimitChanged | None = None
        self._window = ""
        self._hold: HoldStarted | None = None  # noted, its beginning not yet sampled
        self._held_until = float("-inf")
        self._held_for = ""
        self._told_of_hold = float("-inf")
        self._notices: list[Notice] = []
        self._rate_points: deque[tuple[float, int]] = deque()

    def note(self, event: Event) -> None:
        """Count `event`. Returns at once."""
        self._count(event)
        notice = notice_of(event)
        if notice is not None:
            self._notices.append(notice)

    def _count(self, event: Event) -> None:
        match event:
            case BatchSettled():
                self._settled[event.outcome] += event.contacts
                if event.outcome == "accepted":
                    self._trouble = None
            case RequestStarted():
                self._requests += 1
                self._in_flight += 1
            case RequestEnded():
                self._in_flight -= 1
            case ChunkRead():
                self._read += event.records
                self._share_read = event.share
            case AttemptFailed():
                self._retries += 1
                self._trouble = f"sending again: {event.detail}"
            case RunStarted():
                self._before, self._total = event.settled, event.total
            case _:
                self._turn(event)

    def _turn(self, event: Event) -> None:
        """Remember what changes how the run goes on."""
        match event:
            case HoldStarted():
                self._hold = event
            case LimitChanged():
                self._limit = event
            case WindowClosed():
                self._window = f"outside delivery.window until {event.opens_at:%a %d %b %H:%M %Z}"
            case DrainStarted():
                self._ending = "finishing what is begun"
            case RunHalted():
                self._ending = "halted"

    def sample(self, now: float) -> Snapshot:
        """Where the run stands at `now`; samples must not go back in time."""
        self._begin_hold(now)
        done = sum(self._settled.values())
        per_second = self._rate(now, done)
        whole = self._whole()
        return Snapshot(
            read=self._read,
            accepted=self._settled["accepted"],
            rejected=self._settled["rejected"],
            unknown=self._settled["unknown"],
            before=self._before,
            requests=self._requests,
            retries=self._retries,
            in_flight=self._in_flight,
            per_second=per_second,
            share=min(1.0, (self._before + done) / whole) if whole else None,
            left_seconds=_left(whole and whole - self._before - done, per_second),
            condition=self._condition(now),
            limit=None if self._limit is None else self._limit.limit,
            limited_since=None if self._limit is None else self._limit.since.astimezone(),
        )

    def take_notices(self) -> list[Notice]:
        """The notices since the last call, oldest first; each is handed out once."""
        notices, self._notices = self._notices, []
        return notices

    def _whole(self) -> float | None:
        """How many contacts the run will have settled at its end, as far as can be told."""
        if self._total is not None:
            return self._total

        if not self._share_read:
            return None

        return (self._before + self._read) / self._share_read

    def _rate(self, now: float, done: int) -> float:
        points = self._rate_points
        points.append((now, done))
        while len(points) > 1 and points[1][0] <= now - self._window_seconds:
            points.popleft()

        since, done_then = points[0]
        return (done - done_then) / (now - since) if now > since else 0.0

    def _begin_hold(self, now: float) -> None:
        if self._hold is None:
            return

        hold, self._hold = self._hold, None
        self._held_until = max(self._held_until, now + hold.seconds)
        self._held_for = hold.reason
        if now - self._told_of_hold >= self._quiet_seconds:
            seconds = ceil(hold.seconds)  # a fraction is no pause of 0 s
            text = f"Marketing Cloud asked for a pause of {seconds:,} s ({hold.reason})"
            self._notices.append(Notice(text, Tone.WARNING, HoldStarted.__name__))

        self._told_of_hold = now

    def _condition(self, now: float) -> str | None:
        if self._ending is not None:
            return self._ending

        if now < self._held_until:
            return f"paused, {ceil(self._held_until - now):,} s more ({self._held_for})"

        match self._limit and self._limit.limit:
            case "paused":
                return "nothing is sent until `journey-pipeline resume`"
            case "window":
                return self._window

        return self._trouble

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self._settled.items())
        return f"<Tally {self._read:,} read, {counts}, {self._in_flight} in flight>"


def _left(to_go: float | None, per_second: float) -> float | None:
    """None where it cannot be told, and where nothing is left."""
    if to_go is None or to_go <= 0 or per_second <= 0:
        return None

    return to_go / per_second
