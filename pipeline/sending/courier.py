"""The courier: carries one POST of a batch to Marketing Cloud and says what the answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import RequestEnded, RequestStarted
from .answers import classify
from .endpoint import batch_url, bearer
from .reply import Reply

if TYPE_CHECKING:
    from ..events import Emit
    from ..packing.batch import Batch
    from .address import Addressed
    from .client import Client
    from .clock import Clock
    from .endpoint import JourneyPolicy
    from .verdict import Verdict

__all__ = ("Courier",)


class Courier:
    """Knows the way; keeps nothing of a batch."""

    def __init__(
        self,
        address: Addressed,
        journey: JourneyPolicy,
        *,
        client: Client,
        emit: Emit,
        clock: Clock,
    ) -> None:
        self._address = address
        self._journey = journey
        self._read = journey.profile.read
        self._key = journey.event_definition_key
        self._client = client
        self._emit = emit
        self._clock = clock

    async def post(self, batch: Batch, token: str) -> Verdict:
        """Send the batch's payload once. Cancelled, it leaves the batch's fate unknown."""
        batch_id = batch.batch_id
        self._emit(RequestStarted(batch_id=batch_id))
        began = self._clock.now()
        status: int | None = None
        try:
            url = batch_url(self._address, self._journey)
            reply = await self._client.post(url, batch.payload, headers=bearer(token))
            if isinstance(reply, Reply):
                status = reply.status
        finally:
            seconds = self._clock.now() - began
            self._emit(RequestEnded(batch_id=batch_id, status=status, seconds=seconds))

        def read(content: Any) -> Verdict:
            return self._read(content, batch.keys)

        return classify(reply, key=self._key, now=self._clock.wall(), read=read)
