"""Statuses: what `async-events` says afterwards of the events it had queued.

The route and the three words it knows (queued, processed, errored) are documented, the fields of
its items are not. So names are read in any case. That an event errored is believed only of an item
that says so itself; that it is queued also of one that does not say: whoever is believed to be
queued is only waited for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..errors import EndpointError
from .answers import clean_id
from .endpoint import status_url
from .items import paged, read_page, words_of
from .keys import alike
from .reply import printable

if TYPE_CHECKING:
    from datetime import datetime

    from .address import Addressed
    from .asking import Asker

__all__ = ("LaterStatus", "Statuses")

MOST_PAGES: Final = 100
"""The route is meant for troubleshooting: so many events are looked at, five thousand."""

_SUBJECT: Final = "the status of queued events (Journeys: read)"


@dataclass(slots=True, kw_only=True)
class LaterStatus:
    """What is told of events, each by (request id, contact key), both in small letters."""

    queued: set[tuple[str, str]] = field(default_factory=set)
    all_queued_told: bool = True
    """False: there are more that are queued, and nobody knows whose."""
    errored: dict[tuple[str, str], str] = field(default_factory=dict)
    """And what is said of each."""
    errors: int = 0
    """How many errored, be they told of or not."""


class Statuses:
    """Asks what is still queued, and what errored, of the events to a key."""

    def __init__(self, address: Addressed, path: str, asker: Asker) -> None:
        self._address = address
        self._path = path
        self._asker = asker

    async def later(self, key: str, *, since: datetime) -> LaterStatus:
        """Of all events since then. Raises as `Asker` does."""
        asked = {"eventDefinitionKey": key, "startDate": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
        told = LaterStatus()
        items, count = await self._items(asked, "queued")
        places = [place for place in map(_place, items) if place is not None]
        told.queued.update(places)
        told.all_queued_told = len(places) == count
        items, told.errors = await self._items(asked, "errored")
        for item in items:
            place = _place(item)
            if place is not None and words_of(item):
                message = item.get("message") or item.get("errormessage")
                told.errored[place] = printable(str(message)) if message else ""

        return told

    async def _items(self, asked: dict[str, str], kind: str) -> tuple[list[dict[str, Any]], int]:
        """The items of this kind, as many as may be read, and how many there are."""
        asked = {**asked, "type": kind}
        found: list[dict[str, Any]] = []
        most = 0
        for number in range(1, MOST_PAGES + 1):
            url = status_url(self._address, self._path, paged(asked, number))
            page = read_page(await self._asker.get(url, subject=_SUBJECT))
            if page is None:
                raise EndpointError(f"The answer to a request for {_SUBJECT} holds no items")

            items, count = page
            found += items
            # What leaves the queue meanwhile moves others up, to a page that was read: they lack.
            most = max(most, count)
            if not items or len(found) >= count:
                break

        if any(words_of(item) - {kind} for item in found):
            raise EndpointError(f"A request for {_SUBJECT} brings others than those that {kind}")

        return found, most


def _place(item: dict[str, Any]) -> tuple[str, str] | None:
    request_id, key = clean_id(item.get("requestid")), item.get("contactkey")
    return (request_id.lower(), alike(key)) if request_id and isinstance(key, str) else None
