"""A queue in the place of a file source: what a plan, a check and a dry run want to know of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeVar

from ...errors import SourceError
from ..source import START, Chunk, Fingerprint, Mark, SourcePolicy
from .bodies import parse_body
from .message import QueueLostError
from .place import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Any

    from ..ranges import Ranges
    from .message import Queue

__all__ = ("QueueSource", "queue_of")

PEEKED_MESSAGES: Final = 100
LOOK_SECONDS: Final = 15.0

CLIENTS: Final = {
    "redis": ("redis_stream", "RedisStream"),
    "nats": ("nats_jetstream", "NatsStream"),
    "sqs": ("sqs", "SqsQueue"),
    "amqp": ("amqp", "AmqpQueue"),
    "kafka": ("kafka_topic", "KafkaTopic"),
}
"""Kind of queue -> the module of its client, imported when one is wanted, and its class."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSource:
    """A queue that is looked at and not taken from. Picklable."""

    place: Place

    @classmethod
    def of(cls, policy: SourcePolicy) -> QueueSource:
        """The queue that `policy.url` names; nothing is asked of it yet."""
        return cls(place=place_of(policy))

    @property
    def name(self) -> str:
        """The name outcomes carry."""
        return self.place.queue

    @property
    def is_distant(self) -> bool:
        """True: the next record may be long in coming."""
        return True

    def fingerprint(self) -> Fingerprint:
        """By its address and its group: what is in a queue is never the same twice."""
        known = f"{self.place.label}?group={self.place.group}"
        digest = hashlib.blake2b(known.encode(), digest_size=20).hexdigest()
        return Fingerprint(
            name=self.name, size=None, digest=digest, reading="json messages of a queue"
        )

    def columns(self) -> None:
        """None: every record names its own fields."""

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield what can be seen without taking it; blocks. Raises SourceError."""
        messages = self._ask(lambda queue: queue.peek(PEEKED_MESSAGES))
        position = start.position
        for message in messages:
            body = parse_body(message.body, source=self.name, identity=message.identity)
            yield Chunk(
                source=self.name,
                columns=None,
                positions=[position + place for place in body.places],
                records=body.records,
                rejected=list(body.rejected_at(position + 1)),
                mark=Mark(position + body.count, None),
            )
            position += body.count

    def look(self) -> str:
        """Say what is there; blocks. Raises SourceError where it cannot be reached."""
        return self._ask(lambda queue: queue.look())

    def _ask(self, question: Callable[[Queue], Coroutine[Any, Any, Result]]) -> Result:
        import asyncio  # noqa: PLC0415  # not for those who read files

        try:
            return asyncio.run(asyncio.wait_for(self._asked(question), LOOK_SECONDS))
        except QueueLostError as error:
            raise SourceError(f"{self.place.label} cannot be reached: {error}") from error
        except TimeoutError as error:
            raise SourceError(
                f"{self.place.label} cannot be reached: no answer in {LOOK_SECONDS:.0f} s"
            ) from error

    async def _asked(self, question: Callable[[Queue], Coroutine[Any, Any, Result]]) -> Result:
        queue = queue_of(self.place)
        try:
            return await question(queue)
        finally:
            await queue.close()


def queue_of(place: Place) -> Queue:
    """The client of a queue; nothing is connected yet."""
    module, client = CLIENTS[place.kind]
    made: Queue = getattr(import_module(f"{__package__}.{module}"), client)(place)
    return made
