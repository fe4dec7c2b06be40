"""The inquiry: what became of a batch whose answer was lost, asked of `async-events`' status route.

The route is documented, the fields of its items are not. So names are read in any case, and nothing
is concluded but what cannot be otherwise: one request, later than the dispatch by the server's own
clock, that holds exactly the batch's contacts, each queued, processed or errored. Whatever falls
short of that leaves the batch in doubt, as does a contact that is not told of: it may yet come.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from .answers import clean_id, parse
from .endpoint import bearer, status_url
from .items import paged, read_page, words_of
from .reply import Reply, printable
from .verdict import Judged, Refused, Taken

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ..packing.batch import Batch
    from .address import Addressed
    from .client import Client
    from .clock import Clock
    from .verdict import OneVerdict, Verdict

__all__ = ("Inquiry", "read_status")

WAITS_SECONDS: Final = (0.5, 2.0)
"""How long before each question: an event is not told of at once."""

MOST_REQUESTS: Final = 4
"""Of how many requests that hold the batch's first contact it is looked whether they are ours."""

MOST_PAGES: Final = 4


class Inquiry:
    """Asks with the token the batch was sent with. One that has no route asks no more."""

    def __init__(self, address: Addressed, path: str, *, client: Client, clock: Clock) -> None:
        self._address = address
        self._path = path
        self._client = client
        self._clock = clock
        self._open = True

    async def ask(self, batch: Batch, key: str, *, token: str, since: datetime) -> Verdict | None:
        """What became of the batch, sent at `since` to the event `key`; None where that is open."""
        for seconds in WAITS_SECONDS:
            if not self._open:
                return None

            await self._clock.sleep(seconds)
            asked = {
                "contactKey": batch.keys[0],
                "eventDefinitionKey": key,
                "startDate": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            items = await self._items(asked, token=token)
            if items is None:
                return None

            for request_id in _requests(items)[:MOST_REQUESTS]:
                whole = await self._items({"requestId": request_id}, token=token)
                if verdict := read_status(whole or (), batch.keys, request_id=request_id):
                    return verdict

        return None

    async def _items(self, asked: dict[str, str], *, token: str) -> list[dict[str, Any]] | None:
        """All items of an answer; None where it cannot be had or read."""
        found: list[dict[str, Any]] = []
        for number in range(1, MOST_PAGES + 1):
            url = status_url(self._address, self._path, paged(asked, number))
            reply = await self._client.get(url, headers=bearer(token))
            if not (isinstance(reply, Reply) and reply.status == 200 and reply.whole):
                self._open = not (isinstance(reply, Reply) and reply.status in {403, 404})
                return None

            page = read_page(parse(reply.body))
            if page is None:
                return None

            items, count = page
            found += items
            if not items or len(found) >= count:
                return found

        return None


def read_status(
    items: Sequence[dict[str, Any]], keys: Sequence[str], *, request_id: str
) -> Verdict | None:
    """The verdict on contacts `keys` that all items of a request give; None where it gives none.

    The items' names are in small letters.
    """
    told: dict[str, list[OneVerdict]] = {}
    for item in items:
        if str(item.get("requestid")).lower() != request_id.lower():
            return None

        verdict = _verdict(item, request_id)
        if verdict is None:
            return None

        told.setdefault(str(item.get("contactkey")), []).append(verdict)

    if Counter({key: len(verdicts) for key, verdicts in told.items()}) != Counter(keys):
        return None

    # Of a key that stands in the batch twice the better is given to the first: they are alike.
    for verdicts in told.values():
        verdicts.sort(key=lambda verdict: isinstance(verdict, Taken))

    each = tuple(told[key].pop() for key in keys)
    taken = Taken(event_instance_id=request_id)
    return taken if all(verdict == taken for verdict in each) else Judged(verdicts=each)


def _verdict(item: dict[str, Any], request_id: str) -> OneVerdict | None:
    words = words_of(item)
    if len(words) != 1:
        return None

    if "errored" not in words:
        return Taken(event_instance_id=request_id)

    message = item.get("message") or item.get("errormessage")
    detail = f"errored after it was queued: {printable(str(message or 'no reason is told'))}"
    return Refused(reason="errored", detail=detail, alike="errored")


def _requests(items: Sequence[dict[str, Any]]) -> list[str]:
    ids = (clean_id(item.get("requestid")) for item in items)
    return list(dict.fromkeys(one for one in ids if one is not None))
