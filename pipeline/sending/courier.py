"""The courier: carries one POST of a batch to Marketing Cloud and says what the answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..events import DoubtSettled, RequestEnded, RequestStarted
from .answers import classify
from .endpoint import batch_url, bearer
from .reply import Reply
from .retry import http_date
from .verdict import Ambiguous

if TYPE_CHECKING:
    from datetime import datetime

    from ..events import Emit
    from ..packing.batch import Batch
    from .address import Addressed
    from .client import Client
    from .clock import Clock
    from .endpoint import JourneyPolicy
    from .inquiry import Inquiry
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
        self._inquiry = self._inquiry_at(journey.profile.status_path)
        self._last: tuple[str, datetime] | None = None  # the server's date, and when it was told

    def _inquiry_at(self, path: str | None) -> Inquiry | None:
        if path is None:
            return None

        from .inquiry import Inquiry  # two endpoints of three cannot be asked

        return Inquiry(self._address, path, client=self._client, clock=self._clock)

    async def post(self, batch: Batch, token: str) -> Verdict:
        """Send the batch's payload once, and ask where the answer leaves it in doubt.

        Cancelled, it leaves the batch's fate unknown.
        """
        since = self._server_time()
        verdict = await self._post(batch, token)
        if self._inquiry is None or not isinstance(verdict, Ambiguous):
            return verdict

        found = await self._inquiry.ask(batch, self._key, token=token, since=since)
        if found is None:
            return verdict

        self._emit(
            DoubtSettled(batch_id=batch.batch_id, contacts=len(batch), reason=verdict.reason)
        )
        return found

    def _server_time(self) -> datetime:
        """What time it is for the server, as far as its last answer tells."""
        now = self._clock.wall()
        if self._last is None:
            return now

        date, at = self._last
        moment = http_date(date)
        return now if moment is None else now + (moment - at)

    async def _post(self, batch: Batch, token: str) -> Verdict:
        batch_id = batch.batch_id
        self._emit(RequestStarted(batch_id=batch_id))
        began = self._clock.now()
        status: int | None = None
        try:
            url = batch_url(self._address, self._journey)
            reply = await self._client.post(url, batch.payload, headers=bearer(token))
            if isinstance(reply, Reply):
                status = reply.status
                if date := reply.headers.get("Date"):
                    self._last = date, self._clock.wall()
        finally:
            seconds = self._clock.now() - began
            self._emit(RequestEnded(batch_id=batch_id, status=status, seconds=seconds))

        def read(content: Any) -> Verdict:
            return self._read(content, batch.keys)

        return classify(reply, key=self._key, now=self._clock.wall(), read=read)
