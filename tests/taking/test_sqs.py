"""SQS's client: how many requests it makes, each of which is paid for."""

from __future__ import annotations

from typing import Any

from pipeline.intake.queues.place import place_of
from pipeline.intake.queues.sqs import SqsQueue
from pipeline.intake.source import SourcePolicy


class Counted:
    """A queue of so many messages; what it was asked, with how long each request may wait."""

    url = "https://sqs.eu-central-1.amazonaws.com/1/contacts"

    def __init__(self, messages: int) -> None:
        self.left = messages
        self.client = self
        self.waits: list[int] = []

    async def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.waits.append(asked["WaitTimeSeconds"])
        given = min(self.left, asked["MaxNumberOfMessages"])
        self.left -= given
        message = {"Body": "{}", "ReceiptHandle": "h"}
        return {"Messages": [{**message, "MessageId": f"{self.left}.{at}"} for at in range(given)]}


async def test_requests_are_made_together_while_messages_come() -> None:
    """At first one that waits, then as many as are wanted; an empty queue is asked by one alone."""
    queue, line = SqsQueue(place_of(SourcePolicy(url="sqs://contacts"))), Counted(75)
    queue._line = line  # type: ignore[assignment]  # a test's
    took = [len(await queue.take(40, 0.5)) for _ in range(5)]
    assert took == [10, 40, 25, 0, 0]
    assert line.waits == [1] + 4 * [0] + 4 * [0] + 4 * [0] + [1] + [1]
