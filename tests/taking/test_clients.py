"""What clients of queues do on a line that breaks, and with a consumer that others have made."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nats
import pytest

from pipeline.errors import SourceError
from pipeline.intake.queues.amqp import AmqpQueue
from pipeline.intake.queues.message import QueueLostError
from pipeline.intake.queues.nats_jetstream import NatsStream
from pipeline.intake.queues.place import place_of
from pipeline.intake.source import SourcePolicy
from tests.fakes.brokers import Nats

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    with Nats(tmp_path_factory.mktemp("nats")) as server:
        server.make("contacts")
        yield server


async def stream_of(server: Nats, **config: Any) -> NatsStream:
    """A worker's client of a consumer that is made as told."""
    url = server.url("contacts")
    client = await nats.connect(url.removesuffix("/contacts"))
    context = client.jetstream()
    group = "_".join(map(str, config))
    made = nats.js.api.ConsumerConfig(durable_name=group, **config)
    await context.add_consumer("contacts", config=made)
    await client.close()
    return NatsStream(place_of(SourcePolicy(url=url, group=group, claim_idle_seconds=60.0)))


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ({"ack_wait": 2.0}, 2.0),
        ({"ack_wait": 90.0}, 90.0),
        ({"backoff": [1.0, 5.0], "max_deliver": 9}, 1.0),
    ],
)
async def test_nats_extends_as_the_consumer_was_made(
    server: Nats, config: dict[str, Any], seconds: float
) -> None:
    """Its own wait counts, not what a new one would have been made with."""
    stream = await stream_of(server, **config)
    await stream.open("me", fresh=True)
    await stream.close()
    assert stream.extend_seconds == seconds / 4


async def test_nats_refuses_a_consumer_that_acknowledges_by_itself(server: Nats) -> None:
    """What is still being worked on would be lost."""
    stream = await stream_of(server, ack_policy="none")
    with pytest.raises(SourceError, match=r"ack policy 'none'.*\[source\] group"):
        await stream.open("me", fresh=True)

    await stream.close()


class Breaking:
    """A line to RabbitMQ that pushes messages, and breaks before the burst is over."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = bodies
        self.channel = self.queue = self

    def check(self) -> None:
        """The line is there, as far as is known."""

    async def set_qos(self, most: int, timeout: float) -> None:  # noqa: ASYNC109  # its name
        """It takes what it is given."""

    async def consume(self, callback: Any, timeout: float) -> str:  # noqa: ASYNC109  # as above
        for tag, body in enumerate(self.bodies):
            pushed = SimpleNamespace(
                body=body, message_id=None, redelivered=False, delivery_tag=tag
            )
            await callback(pushed)

        return "tag"

    async def cancel(self, tag: str, timeout: float) -> None:  # noqa: ASYNC109  # as above
        raise ConnectionResetError("reset by peer")


async def test_amqp_passes_on_what_was_pushed_before_the_line_broke() -> None:
    """It comes again, in doubt: the journal must know it by then."""
    queue = AmqpQueue(place_of(SourcePolicy(url="amqp://127.0.0.1/contacts")))
    queue._line = Breaking(b"one", b"two")  # type: ignore[assignment]  # a test's
    assert [each.body for each in await queue.take(10, 0.0)] == [b"one", b"two"]
    queue._line = Breaking()  # type: ignore[assignment]  # a test's
    with pytest.raises(QueueLostError, match="reset by peer"):
        await queue.take(10, 0.0)
