"""Spreading over time: each step leaves a distance before the next. Sans-IO: told the time.

Time that was not used is not made up for, but for the moment by which a timer or a busy loop is
late.
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ("ContactSchedule", "Spread")

LATE_SECONDS: Final = 0.05
SECONDS_AN_HOUR: Final = 3600.0


class Spread:
    """Steps with a distance after each."""

    def __init__(self) -> None:
        self._free_at = -math.inf

    def wait_seconds(self, now: float) -> float:
        """How long the next step must wait."""
        return max(0.0, self._free_at - now)

    def spend(self, seconds: float, now: float) -> None:
        """A step is made; the next one may follow after `seconds`."""
        late = self._free_at < now <= self._free_at + LATE_SECONDS
        begin = self._free_at if late else max(self._free_at, now)
        self._free_at = begin + seconds


class ContactSchedule:
    """Spreads contacts evenly over the hours.

    After a batch of n contacts the next may go n / rate seconds later: the journey digests no
    faster because it was idle.
    """

    def __init__(self, contacts_per_hour: float | None) -> None:
        self.contacts_per_hour = contacts_per_hour
        self._spread = Spread()

    def change(self, contacts_per_hour: float | None, now: float) -> None:
        """Keep another rate from now on; what was sent already has its distance by that one."""
        waited = self._spread.wait_seconds(now)
        if self.contacts_per_hour and contacts_per_hour:
            waited *= self.contacts_per_hour / contacts_per_hour
        else:
            waited = 0.0

        self.contacts_per_hour = contacts_per_hour
        self._spread = Spread()
        self._spread.spend(waited, now)

    def wait_seconds(self, now: float) -> float:
        """How long the next batch must wait."""
        return self._spread.wait_seconds(now) if self.contacts_per_hour else 0.0

    def spend(self, contacts: int, now: float) -> None:
        """A batch of `contacts` goes."""
        if self.contacts_per_hour:
            self._spread.spend(contacts * SECONDS_AN_HOUR / self.contacts_per_hour, now)

    def __repr__(self) -> str:
        return f"<ContactSchedule {self.contacts_per_hour} an hour>"
