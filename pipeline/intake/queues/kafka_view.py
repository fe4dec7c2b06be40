"""What is in a Kafka topic, seen without being a member of the group."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..extras import need
from .kafka_line import ANSWER_SECONDS, Translated, settings
from .message import Message

if TYPE_CHECKING:
    from .place import Place

__all__ = ("KafkaView", "partitions_of")


class KafkaView:
    """A topic, looked at."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._consumer: Any = None

    async def look(self) -> str:
        """Say what is there, for a person."""
        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        with Translated(self._place):
            places = await self._look()
            waiting = 0
            for place in await self._consumer.committed(places, timeout=ANSWER_SECONDS):
                low, high = await self._consumer.get_watermark_offsets(
                    kafka.TopicPartition(place.topic, place.partition), timeout=ANSWER_SECONDS
                )
                waiting += high - max(low, place.offset)

        return f"group {self._place.group}: {waiting:,} messages wait in {len(places)} partitions"

    async def _look(self) -> list[Any]:
        if self._consumer is None:
            aio = need("confluent_kafka.aio", extra="kafka", what=self._place.label)
            self._consumer = aio.AIOConsumer(
                settings(self._place)
                | {
                    "group.id": self._place.group,
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                },
                max_workers=2,
            )

        return await partitions_of(self._consumer, self._place)

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


async def partitions_of(consumer: Any, place: Place) -> list[Any]:
    """All partitions of the topic."""
    kafka = need("confluent_kafka", extra="kafka", what=place.label)
    topics = await consumer.list_topics(place.queue, timeout=ANSWER_SECONDS)
    topic = topics.topics[place.queue]
    if topic.error is not None:
        raise kafka.KafkaException(topic.error)

    return [kafka.TopicPartition(place.queue, each) for each in topic.partitions]
