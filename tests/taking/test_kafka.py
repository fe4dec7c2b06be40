"""Kafka's client by itself: errors, rebalances, and a group that was forgotten."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from math import inf
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import confluent_kafka
import pytest

from pipeline.errors import SourceError
from pipeline.intake.queues.custody import Custody
from pipeline.intake.queues.kafka_offsets import Offsets
from pipeline.intake.queues.kafka_topic import YIELD_SECONDS, KafkaTopic
from pipeline.intake.queues.message import QueueLostError
from pipeline.intake.queues.place import place_of
from pipeline.intake.source import SourcePolicy
from tests.fakes.brokers import BROKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from pipeline.intake.queues.message import Message

Partition = confluent_kafka.TopicPartition


@dataclass
class Raw:
    """A message as the client gives it, or an error in its place."""

    at: int
    within: int = 0
    failed: Any = None

    def error(self) -> Any:
        return self.failed

    def partition(self) -> int:
        return self.within

    def offset(self) -> int:
        return self.at

    def headers(self) -> None:
        return None

    def value(self) -> bytes:
        return b"{}"

    def timestamp(self) -> tuple[int, int]:
        return (0, 0)


@dataclass
class Scripted:
    """A client that gives what it is told to give, and keeps what is committed."""

    script: list[list[Raw] | Exception | Callable[[], Coroutine[Any, Any, list[Raw]]]]
    offsets: dict[int, int] = field(default_factory=dict)
    low: int = 0  # what lies before it was deleted
    texts: dict[int, str] = field(default_factory=dict)  # committed with the offsets
    refuse: Exception | None = None  # every commit, by this

    async def consume(self, most: int, timeout: float) -> list[Raw]:  # noqa: ASYNC109  # its name
        following = self.script.pop(0) if self.script else []
        if isinstance(following, Exception):
            raise following

        return following if isinstance(following, list) else await following()

    async def committed(self, places: list[Any], timeout: float) -> list[Any]:  # noqa: ASYNC109
        return [
            Partition(
                "topic",
                each.partition,
                self.offsets.get(each.partition, -1001),
                self.texts.get(each.partition, ""),
            )
            for each in places
        ]

    async def commit(self, offsets: list[Any], *, asynchronous: bool) -> None:
        if self.refuse is not None:
            raise self.refuse

        self.offsets |= {each.partition: each.offset for each in offsets}
        self.texts |= {each.partition: each.metadata for each in offsets}

    async def list_topics(self, topic: str, timeout: float) -> Any:  # noqa: ASYNC109
        told = SimpleNamespace(error=None, partitions={0: None, 1: None, 2: None})
        return SimpleNamespace(topics={topic: told})

    async def get_watermark_offsets(
        self,
        place: Any,
        timeout: float,  # noqa: ASYNC109
    ) -> tuple[int, int]:
        return self.low, 100

    async def assignment(self) -> list[Any]:
        return []

    async def pause(self, places: list[Any]) -> None:
        """Nothing comes that is not in the script."""

    resume = pause


def broken() -> Raw:
    return Raw(-1, failed=confluent_kafka.KafkaError(confluent_kafka.KafkaError._TRANSPORT))


async def topic_of(client: Any, *partitions: int, fresh: bool = True) -> KafkaTopic:
    """A worker's client that was assigned these partitions."""
    topic = KafkaTopic(place_of(SourcePolicy(url="kafka://127.0.0.1/topic")))
    topic._consumer = client
    await topic.open("me", fresh=fresh)
    await topic._welcome(client, [Partition("topic", each) for each in partitions])
    return topic


@pytest.mark.parametrize(
    "script",
    [
        [[Raw(0), broken(), Raw(1)]],
        [[], [Raw(0)], [Raw(1), broken()]],
    ],
)
async def test_messages_that_come_with_an_error_are_not_lost(script: list[Any]) -> None:
    """The client is past them: they are passed on when the line is there again."""
    topic = await topic_of(Scripted([*script]), 0)
    with pytest.raises(QueueLostError):
        await topic.take(10, 0.0)

    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, 0), (0, 1)]


async def test_a_message_before_a_call_that_fails_is_not_lost() -> None:
    """What the call before it brought is kept."""
    failed = confluent_kafka.KafkaException(broken().failed)
    topic = await topic_of(Scripted([[], [Raw(0)], failed]), 0)
    with pytest.raises(QueueLostError):
        await topic.take(10, 0.0)

    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, 0)]


@pytest.mark.parametrize("within", ["the same call", "the next call"])
async def test_what_a_rebalance_takes_away_is_not_passed_on(within: str) -> None:
    """It is another worker's, whichever call had brought it."""

    async def rebalance() -> list[Raw]:
        await topic._give_way(client, [Partition("topic", 0)])  # as the client does
        return [Raw(8, 1)] if within == "the next call" else [Raw(1), Raw(8, 1)]

    client = Scripted([[], [Raw(0)], rebalance], {1: 8})
    topic = await topic_of(client, 0, 1)
    assert [each.handle for each in await topic.take(10, 0.0)] == [(1, 8)]
    assert client.offsets == {1: 8}


async def test_a_group_that_was_forgotten_is_not_begun_anew() -> None:
    """All it has sent would be sent again; it says so, and commits nothing."""
    client = Scripted([[], [], [Raw(0)]])
    topic = await topic_of(client, 0, 1, fresh=False)
    with pytest.raises(SourceError, match=r"no offsets of group journey any more.*--reset-offsets"):
        await topic.take(10, 0.0)

    await topic._give_way(client, [Partition("topic", 0), Partition("topic", 1)])
    assert client.offsets == {}


async def test_a_group_begins_with_what_it_never_read() -> None:
    """Nothing was ever committed by a worker that is new, and nothing of a partition that is."""
    client = Scripted([[Raw(0)], [], [], [Raw(3, 1)]])
    topic = await topic_of(client, 0)
    await topic.open("me", fresh=False)  # the line broke before anything was taken
    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, 0)]
    await topic._welcome(client, [Partition("topic", 1)])
    assert await topic.take(10, 0.0) == []
    assert [each.handle for each in await topic.take(10, 0.0)] == [(1, 3)]
    assert client.offsets == {0: 0, 1: 0}


async def test_a_rebalance_waits_for_what_is_settled_meanwhile() -> None:
    """Also one that is served where what is held is extended: it is marked without any task."""

    async def rebalance() -> list[Raw]:
        asyncio.get_running_loop().call_later(0.05, custody.settle, 1, 1)
        await topic._give_way(client, [Partition("topic", 0)])
        return []

    client = Scripted([[Raw(0)], rebalance])
    topic = await topic_of(client, 0)
    custody = Custody(topic.finish)
    (message,) = await topic.take(10, 0.0)
    topic._asked_at = -inf  # it is due
    custody.hold(message, first=1, records=1, left=1)
    async with asyncio.timeout(YIELD_SECONDS / 6):
        assert await topic.extend(custody.latest([message.identity]), age_seconds=0.0) == []

    assert client.offsets == {0: 1}
    assert custody.take_done() == [message]


@dataclass
class Divided(Scripted):
    """A client whose group is being divided: it hears of nothing until it is asked for messages."""

    asked: int = 0

    async def consume(self, most: int, timeout: float) -> list[Raw]:  # noqa: ASYNC109  # its name
        self.asked += 1
        return await Scripted.consume(self, most, timeout)

    async def commit(self, offsets: list[Any], *, asynchronous: bool) -> None:
        if self.asked == 1:
            code = confluent_kafka.KafkaError.REBALANCE_IN_PROGRESS
            raise confluent_kafka.KafkaException(confluent_kafka.KafkaError(code))

        await Scripted.commit(self, offsets, asynchronous=asynchronous)


async def test_a_group_that_is_divided_while_messages_are_taken() -> None:
    """It is joined again at once. What came was passed on to nobody: that is not waited for."""

    async def rebalance() -> list[Raw]:
        async with asyncio.timeout(YIELD_SECONDS / 6):
            await topic._give_way(client, [Partition("topic", 0)])

        return []

    client = Divided([[Raw(0), Raw(1)], rebalance, [Raw(0)]])
    topic = await topic_of(client, 0)
    assert await topic.take(10, 0.0) == []
    assert client.asked == 2
    await topic._welcome(client, [Partition("topic", 0)])
    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, 0)]


async def test_what_comes_while_extending_is_kept_and_an_error_is_told() -> None:
    """The client gives neither again."""
    topic = await topic_of(Scripted([[Raw(0), broken()]]), 0)
    topic._asked_at = -inf
    with pytest.raises(QueueLostError):
        await topic.extend([], age_seconds=0.0)

    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, 0)]


@pytest.mark.parametrize(
    ("committed", "low", "gone"),
    [
        (5, 8, (3, "of partition 0 (offsets 5 to 7)")),
        (5, 20, (4, "of partition 0 (offsets 5 to 8)")),
        (5, 5, None),
    ],
)
async def test_what_was_deleted_before_it_was_taken_is_told(
    committed: int, low: int, gone: tuple[int, str] | None
) -> None:
    """Once; and a gap that compaction or a transaction has left is none of it."""
    first = 9 if low == 20 else 8
    topic = await topic_of(Scripted([[Raw(first)], [Raw(first + 1)]], {0: committed}, low), 0)
    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, first)]
    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, first + 1)]
    told = [(each.messages, each.where) for each in topic.deleted()]
    assert told == ([] if gone is None else [gone])
    assert topic.deleted() == []


async def test_a_gap_within_what_came_at_once() -> None:
    """Every message is held against the one before it, not the first alone."""
    client = Scripted([[Raw(100), Raw(101), Raw(300)]], {0: 100}, 300)
    topic = await topic_of(client, 0)
    assert len(await topic.take(10, 0.0)) == 3
    (told,) = topic.deleted()
    assert (told.messages, told.where) == (198, "of partition 0 (offsets 102 to 299)")


@pytest.mark.parametrize("committed", [0, 100])
async def test_what_somebody_had_taken_is_not_to_be_put_there_again(committed: int) -> None:
    """It may have been sent: only what nobody had taken is told to be enqueued once more."""
    client = Scripted([[Raw(300)]], {0: committed}, 300)
    client.texts[0] = '{"by": "another", "to": 200, "doubt": 0}'
    topic = await topic_of(client, 0)
    assert len(await topic.take(10, 0.0)) == 1
    told = [(each.messages, each.where, each.taken) for each in topic.deleted()]
    assert told == [
        (200 - committed, f"of partition 0 (offsets {committed} to 199)", True),
        (100, "of partition 0 (offsets 200 to 299)", False),
    ]


async def test_what_is_given_back_is_as_if_never_taken() -> None:
    """But for what lies before something that was begun, and what another worker had taken."""
    client = Scripted([[Raw(at) for at in range(8)]], {0: 0})
    topic = await topic_of(client, 0)
    messages = await topic.take(10, 0.0)
    topic.finish(messages[:3])
    await topic.give_back([messages[3], *messages[5:]])
    topic._closing = True  # nobody waits at the end of a run
    await topic._give_way(client, [Partition("topic", 0)])
    assert client.offsets == {0: 3}
    next_one = Offsets.found("another", 3, client.texts[0])
    assert [next_one.take(at) for at in range(3, 8)] == [True, True, False, False, False]

    client = Scripted([[Raw(3)]], {0: 3}, texts=client.texts)
    topic = await topic_of(client, 0)
    await topic.give_back(await topic.take(10, 0.0))
    assert topic._offsets[0].to == 5


async def test_a_rebalance_does_not_wait_for_what_is_given_back() -> None:
    """Though a message that was sent lies behind it: nobody works on what is before."""
    client = Scripted([[Raw(at) for at in range(3)]], {0: 0})
    topic = await topic_of(client, 0)
    messages = await topic.take(10, 0.0)
    topic.finish(messages[1:2])
    await topic.give_back([messages[0], messages[2]])
    async with asyncio.timeout(YIELD_SECONDS / 6):
        await topic._give_way(client, [Partition("topic", 0)])

    assert client.offsets == {0: 0}
    next_one = Offsets.found("another", 0, client.texts[0])
    assert [next_one.take(at) for at in range(3)] == [True, True, False]


async def test_what_it_has_is_its_own_while_its_commits_are_taken() -> None:
    """Also while a partition is given away; never again once it was, or the group refuses."""
    client = Scripted([[Raw(0)], [Raw(0)]])
    topic = await topic_of(client, 0)
    (message,) = await topic.take(10, 0.0)
    assert await topic.extend([message], age_seconds=9.0) == [message]
    assert (topic.keeps(message), topic.losses) == (True, 0)

    giving = asyncio.create_task(topic._give_way(client, [Partition("topic", 0)]))
    async with topic._taking, asyncio.timeout(YIELD_SECONDS / 6):  # as within a take
        assert await topic.extend([message], age_seconds=9.0) == [message]
        topic.finish([message])
        await giving

    assert (topic.keeps(message), topic.losses) == (False, 1)
    assert await topic.extend([message], age_seconds=9.0) == []
    await topic._welcome(client, [Partition("topic", 0)])
    client.offsets[0] = 0  # as if nothing was done with
    (again,) = await topic.take(10, 0.0)
    assert (topic.keeps(again), topic.keeps(message)) == (True, False)

    refused = confluent_kafka.KafkaError(confluent_kafka.KafkaError.UNKNOWN_MEMBER_ID)
    client.refuse = confluent_kafka.KafkaException(refused)
    assert await topic.extend([again], age_seconds=9.0) == []


async def test_a_topic_that_was_there_before_the_group() -> None:
    """What was deleted then was never the group's."""
    topic = await topic_of(Scripted([[Raw(8)]], low=8), 0)
    assert [each.handle for each in await topic.take(10, 0.0)] == [(0, 8)]
    assert topic.deleted() == []


async def test_a_broker_that_deletes(tmp_path: Path) -> None:
    """A real one: it keeps five megabytes a partition."""
    with BROKERS["kafka"](tmp_path) as broker:
        broker.make("old")
        producer = confluent_kafka.Producer({"bootstrap.servers": broker.url("old").split("/")[2]})
        topic = KafkaTopic(place_of(SourcePolicy(url=broker.url("old"))))
        await topic.open("me", fresh=True)
        try:
            producer.produce("old", b"{}", partition=0)
            producer.flush(10)
            assert [each.handle for each in await _all(topic, 1)] == [(0, 0)]
            for _ in range(30):
                producer.produce("old", b" " * 300_000, partition=0)

            producer.flush(10)
            taken = await _all(topic, 10)
        finally:
            await topic.close()

    first = taken[0].handle[1]
    assert first > 10
    (told,) = topic.deleted()
    assert (told.messages, told.taken) == (first - 1, False)
    assert told.where == f"of partition 0 (offsets 1 to {first - 1})"


async def _all(topic: KafkaTopic, most: int) -> list[Message]:
    """What comes within a minute, as soon as something does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if taken := await topic.take(most, 1.0):
            return taken

    return []
