"""SQS's client: how many requests it makes, each of which is paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pipeline.intake.queues.message import Message
from pipeline.intake.queues.place import place_of
from pipeline.intake.queues.sqs import SqsQueue
from pipeline.intake.source import SourcePolicy
from tests.fakes.brokers import Sqs

if TYPE_CHECKING:
    from pathlib import Path


class Counted:
    """A queue of so many messages; what it was asked, with how long each request may wait."""

    url = "https://sqs.eu-central-1.amazonaws.com/1/contacts"

    def __init__(self, messages: int) -> None:
        self.left = messages
        self.client = self
        self.waits: list[int] = []
        self.given: list[dict[str, Any]] = []

    async def receive_message(self, **asked: Any) -> dict[str, Any]:
        self.waits.append(asked["WaitTimeSeconds"])
        given = min(self.left, asked["MaxNumberOfMessages"])
        self.left -= given
        if self.given:
            return {"Messages": self.given}

        message = {"Body": "{}", "ReceiptHandle": "h"}
        return {"Messages": [{**message, "MessageId": f"{self.left}.{at}"} for at in range(given)]}


async def test_requests_are_made_together_while_messages_come() -> None:
    """At first one that waits, then as many as are wanted; an empty queue is asked by one alone."""
    queue, line = SqsQueue(place_of(SourcePolicy(url="sqs://contacts"))), Counted(75)
    queue._line = line  # type: ignore[assignment]  # a test's
    took = [len(await queue.take(40, 0.5)) for _ in range(5)]
    assert took == [10, 40, 25, 0, 0]
    assert line.waits == [1] + 4 * [0] + 4 * [0] + 4 * [0] + [1] + [1]


@pytest.mark.parametrize(
    ("counts", "redelivered"),
    [
        ([1], [False]),
        ([2], [True]),
        ([1, 2], [False, False]),
        ([2, 2], [False, False]),
        ([2, 3], [True, True]),
        ([1, 3], [True, True]),
    ],
)
async def test_what_two_requests_were_given_is_in_doubt_only_if_somebody_else_had_it(
    counts: list[int], redelivered: list[bool]
) -> None:
    """SQS counts every delivery; those to this worker itself, just now, are no doubt."""
    queue, line = SqsQueue(place_of(SourcePolicy(url="sqs://contacts"))), Counted(0)
    line.given = [
        {
            "Body": "{}",
            "ReceiptHandle": f"h{at}",
            "MessageId": "m",
            "Attributes": {"ApproximateReceiveCount": str(at)},
        }
        for at in counts
    ]
    queue._line = line  # type: ignore[assignment]  # a test's
    assert [each.redelivered for each in await queue.take(40, 0.5)] == redelivered


async def test_the_stand_in_gives_each_message_once_and_forgets_what_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many requests are under way together: moto by itself does neither."""
    with Sqs(tmp_path) as broker:
        for name, value in broker.environment.items():
            monkeypatch.setenv(name, value)

        broker.make("contacts")
        broker.put("contacts", [b"%d" % number for number in range(60)])
        queue = SqsQueue(place_of(SourcePolicy(url=broker.url("contacts"))))
        await queue.open("me", fresh=True)
        queue._flows = True
        taken = await queue.take(160, 0.0)
        assert {each.body for each in taken} == {b"%d" % number for number in range(60)}
        assert len(taken) == len(await queue.acknowledge(taken)) == 60
        assert broker.outstanding("contacts") == 0
        await queue.close()


class Hiding(Counted):
    """One that hides what it is told to, but for some, after so long."""

    def __init__(self, *, but: int, seconds: float = 0.0) -> None:
        super().__init__(0)
        self.asked = 0
        self._but, self._seconds = but, seconds

    async def change_message_visibility_batch(self, **asked: Any) -> dict[str, Any]:
        await anyio.sleep(self._seconds)
        self.asked += 1
        entries = asked["Entries"][: len(asked["Entries"]) - self._but]
        return {"Successful": [{"Id": each["Id"]} for each in entries]}


@pytest.mark.parametrize(
    ("age_seconds", "slow_seconds", "sure", "requests"),
    [(0.2, 0.0, 7, 1), (0.8, 0.4, 0, 1), (1.0, 0.0, 0, 0)],
)
async def test_what_is_hidden_anew_in_time_is_this_workers(
    age_seconds: float, slow_seconds: float, sure: int, requests: int
) -> None:
    """Of what SQS says; nothing is said of what may be another's already."""
    queue = SqsQueue(place_of(SourcePolicy(url="sqs://contacts", claim_idle_seconds=1.0)))
    line = Hiding(but=3, seconds=slow_seconds)
    queue._line = line  # type: ignore[assignment]  # a test's
    held = [Message(identity=str(each), body=b"", handle="h") for each in range(10)]
    told = await queue.extend(held, age_seconds=age_seconds)
    assert (told, line.asked) == (held[:sure], requests)
