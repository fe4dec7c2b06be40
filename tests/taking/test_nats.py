"""What the client of NATS does with a consumer that others have made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nats
import pytest

from pipeline.errors import SourceError
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
