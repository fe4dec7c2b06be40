"""What outlets say of messages that a queue has, may have, and will never take."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiormq
import nats
import pytest
from botocore.exceptions import ClientError

from pipeline.errors import SourceError
from pipeline.intake.queues.amqp_outlet import AmqpOutlet
from pipeline.intake.queues.kafka_outlet import KafkaOutlet
from pipeline.intake.queues.message import QueueLostError
from pipeline.intake.queues.nats_line import Translated
from pipeline.intake.queues.outlet import LARGEST, Outgoing, largest
from pipeline.intake.queues.place import KINDS, Place, place_of
from pipeline.intake.queues.sqs_outlet import SqsOutlet
from pipeline.intake.source import SourcePolicy

if TYPE_CHECKING:
    from collections.abc import Callable


def place(url: str) -> Place:
    return place_of(SourcePolicy(url=url))


def outgoing(count: int, *, body: bytes = b"[{}]") -> list[Outgoing]:
    return [
        Outgoing(identity=f"k-{number}-{number}", last=number, contacts=1, body=body)
        for number in range(1, count + 1)
    ]


class Line:
    """The line to SQS or to RabbitMQ, and its client: `answer` decides about each request."""

    url = "https://sqs.eu-central-1.amazonaws.com/1/contacts"

    def __init__(self, answer: Callable[..., Any]) -> None:
        self._answer = answer
        self.client = self.channel = self.default_exchange = self

    def check(self) -> None:
        """It is there."""

    async def send_message_batch(self, **request: Any) -> Any:
        await asyncio.sleep(0)
        return self._answer(request["Entries"])

    async def publish(self, message: Any, **_: Any) -> None:
        await asyncio.sleep(0)
        self._answer(message)


def sqs(answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> SqsOutlet:
    outlet = SqsOutlet(place("sqs://contacts"))
    monkeypatch.setattr(outlet, "_line", Line(answer))
    return outlet


def amqp(answer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> AmqpOutlet:
    outlet = AmqpOutlet(place("amqp://127.0.0.1/v/contacts"))
    monkeypatch.setattr(outlet, "_line", Line(answer))
    return outlet


async def test_sqs_tells_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a request that was answered in part, and of one that was not answered at all."""

    def answer(entries: list[dict[str, Any]]) -> Any:
        identities = [each["MessageAttributes"]["id"]["StringValue"] for each in entries]
        if "k-11-11" in identities:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessageBatch")

        return {
            "Successful": [{"Id": each["Id"]} for each in entries if identities[0] != "k-9-9"],
            "Failed": [{"Id": each["Id"], "Code": "InternalError"} for each in entries[8:]],
        }

    with pytest.raises(QueueLostError) as caught:
        await sqs(answer, monkeypatch).put("k", outgoing(12))

    assert {f"k-{number}-{number}" for number in range(1, 9)} <= caught.value.confirmed
    assert not caught.value.confirmed & {"k-11-11", "k-12-12"}


@pytest.mark.parametrize("whole", [False, True])
async def test_sqs_never_takes_some(monkeypatch: pytest.MonkeyPatch, *, whole: bool) -> None:
    """Neither a request nor a message that is refused for what it holds is sent again for ever."""

    def answer(entries: list[dict[str, Any]]) -> Any:
        if whole:
            code = "AWS.SimpleQueueService.BatchRequestTooLong"
            raise ClientError({"Error": {"Code": code}}, "SendMessageBatch")

        return {"Failed": [{"Id": each["Id"], "Code": "InvalidParameterValue"} for each in entries]}

    with pytest.raises(SourceError, match="sqs://contacts does not take a message: "):
        await sqs(answer, monkeypatch).put("k", outgoing(2))


async def test_sqs_is_sent_no_character_it_forbids(monkeypatch: pytest.MonkeyPatch) -> None:
    """They arrive all the same."""
    bodies: list[str] = []

    def answer(entries: list[dict[str, Any]]) -> Any:
        bodies.extend(each["MessageBody"] for each in entries)
        return {"Successful": [{"Id": each["Id"]} for each in entries]}

    body = '[{"City":"\ufffe\uffff\\\uffff"}]'.replace("\\", "\\\\")
    await sqs(answer, monkeypatch).put("k", outgoing(1, body=body.encode()))
    assert not {"\ufffe", "\uffff"} & set(bodies[0])
    assert json.loads(bodies[0]) == [{"City": "\ufffe\uffff\\\uffff"}]


async def test_rabbitmq_tells_what_it_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks leaves those in doubt alone that were not confirmed."""

    def answer(message: Any) -> None:
        if message.message_id in {"k-2-2", "k-4-4"}:
            raise aiormq.exceptions.AMQPConnectionError("reset")

    with pytest.raises(QueueLostError, match="reset") as caught:
        await amqp(answer, monkeypatch).put("k", outgoing(4))

    assert caught.value.confirmed == {"k-1-1", "k-3-3"}


async def test_rabbitmq_never_takes_one_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so by closing the channel, which costs the others theirs."""

    def answer(message: Any) -> None:
        if message.message_id == "k-1-1":
            raise aiormq.exceptions.ChannelInvalidStateError("closed")

        raise aiormq.exceptions.ChannelPreconditionFailed(
            "PRECONDITION_FAILED - message size 2 is larger than configured max size 1"
        )

    with pytest.raises(SourceError, match="is larger than configured max size"):
        await amqp(answer, monkeypatch).put("k", outgoing(2))


async def test_kafka_never_takes_one_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client knows it before anything is sent."""
    monkeypatch.setattr("pipeline.intake.queues.kafka_outlet.ANSWER_SECONDS", 1)
    outlet = KafkaOutlet(place("kafka://127.0.0.1:1/contacts"))
    with pytest.raises(QueueLostError):  # nobody is there, but the client is
        await asyncio.wait_for(outlet.open("k"), 30)

    with pytest.raises(SourceError, match=r"kafka://127\.0\.0\.1:1/contacts: .*too large"):
        await outlet.put("k", outgoing(1, body=b"x" * 1_000_001))

    await outlet.close()


def test_nats_never_takes_one_that_is_too_large() -> None:
    """What its client refuses to send is told with the way out."""
    with (
        pytest.raises(SourceError, match="Raise max_payload"),
        Translated(place("nats://127.0.0.1/contacts")),
    ):
        raise nats.errors.MaxPayloadError


def test_every_kind_of_queue_has_its_largest_message() -> None:
    """And takes at least one that `enqueue` makes of many records."""
    assert set(LARGEST) == set(KINDS.values())
    assert largest(place("sqs://contacts")) < 256 * 1024
    assert min(LARGEST.values()) > 200_000
