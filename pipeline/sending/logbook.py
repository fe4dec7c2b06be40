"""The logbook: what is written down of a trip, in the journal and by the settler."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .outcome import Settlement, Unknown

if TYPE_CHECKING:
    from .links import Links
    from .outcome import Outcome
    from .trip import Trip
    from .verdict import Ambiguous

__all__ = ("Logbook",)


class Logbook:
    """Each method returns when it is durable, or handed to the settler."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def dispatch(self, trip: Trip) -> None:
        """The batch's first byte may leave from now on."""
        await self._links.ledger.dispatched(trip.batch, trip.attempt)
        trip.out = True
        self._links.emit(trip.dispatched())

    async def give_back(self, trip: Trip) -> None:
        """The batch is as if it had never been dispatched, unless an attempt is in doubt."""
        if trip.out and trip.doubt is None:
            await self._links.ledger.returned(trip.batch)
            trip.out = False

    async def let_go(self, trip: Trip) -> tuple[Trip, ...]:
        """What of a batch is this worker's still is tried again; the rest is unprocessed."""
        fence = self._links.fence
        await self.give_back(trip)
        kept = await fence.renew(trip.batch)
        if len(kept) == len(trip.batch):
            return (trip,)

        if trip.doubt is not None:
            await self.doubt(trip, trip.doubt)
            return ()

        fence.withhold(trip.batch, kept)
        return (replace(trip, batch=self._links.pick(trip.batch, kept)),) if kept else ()

    async def doubt(self, trip: Trip, doubt: Ambiguous) -> None:
        """The batch may have been taken."""
        await self.settle(trip, Unknown(reason=doubt.reason, detail=doubt.detail))

    async def settle(self, trip: Trip, outcome: Outcome) -> None:
        """That is what became of the batch."""
        trip.out, trip.doubt = False, None
        settlement = Settlement(batch=trip.batch, outcome=outcome, attempt=trip.attempt)
        await self._links.settle(settlement)
