"""What a queue is to `enqueue`: a place where messages are put, in order, and stay."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from .message import QueueLostError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from .place import Place

__all__ = ("Outgoing", "Outlet", "all_put", "largest", "outlet_of")

OUTLETS: Final = {
    "redis": ("redis_outlet", "RedisOutlet"),
    "nats": ("nats_outlet", "NatsOutlet"),
    "sqs": ("sqs_outlet", "SqsOutlet"),
    "amqp": ("amqp_outlet", "AmqpOutlet"),
    "kafka": ("kafka_outlet", "KafkaOutlet"),
}
"""Kind of queue -> the module of its outlet, imported when one is wanted, and its class."""

LARGEST: Final = {
    "redis": 16_000_000,
    "nats": 1_000_000,  # max_payload, and some room for headers
    "sqs": 256_000,  # 256 KiB, the attributes among them
    "amqp": 16_000_000,
    "kafka": 990_000,  # a million, the key and the header among them
}
"""Kind of queue -> how many bytes of a message's body it takes where nobody has changed that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be put: its records are those up to `last`, behind those of the one before."""

    identity: str
    last: int
    contacts: int
    body: bytes = field(repr=False)


class Outlet(Protocol):
    """A queue that is written to. Raises as Queue does (message.py)."""

    async def open(self, name: str) -> int:
        """Connect, and make the queue where that is the custom; may be called again.

        Returns up to which record the queue has what was put under `name`, 0 if it cannot tell.
        """

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:
        """Put messages on the queue; when this returns, it has them for good.

        Raises QueueLostError with those of which it is known that it has them.
        """

    async def close(self) -> None:
        """Leave in good order. Never raises."""


def largest(place: Place) -> int:
    """How many bytes of a message's body the queue takes; the same each time it is asked."""
    return LARGEST[place.kind]


async def all_put(putting: Iterable[Awaitable[None]], *, confirmed: set[str]) -> None:
    """Wait for all, each of which adds to `confirmed` what the queue has.

    Raises what somebody must see to before QueueLostError, and that with what is confirmed.
    """
    results = await asyncio.gather(*putting, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    for error in errors:
        if not isinstance(error, QueueLostError):
            raise error

    if errors:
        raise QueueLostError(str(errors[0]), confirmed=confirmed) from errors[0]


def outlet_of(place: Place) -> Outlet:
    """The outlet of a queue; nothing is connected yet."""
    module, outlet = OUTLETS[place.kind]
    made: Outlet = getattr(import_module(f"{__package__}.{module}"), outlet)(place)
    return made
