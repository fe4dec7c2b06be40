"""Window: which time is asked about, in which pieces, and what its silence proves. Sans-IO.

Times are Unix seconds by Marketing Cloud's clock, unless a name says `ours`.

A contact that history does not tell of is missing only once history is complete for the time in
which it would have entered. It may enter some time after it was taken, for a journey digests at
its own pace. So its absence counts when the horizon (now, less what history is late) lies
`margin_seconds` beyond two moments: when its outcome was settled, and when the last of the run's
contacts was seen to enter. Until then it is pending.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..settling.summary import iso

__all__ = ("Horizon", "Standing", "Window")

SKEW_SECONDS: Final = 30.0
"""How far clocks may differ beyond what is known, and so how far a window reaches beyond its
ends."""

RETENTION_SECONDS: Final = 30 * 86_400.0
RETENTION_MARGIN_SECONDS: Final = 3_600.0

FILE_BYTES: Final = 900_000_000
"""A file may hold a gigabyte; an estimate is none too exact."""

SHORTEST_SECONDS: Final = 2.0
PADDING_SECONDS: Final = 1.0
"""Whether ends are included is not told: a little more is asked for, and left out again."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` up to, but without, `end`."""

    start: float
    end: float

    @property
    def asked(self) -> tuple[str, str]:
        """The ends that are asked for."""
        return iso(self.start - PADDING_SECONDS), iso(self.end + PADDING_SECONDS)

    def pieces(self, file_bytes: int | None) -> tuple[Window, ...]:
        """Itself, or its halves where it is estimated to be too large for a file."""
        if file_bytes is None or file_bytes <= FILE_BYTES:
            return (self,)

        if self.end - self.start < SHORTEST_SECONDS:
            return (self,)

        middle = (self.start + self.end) / 2
        return (Window(self.start, middle), Window(middle, self.end))


class Standing(StrEnum):
    """What a contact's absence from history proves."""

    MISSING = "missing"
    TOO_FRESH = "too_fresh"  # history is not complete for its time yet
    STILL_ENTERING = "still_entering"  # others of the run entered only just now
    HISTORY_GONE = "history_gone"  # older than history is kept
    LATENESS_UNKNOWN = "lateness_unknown"
    INCOMPLETE = "incomplete"  # fewer rows came than were announced
    NO_JOURNEY = "no_journey"  # none can be seen that listens
    NO_HISTORY = "no_history"  # it was not to be had

    @property
    def passing(self) -> bool:
        """Whether asking again later may decide it."""
        return self in {Standing.TOO_FRESH, Standing.STILL_ENTERING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """How far history can be relied on, at one moment.

    `now` is Marketing Cloud's; `ahead_seconds` how far its clock is ahead of ours.
    """

    now: float
    behind_seconds: float | None
    ahead_seconds: float
    margin_seconds: float
    complete: bool = True

    @property
    def until(self) -> float:
        """Up to when everything is told."""
        return self.now - (self.behind_seconds or 0.0)

    def window(self, began_ours: float, *, known: float = 0.0) -> Window:
        """The time in which contacts of a run may have entered that began then.

        Up to `known` it is told already.
        """
        began = max(began_ours + self.ahead_seconds - SKEW_SECONDS, known)
        return Window(max(began, self.now - RETENTION_SECONDS), self.now + SKEW_SECONDS)

    def standing(self, settled_ours: float, *, last_entry: float) -> Standing:
        """What it proves that a contact settled then is not told of."""
        settled = settled_ours + self.ahead_seconds
        if settled < self.now - RETENTION_SECONDS + RETENTION_MARGIN_SECONDS:
            return Standing.HISTORY_GONE

        if self.behind_seconds is None:
            return Standing.LATENESS_UNKNOWN

        if not self.complete:
            return Standing.INCOMPLETE

        if settled + self.margin_seconds > self.until:
            return Standing.TOO_FRESH

        return (
            Standing.STILL_ENTERING
            if last_entry + self.margin_seconds > self.until
            else Standing.MISSING
        )

    def decided_in(self, settled_ours: float, *, last_entry: float) -> float:
        """In how many seconds its absence will prove something, if history stays as late."""
        latest = max(settled_ours + self.ahead_seconds, last_entry)
        return max(0.0, latest + self.margin_seconds - self.until)
