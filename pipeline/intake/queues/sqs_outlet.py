"""Amazon SQS, written to: ten messages a request, and no word from it of how far that came.

A queue that is first in, first out drops what comes twice within five minutes; a standard one keeps
it, and a worker that gets both knows them by their identity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...errors import SourceError
from .message import QueueLostError
from .outlet import all_put
from .sqs_line import AT_ONCE, IDENTITY, SqsLine, Translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outlet import Outgoing
    from .place import Place

__all__ = ("SqsOutlet",)

BYTES_AT_ONCE: Final = 240_000
TRIES: Final = 5

_REFUSED: Final = (
    "BatchRequestTooLong",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "UnsupportedOperation",
)
"""Parts of what SQS calls it where a message can never be put as it is."""


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
        confirmed: set[str] = set()
        sending = (self._send(name, some, confirmed) for some in _requests(messages))
        await all_put(sending, confirmed=confirmed)

    async def _send(self, name: str, messages: Sequence[Outgoing], confirmed: set[str]) -> None:
        """Send what fits a request; those that SQS did not take, it is sent once more."""
        left = list(messages)
        for _ in range(TRIES):
            answer = await self._ask(name, left)
            confirmed.update(left[int(told["Id"])].identity for told in answer["Successful"])
            for told in answer["Failed"]:
                self._check(str(told.get("Code")), told.get("Message"))

            left = [each for each in left if each.identity not in confirmed]
            if not left:
                return

        raise QueueLostError(f"it refused {len(left)} messages {TRIES} times")

    async def _ask(self, name: str, messages: Sequence[Outgoing]) -> dict[str, list[Any]]:
        entries = [self._entry(name, number, each) for number, each in enumerate(messages)]
        try:
            with Translated(self._place):
                answer = await self._line.client.send_message_batch(
                    QueueUrl=self._line.url, Entries=entries
                )
        except QueueLostError as lost:
            self._check(str(lost))
            raise

        return {"Successful": [], "Failed": [], **answer}

    def _check(self, code: str, detail: str | None = None) -> None:
        """Raise SourceError where SQS will never take what it refused by `code`."""
        if any(word in code for word in _REFUSED):
            told = code if detail is None else f"{code}, {detail}"
            raise SourceError(
                f"{self._place.label} does not take a message: {told}. Take fewer "
                "--contacts-per-message, or see to its MaximumMessageSize"
            )

    def _entry(self, name: str, number: int, message: Outgoing) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "Id": str(number),
            "MessageBody": _text(message.body),
            "MessageAttributes": {
                IDENTITY: {"DataType": "String", "StringValue": message.identity}
            },
        }
        if self._line.url.endswith(".fifo"):
            entry |= {"MessageGroupId": name, "MessageDeduplicationId": message.identity}

        return entry

    async def close(self) -> None:
        await self._line.close()


def _text(body: bytes) -> str:
    """The JSON without the two characters that SQS takes in no other way."""
    return body.decode().replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


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
