"""When is a queue that could not be talked to tried again? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

__all__ = ("backoff_seconds",)

LONGEST_SECONDS: Final = 10.0


def backoff_seconds(failures: int, chance: Random) -> float:
    """Seconds to wait after so many failures in a row, which count from 1:

        min(10, 0.1 * 2 ** failures) * uniform(0.5, 1)

    Those that lost a queue together do not come back to it together.
    """
    longest = min(LONGEST_SECONDS, 0.1 * 2.0 ** min(failures, 10))
    return longest * chance.uniform(0.5, 1.0)
