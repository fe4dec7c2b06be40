"""Pulling messages from a JetStream consumer: whatever was asked for is there when a call returns.

The library's own `fetch` leaves when its time is over, and what is on its way then lies in the
client until the next call: given out, and in nobody's hands. Here a request is over only when the
server says so, or has given all of it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..extras import need
from .message import QueueLostError

if TYPE_CHECKING:
    from .place import Place

__all__ = ("Pull",)

ANSWER_SECONDS: Final = 10.0
"""Without a word for so long, the server is away."""

OVER: Final = ("404", "408")
"""There are no more, or none in time."""


class Pull:
    """Asks for messages, one request after the other."""

    def __init__(self, client: Any, answers: Any, place: Place) -> None:
        self._client = client
        self._answers = answers
        self._place = place
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{place.queue}.{place.group}"

    @classmethod
    async def opened(cls, client: Any, place: Place) -> Pull:
        """One that hears what it is answered."""
        return cls(client, await client.subscribe(client.new_inbox()), place)

    async def there(self, most: int) -> list[Any]:
        """What is there, up to `most`."""
        return await self._ask({"no_wait": True}, most)

    async def coming(self, wait_seconds: float) -> list[Any]:
        """The next one to come, if one does."""
        nanoseconds = round(1e9 * wait_seconds)
        return await self._ask({"expires": nanoseconds}, 1, wait_seconds=wait_seconds)

    async def _ask(
        self, request: dict[str, Any], most: int, *, wait_seconds: float = 0.0
    ) -> list[Any]:
        errors = need("nats.errors", extra="nats", what=self._place.label)
        asked = orjson.dumps({"batch": most, **request})
        await self._client.publish(self._subject, asked, reply=self._answers.subject)
        given: list[Any] = []
        with suppress(errors.TimeoutError):
            while len(given) < most:
                answer = await self._answers.next_msg(wait_seconds + ANSWER_SECONDS)
                if (status := (answer.headers or {}).get("Status")) is None:
                    given.append(answer)
                elif status != "100":  # a sign of life
                    if status not in OVER and not given:
                        told = answer.headers.get("Description") or f"status {status}"
                        raise QueueLostError(told)

                    return given

            return given

        if not given:
            raise QueueLostError(f"no answer in {ANSWER_SECONDS:g} s")

        return given
