"""The sample: where history is not to be had, it is asked of some contacts whether they are inside.

A membership says that a contact is in a journey now. One that is found has entered; one that is
not found may have left again, so nothing is concluded from it, nor about anybody who is not in the
sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..sending.keys import alike

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sending.entries import Entries
    from ..sending.journeys import Journey

__all__ = ("FIFTY", "inside", "spread")

FIFTY: Final = 50
"""How many contacts one question may name."""


def spread(size: int, wanted: int) -> list[int]:
    """`wanted` numbers below `size`, evenly spread; all of them where there are fewer."""
    count = min(size, wanted)
    return [index * size // count for index in range(count)]


async def inside(keys: Sequence[str], journeys: Sequence[Journey], entries: Entries) -> set[str]:
    """Those of the keys, as in `alike`, that are in one of the journeys now.

    Raises:
        HaltError: It cannot be asked.
    """
    known = {journey.key.lower() for journey in journeys}
    known |= {one for journey in journeys for one in journey.definition_ids}
    found: set[str] = set()
    for begin in range(0, len(keys), FIFTY):
        some = keys[begin : begin + FIFTY]
        told = await entries.memberships(some)
        found |= {
            alike(key) for key, names in told.items() if known & {name.lower() for name in names}
        }

    return found
