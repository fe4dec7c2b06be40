"""What is in a Kafka topic and what its group has committed, asked without being a member of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import SourceError
from ...events import MessagesDeleted
from ..extras import need
from .kafka_line import ANSWER_SECONDS, Translated, reading
from .message import Message, QueueLostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .kafka_offsets import Offsets
    from .place import Place

__all__ = ("KafkaView", "check_remembered", "commit", "committed_of", "deleted_before")


class KafkaView:
    """A topic, looked at."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._consumer: Any = None

    async def look(self) -> str:
        """Say what is there, for a person."""
        waiting, partitions = await self._counted()
        return f"group {self._place.group}: {waiting:,} messages wait in {partitions} partitions"

    async def waiting(self) -> int:
        """Messages that the group has not committed, those being worked on among them."""
        waiting, _ = await self._counted()
        return waiting

    async def _counted(self) -> tuple[int, int]:
        """What waits, and in how many partitions."""
        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        with Translated(self._place):
            places = await self._look()
            waiting = 0
            for place in await self._consumer.committed(places, timeout=ANSWER_SECONDS):
                low, high = await self._consumer.get_watermark_offsets(
                    kafka.TopicPartition(place.topic, place.partition), timeout=ANSWER_SECONDS
                )
                waiting += high - max(low, place.offset)

        return waiting, len(places)

    async def _look(self) -> list[Any]:
        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        if self._consumer is None:
            aio = need("confluent_kafka.aio", extra="kafka", what=self._place.label)
            self._consumer = aio.AIOConsumer(reading(self._place), max_workers=2)

        numbers = await _partitions_of(self._consumer, self._place)
        return [kafka.TopicPartition(self._place.queue, each) for each in numbers]

    async def peek(self, most: int) -> list[Message]:
        """See what nobody has taken."""
        with Translated(self._place):
            places = await self._look()
            committed = await self._consumer.committed(places, timeout=ANSWER_SECONDS)
            kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
            for place in committed:
                if place.offset < 0:
                    place.offset = kafka.OFFSET_BEGINNING

            await self._consumer.assign(committed)  # which is no member of the group
            received = await self._consumer.consume(most, timeout=2.0)
            return [
                Message(identity=f"{raw.partition()}:{raw.offset()}", body=raw.value() or b"")
                for raw in received
                if raw.error() is None
            ]

    async def close(self) -> None:
        """Leave; never raises."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(Exception):
                await consumer.close()


async def committed_of(consumer: Any, place: Place, partitions: Iterable[int]) -> list[Any]:
    """What the group has committed of these partitions; the offset is negative where nothing."""
    kafka = need("confluent_kafka", extra="kafka", what=place.label)
    asked = [kafka.TopicPartition(place.queue, partition) for partition in partitions]
    committed: list[Any] = await consumer.committed(asked, timeout=ANSWER_SECONDS)
    for found in committed:
        if found.error is not None:
            raise kafka.KafkaException(found.error)

    return committed


async def commit(consumer: Any, place: Place, offsets: Mapping[int, Offsets]) -> None:
    """Commit how far these partitions are done with, and what was taken of them."""
    if consumer is None:
        raise QueueLostError("it is not open")

    kafka = need("confluent_kafka", extra="kafka", what=place.label)
    places = [
        kafka.TopicPartition(place.queue, partition, told.low, told.text)
        for partition, told in offsets.items()
    ]
    await consumer.commit(offsets=places, asynchronous=False)


async def check_remembered(consumer: Any, place: Place, committed: Iterable[Any]) -> None:
    """Raise SourceError where it was forgotten what the group has read.

    Brokers forget all of it at once; where only some partitions have no offset, they are new.
    """
    if all(found.offset >= 0 for found in committed):
        return

    partitions = await _partitions_of(consumer, place)
    if all(found.offset < 0 for found in await committed_of(consumer, place, partitions)):
        raise SourceError(
            f"{place.label} has no offsets of group {place.group} any more, by which this run has "
            "taken contacts: it would begin with the first message, and send them again. Brokers "
            "forget a group that was away for offsets.retention.minutes, 7 days by default. Set "
            f"them where it is to go on: kafka-consumer-groups --group {place.group} "
            f"--topic {place.queue} --reset-offsets --to-datetime TIME --execute"
        )


async def deleted_before(
    consumer: Any, place: Place, received: Iterable[Any], *, offsets: Mapping[int, Offsets]
) -> list[MessagesDeleted]:
    """The messages that the broker deleted before the group was done with them.

    `offsets`: how far each partition was read before these were received. Not every gap is one of
    them: compaction and transactions leave some too.
    """
    kafka = need("confluent_kafka", extra="kafka", what=place.label)
    reached = {partition: told.taken for partition, told in offsets.items()}
    gaps: dict[int, list[tuple[int, int]]] = {}
    for raw in received:
        partition, offset = raw.partition(), raw.offset()
        begun = reached[partition] or offsets[partition].to  # else the group is new, the topic old
        if begun and reached[partition] < offset:
            gaps.setdefault(partition, []).append((reached[partition], offset))

        reached[partition] = offset + 1

    found: list[MessagesDeleted] = []
    for partition, between in gaps.items():
        where = kafka.TopicPartition(place.queue, partition)
        low, _ = await consumer.get_watermark_offsets(where, timeout=ANSWER_SECONDS)
        for begin, end in between:
            taken = offsets[partition].to
            found += _told(place, partition, begin=begin, end=min(low, end), taken=taken)

    return found


def _told(
    place: Place, partition: int, *, begin: int, end: int, taken: int
) -> Iterator[MessagesDeleted]:
    """From `begin` to before `end` all was deleted; somebody had taken what lies before `taken`."""
    parts = ((begin, min(taken, end), True), (max(begin, taken), end, False))
    for first, after, was_taken in parts:
        if first < after:
            yield MessagesDeleted(
                queue=place.label,
                group=place.group,
                messages=after - first,
                where=f"of partition {partition} (offsets {first} to {after - 1})",
                taken=was_taken,
                limits="retention.ms and retention.bytes of the topic",
            )


async def _partitions_of(consumer: Any, place: Place) -> list[int]:
    kafka = need("confluent_kafka", extra="kafka", what=place.label)
    topics = await consumer.list_topics(place.queue, timeout=ANSWER_SECONDS)
    topic = topics.topics[place.queue]
    if topic.error is not None:
        raise kafka.KafkaException(topic.error)

    return list(topic.partitions)
