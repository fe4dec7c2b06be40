"""Amazon SQS: a queue whose messages are hidden from others while one works on them.

A message that is not deleted is seen again after `claim_idle_seconds`, by whoever asks; SQS counts
how often it was received, and does not say by whom. A message is this worker's while it is hidden,
`claim_idle_seconds` from when it was received or hidden anew; what was not hidden anew in time is
sent only if it comes again, for the handle of a former delivery proves nothing.

It gives ten messages at a time, so several requests for them are made together, as long as anything
comes: every request is paid for, and a queue that is empty is asked by one alone, which waits.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .elapsed import Elapsed
from .message import Backlog, LeftByTime, Message, QueueLostError, known_as
from .sqs_line import AT_ONCE, IDENTITY, SqsLine, Translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ...events import MessagesDeleted
    from .place import Place

__all__ = ("SqsQueue",)

REQUESTS: Final = 16
"""Requests under way together."""


class SqsQueue(LeftByTime):
    """A queue of SQS, standard or first in, first out."""

    knows_workers: bool = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._line = SqsLine(place)
        self._flows = False
        """Whether the last time gave anything."""

    @property
    def extend_seconds(self) -> float:
        return self._place.policy.claim_idle_seconds / 4

    @property
    def hold_seconds(self) -> float:
        return float(self._hidden_seconds)

    @property
    def _hidden_seconds(self) -> int:
        return min(43_200, max(1, round(self._place.policy.claim_idle_seconds)))

    async def open(self, worker: str, *, fresh: bool) -> None:  # SQS knows no workers
        await self._line.close()
        await self._line.open()

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        requests = min(REQUESTS, most // AT_ONCE) if self._flows else 0
        answers = await self._together([lambda: self._receive(AT_ONCE)] * requests)
        taken = [told for answer in answers for told in answer]
        if not taken:
            # Nothing at hand: one request is left waiting, in whole seconds, as SQS has it.
            seconds = max(1, round(wait_seconds))
            taken = await self._receive(min(most, AT_ONCE), wait_seconds=seconds)

        self._flows = bool(taken)
        return _messages(taken)

    async def _receive(self, most: int, *, wait_seconds: int = 0) -> list[dict[str, Any]]:
        with Translated(self._place):
            answer = await self._line.client.receive_message(
                QueueUrl=self._line.url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=wait_seconds,
                VisibilityTimeout=self._hidden_seconds,
                MessageAttributeNames=[IDENTITY],
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )

        received: list[dict[str, Any]] = answer.get("Messages", [])
        return received

    def finish(self, messages: Sequence[Message]) -> None:
        """It is enough to acknowledge them."""

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        async def delete(some: Sequence[Message]) -> list[Message]:
            entries = [
                {"Id": str(number), "ReceiptHandle": each.handle}
                for number, each in enumerate(some)
            ]
            with Translated(self._place):
                answer = await self._line.client.delete_message_batch(
                    QueueUrl=self._line.url, Entries=entries
                )

            return [some[int(told["Id"])] for told in answer.get("Successful", ())]

        answers = await self._together([partial(delete, some) for some in _tens(messages)])
        return [message for answer in answers for message in answer]

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._hide(messages, 0)

    async def extend(self, messages: Sequence[Message], *, age_seconds: float) -> list[Message]:
        if age_seconds >= self.hold_seconds:
            return []

        elapsed = Elapsed()
        hidden = await self._hide(messages, self._hidden_seconds)
        return hidden if age_seconds + elapsed() < self.hold_seconds else []

    async def _hide(self, messages: Sequence[Message], seconds: int) -> list[Message]:
        """Hide them for so long; which of them SQS says are."""

        async def hide(some: Sequence[Message]) -> list[Message]:
            entries = [
                {
                    "Id": str(number),
                    "ReceiptHandle": each.handle,
                    "VisibilityTimeout": seconds,
                }
                for number, each in enumerate(some)
            ]
            with Translated(self._place):
                answer = await self._line.client.change_message_visibility_batch(
                    QueueUrl=self._line.url, Entries=entries
                )

            return [some[int(told["Id"])] for told in answer.get("Successful", ())]

        answers = await self._together([partial(hide, some) for some in _tens(messages)])
        return [message for answer in answers for message in answer]

    async def _together(self, works: Sequence[Callable[[], Awaitable[Any]]]) -> list[Any]:
        """Do several things at a time; all have ended before an error is raised."""
        if self._line.client is None:
            raise QueueLostError("it is not open")

        results: list[Any] = []
        for begin in range(0, len(works), REQUESTS):
            some = [work() for work in works[begin : begin + REQUESTS]]
            results += await asyncio.gather(*some, return_exceptions=True)

        errors = [one for one in results if isinstance(one, BaseException)]
        if errors and len(errors) == len(results):
            raise errors[0]

        for error in errors:
            if not isinstance(error, QueueLostError):
                raise error

        return [one for one in results if not isinstance(one, BaseException)]

    def deleted(self) -> list[MessagesDeleted]:  # it does not tell
        return []

    async def close(self) -> None:
        await self._line.close()

    async def look(self) -> str:
        told = await self.backlog()
        text = f"about {told.waiting:,} messages wait, {told.taken:,} are worked on"
        return f"{text}; none was looked at: SQS takes that for a delivery"

    async def backlog(self) -> Backlog:
        await self._line.open()
        waiting, hidden = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        with Translated(self._place):
            answer = await self._line.client.get_queue_attributes(
                QueueUrl=self._line.url, AttributeNames=[waiting, hidden]
            )

        told = answer.get("Attributes", {})
        return Backlog(waiting=int(told[waiting]), taken=int(told[hidden]))

    async def peek(self, most: int) -> list[Message]:  # seeing is receiving
        return []


def _tens(messages: Sequence[Message]) -> list[Sequence[Message]]:
    return [messages[begin : begin + AT_ONCE] for begin in range(0, len(messages), AT_ONCE)]


def _messages(taken: Sequence[dict[str, Any]]) -> list[Message]:
    """Messages; requests under way together may have been given the same one.

    What SQS has given out no more often than it was given to us just now, nobody else had.
    """
    copies, most = Counter[str](), dict[str, int]()
    for told in taken:
        name = told["MessageId"]
        copies[name] += 1
        most[name] = max(most.get(name, 0), _given_out(told))

    others = {name for name, count in most.items() if count > copies[name]}
    return [_message(told, redelivered=told["MessageId"] in others) for told in taken]


def _given_out(told: dict[str, Any]) -> int:
    """How often SQS has given a message out, to whomever, this time counted in."""
    return int(told.get("Attributes", {}).get("ApproximateReceiveCount", 1))


def _message(told: dict[str, Any], *, redelivered: bool) -> Message:
    given = told.get("MessageAttributes", {}).get(IDENTITY, {}).get("StringValue")
    body = told["Body"].encode("utf-8", "surrogatepass")
    return Message(
        identity=known_as(given or told["MessageId"], body),
        body=body,
        redelivered=redelivered,
        handle=told["ReceiptHandle"],
    )
