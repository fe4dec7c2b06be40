"""What a queue is to `enqueue`: a place where messages are put, in order, and stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .place import Place

__all__ = ("Outgoing", "Outlet", "outlet_of")

OUTLETS: Final = {
    "redis": ("redis_outlet", "RedisOutlet"),
    "nats": ("nats_outlet", "NatsOutlet"),
    "sqs": ("sqs_outlet", "SqsOutlet"),
    "amqp": ("amqp_outlet", "AmqpOutlet"),
    "kafka": ("kafka_outlet", "KafkaOutlet"),
}
"""Kind of queue -> the module of its outlet, imported when one is wanted, and its class."""


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
        """Put messages on the queue; when this returns, it has them for good."""

    async def close(self) -> None:
        """Leave in good order. Never raises."""


def outlet_of(place: Place) -> Outlet:
    """The outlet of a queue; nothing is connected yet."""
    module, outlet = OUTLETS[place.kind]
    made: Outlet = getattr(import_module(f"{__package__}.{module}"), outlet)(place)
    return made
