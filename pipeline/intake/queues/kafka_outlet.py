"""Kafka, written to by a producer that puts nothing twice as long as it lives.

What a process that was killed may have put twice has the same key, and lies in the same partition:
one worker gets both, and sends one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..extras import need
from .kafka_line import ANSWER_SECONDS, IDENTITY, Translated, settings
from .message import QueueLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outlet import Outgoing
    from .place import Place

__all__ = ("KafkaOutlet",)


class KafkaOutlet:
    """A topic that is written to."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer: Any = None

    async def open(self, name: str) -> int:  # nothing is kept under it
        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        with Translated(self._place):
            if self._producer is None:
                self._producer = kafka.Producer(
                    settings(self._place)
                    | {
                        "enable.idempotence": True,
                        "compression.type": "lz4",  # contacts are alike: a quarter is left of them
                        "linger.ms": 5,
                        "delivery.timeout.ms": 2000 * ANSWER_SECONDS,
                    }
                )

            await asyncio.to_thread(
                self._producer.list_topics, self._place.queue, timeout=ANSWER_SECONDS
            )

        return 0

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:  # see open
        confirmed: set[str] = set()
        try:
            with Translated(self._place):
                await asyncio.to_thread(self._put, messages, confirmed)
        except QueueLostError as lost:
            raise QueueLostError(str(lost), confirmed=confirmed) from lost

    def _put(self, messages: Sequence[Outgoing], confirmed: set[str]) -> None:
        errors: list[Any] = []

        def heard(error: Any, message: Any) -> None:
            if error is None:
                confirmed.add(message.key().decode())
            else:
                errors.append(error)

        for message in messages:
            self._producer.produce(
                self._place.queue,
                message.body,
                key=message.identity.encode(),
                headers=[(IDENTITY, message.identity.encode())],
                on_delivery=heard,
            )
            self._producer.poll(0)

        self._producer.flush(3 * ANSWER_SECONDS)
        if errors:
            kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
            raise kafka.KafkaException(errors[0])

        if len(self._producer):
            raise QueueLostError("it does not answer")

    async def close(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            producer.purge()
