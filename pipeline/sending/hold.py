"""A pause for everybody, as a server asks for with Retry-After. Sans-IO: told the time."""

from __future__ import annotations

import math

__all__ = ("Hold",)


class Hold:
    """A shorter pause never ends a longer one."""

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
