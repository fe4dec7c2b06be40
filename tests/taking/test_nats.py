"""What the client of NATS does with a consumer or a stream that others have made."""

from __future__ import annotations

from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import nats
import pytest

from pipeline.errors import SourceError
from pipeline.intake.queues.message import QueueLostError
from pipeline.intake.queues.nats_gaps import Gap, Gaps
from pipeline.intake.queues.nats_jetstream import NatsStream
from pipeline.intake.queues.place import place_of
from pipeline.intake.source import SourcePolicy
from tests.fakes.brokers import Nats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from pipeline.events import MessagesDeleted


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


async def test_what_the_server_has_given_out_is_in_the_workers_hands(server: Nats) -> None:
    """Nothing lies in the client unseen, however long large messages are on their way."""
    name = await made(server)
    async with worker(server, name) as stream, server._context() as context:
        for _ in range(60):
            await context.publish(name, b"x" * 300_000)

        for most in (30, 20, 50):
            before = (await context.consumer_info(name, "journey")).num_ack_pending
            taken = await stream.take(most, 0.02)
            assert len(taken) == min(most, 60 - before)
            given = (await context.consumer_info(name, "journey")).num_ack_pending
            assert given == before + len(taken)

        assert await stream.take(10, 0.02) == []
        await context.publish(name, b"{}")
        assert len(await stream.take(10, 5.0)) == 1
        await context.delete_consumer(name, "journey")
        with pytest.raises(QueueLostError):
            await stream.take(10, 0.02)


NAMES = (f"limited{number}" for number in count())


@asynccontextmanager
async def worker(server: Nats, name: str, *, group: str = "journey") -> AsyncIterator[NatsStream]:
    stream = NatsStream(place_of(SourcePolicy(url=server.url(name), group=group)))
    await stream.open("me", fresh=True)
    try:
        yield stream
    finally:
        await stream.close()


async def made(server: Nats, **config: Any) -> str:
    """A stream that is limited; what it is called."""
    name = next(NAMES)
    async with server._context() as context:
        await context.add_stream(**{"name": name, "subjects": [name]} | config)

    return name


async def put(server: Nats, subject: str, messages: int) -> None:
    async with server._context() as context:
        for _ in range(messages):
            await context.publish(subject, b"{}")


async def take(stream: NatsStream, most: int, *, acknowledged: bool = True) -> int:
    """Take up to so many; how many came."""
    taken = await stream.take(most, 0.5)
    if acknowledged:
        await stream.acknowledge(taken)

    return len(taken)


def told(deleted: list[MessagesDeleted]) -> list[tuple[str, int, str]]:
    assert not any(each.taken for each in deleted)
    return [(each.bound, each.messages, each.where) for each in deleted]


@pytest.mark.parametrize("retention", ["limits", "interest", "workqueue"])
async def test_what_a_limited_stream_deleted_before_it_was_taken_is_told(
    server: Nats, retention: str
) -> None:
    """Once; whatever it forgets that was acknowledged is none of it."""
    name = await made(server, max_msgs=20, retention=retention)
    async with worker(server, name) as stream:
        for _ in range(3):
            await put(server, name, 20)
            assert await take(stream, 20) == 20

        await put(server, name, 20)
        assert await take(stream, 5) == 5
        assert stream.deleted() == []
        await put(server, name, 12 if retention == "limits" else 17)
        assert await take(stream, 3) == 3
        gone = 7 if retention == "limits" else 12
        assert told(stream.deleted()) == [("", gone, f"(sequences 66 to {65 + gone})")]
        assert await take(stream, 50) == 17
        assert stream.deleted() == []


async def test_what_was_deleted_while_no_worker_was_there(server: Nats) -> None:
    """By its age: what one had taken before it died is told by nobody, what lay there still is."""
    name = await made(server, max_age=1.0)
    await put(server, name, 30)
    async with worker(server, name) as stream:
        assert await take(stream, 10, acknowledged=False) == 10

    async with server._context() as context:
        while (await context.stream_info(name)).state.messages:  # noqa: ASYNC110  # another's
            await anyio.sleep(0.05)

    await put(server, name, 2)
    async with worker(server, name) as stream:
        assert await take(stream, 10) == 2
        assert told(stream.deleted()) == [("", 20, "(sequences 11 to 30)")]


async def test_what_another_worker_was_given_was_not_deleted(server: Nats) -> None:
    """Two share a group; what both of them were not given, each tells of as much as is sure."""
    name = await made(server, max_msgs=100)
    async with worker(server, name) as one, worker(server, name) as other:
        for _ in range(5):
            await put(server, name, 30)
            for each in (one, other, other):
                assert await take(each, 10, acknowledged=each is one) == 10

        assert (one.deleted(), other.deleted()) == ([], [])
        await put(server, name, 140)
        assert await take(other, 10) == 10
        assert await take(one, 10) == 10
        assert told(other.deleted()) == [("", 40, "(sequences 151 to 190)")]
        assert told(one.deleted()) == [("at least", 40, "(of sequences 131 to 190)")]


async def test_what_is_given_once_more_hides_no_gap_and_makes_none(server: Nats) -> None:
    """A delivery is counted, whatever it brings."""
    name = await made(server, max_msgs=50)
    async with server._context() as context:
        config = nats.js.api.ConsumerConfig(
            durable_name="journey", ack_policy=nats.js.api.AckPolicy.EXPLICIT, ack_wait=0.5
        )
        await context.add_consumer(name, config)

    async with worker(server, name) as stream:
        await put(server, name, 40)
        assert await take(stream, 20, acknowledged=False) == 20
        await anyio.sleep(1.0)
        assert await take(stream, 40) == 40
        assert stream.deleted() == []


@pytest.mark.parametrize(
    ("subjects", "wanted", "tells"),
    [("ab", "b", False), ("ab", "ab", True), ("b", "b", True), ("ab", "", True)],
)
async def test_what_a_consumer_is_not_for_was_not_deleted(
    server: Nats, subjects: str, wanted: str, *, tells: bool
) -> None:
    """Where it filters, nobody knows what of a gap would have been for it: nothing is told."""
    within = next(NAMES)
    name = await made(server, subjects=[f"{within}.{each}" for each in subjects], max_msgs=10)
    config = nats.js.api.ConsumerConfig(
        durable_name="journey",
        ack_policy=nats.js.api.AckPolicy.EXPLICIT,
        filter_subject=f"{within}.{wanted}" if len(wanted) == 1 else None,
        filter_subjects=[f"{within}.{each}" for each in wanted] if len(wanted) > 1 else None,
    )
    async with server._context() as context:
        await context.add_consumer(name, config)

    async with worker(server, name) as stream:
        await put(server, f"{within}.b", 15)
        assert await take(stream, 10) == 10
        assert bool(stream.deleted()) is tells


async def test_a_stream_that_was_there_before_the_group(server: Nats) -> None:
    """What it had deleted by then was never the group's; nor is what somebody deletes by hand."""
    name = await made(server, max_msgs=10)
    await put(server, name, 30)
    async with worker(server, name) as stream:
        assert await take(stream, 2) == 2
        async with server._context() as context:
            await context.delete_msg(name, 25)

        assert await take(stream, 10) == 7
        assert stream.deleted() == []


def test_a_consumer_that_is_made_anew_counts_from_one() -> None:
    """It says nothing of a gap, and begins with what it is given."""
    gaps = Gaps(delivery=50, number=70)
    assert gaps.found([(1, 90), (2, 91), (3, 95)]) == [Gap(begin=92, end=95, messages=3)]
