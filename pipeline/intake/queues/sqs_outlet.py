"""Amazon SQS, written to: ten messages a request, and no word from it of how far that came.

A queue that is first in, first out drops what comes twice within five minutes; a standard one keeps
it, and a worker that gets both knows them by their identity.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from .message import QueueLostError
from .sqs_line import IDENTITY, SqsLine, Translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outlet import Outgoing
    from .place import Place

__all__ = ("SqsOutlet",)

AT_ONCE: Final = 10
BYTES_AT_ONCE: Final = 240_000
TRIES: Final = 5


class SqsOutlet:
    """A queue that is written to."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._line = SqsLine(place)

    async def open(self, name: str) -> int:  # nothing is kept under it
        await self._line.close()
        await self._line.open()
        return 0

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:
        sending = [self._send(name, some) for some in _requests(messages)]
        results = await asyncio.gather(*sending, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _send(self, name: str, messages: Sequence[Outgoing]) -> None:
        """Send what fits a request; those that SQS did not take, it is sent once more."""
        left = list(messages)
        for _ in range(TRIES):
            with Translated(self._place):
                answer = await self._line.client.send_message_batch(
                    QueueUrl=self._line.url,
                    Entries=[self._entry(name, number, each) for number, each in enumerate(left)],
                )

            left = [left[int(told["Id"])] for told in answer.get("Failed", ())]
            if not left:
                return

        raise QueueLostError(f"it refused {len(left)} messages {TRIES} times")

    def _entry(self, name: str, number: int, message: Outgoing) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "Id": str(number),
            "MessageBody": message.body.decode(),
            "MessageAttributes": {
                IDENTITY: {"DataType": "String", "StringValue": message.identity}
            },
        }
        if self._line.url.endswith(".fifo"):
            entry |= {"MessageGroupId": name, "MessageDeduplicationId": message.identity}

        return entry

    async def close(self) -> None:
        await self._line.close()


def _requests(messages: Sequence[Outgoing]) -> list[list[Outgoing]]:
    requests: list[list[Outgoing]] = []
    size = 0
    for message in messages:
        if not requests or len(requests[-1]) == AT_ONCE or size + len(message.body) > BYTES_AT_ONCE:
            requests.append([])
            size = 0

        requests[-1].append(message)
        size += len(message.body)

    return requests
