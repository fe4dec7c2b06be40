"""RabbitMQ's client on a line that breaks: nothing waits for ever, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from pipeline.intake.queues.amqp import AmqpQueue
from pipeline.intake.queues.amqp_outlet import AmqpOutlet
from pipeline.intake.queues.message import QueueLostError
from pipeline.intake.queues.outlet import Outgoing
from pipeline.intake.queues.place import place_of
from pipeline.intake.source import SourcePolicy
from tests.fakes.breaking_proxy import BreakingProxy
from tests.fakes.brokers import RABBIT, Rabbit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.intake.queues.message import Message
    from pipeline.intake.queues.place import Place

pytestmark = pytest.mark.timeout(200)

SOON_SECONDS = 15.0
"""Long before the client's own deadline for an answer."""


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    if not RABBIT.exists():
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")

    with Rabbit(tmp_path_factory.mktemp("amqp")) as rabbit:
        yield rabbit


def place(port: int, queue: str) -> Place:
    return place_of(SourcePolicy(url=f"amqp://127.0.0.1:{port}/{queue}"))


async def made(rabbit: Rabbit, bodies: Sequence[bytes] = ()) -> str:
    """A queue of its own that holds these: on each event loop a test is run once more."""
    name = uuid4().hex
    await asyncio.to_thread(rabbit.make, name)
    await asyncio.to_thread(rabbit.put, name, bodies)
    return name


def numbered(number: int) -> list[bytes]:
    return [b'{"id":"%d"}' % each for each in range(number)]


async def taken(queue: AmqpQueue, number: int) -> list[Message]:
    """So many messages, in as many bursts as that takes."""
    messages: list[Message] = []
    async with asyncio.timeout(60.0):
        while len(messages) < number:
            messages += await queue.take(number - len(messages), 0.5)

    return messages


@pytest.mark.parametrize("number", [5, 60, 600])
async def test_acknowledging_ends_when_the_line_has_just_broken(
    rabbit: Rabbit, number: int
) -> None:
    """However many there are: all of them come again, and can be acknowledged then."""
    name = await made(rabbit, numbered(number))
    with BreakingProxy(rabbit.port, cuts=[]) as proxy:
        queue = AmqpQueue(place(proxy.port, name))
        await queue.open("me", fresh=True)
        messages = await taken(queue, number)
        proxy.cut()
        async with asyncio.timeout(SOON_SECONDS):
            with pytest.raises(QueueLostError):
                await queue.acknowledge(messages)

            await queue.open("me", fresh=False)

        assert await queue.acknowledge(messages) == []  # by a line that is gone
        again = await taken(queue, number)
        assert {each.body for each in again} == {each.body for each in messages}
        assert all(each.redelivered for each in again)
        assert await queue.acknowledge(again) == again
        await queue.close()

    assert await asyncio.to_thread(rabbit.outstanding, name) == 0


async def test_what_is_done_with_out_of_order_leaves_the_rest(rabbit: Rabbit) -> None:
    """An acknowledgement never goes for a message that is still being worked on."""
    name = await made(rabbit, numbered(20))
    queue = AmqpQueue(place(rabbit.port, name))
    await queue.open("me", fresh=True)
    messages = await taken(queue, 20)
    await queue.acknowledge(messages[10:])
    await queue.acknowledge(messages[:5])
    assert await asyncio.to_thread(rabbit.outstanding, name) == 5
    await queue.close()
    await queue.open("me", fresh=False)
    assert [each.body for each in await taken(queue, 5)] == [each.body for each in messages[5:10]]
    await queue.close()


async def test_what_was_pushed_before_the_line_broke_is_passed_on(rabbit: Rabbit) -> None:
    """It comes again, in doubt: the journal must know it by then."""
    bodies = [b'{"id":"%d","rest":"%s"}' % (each, 30_000 * b"x") for each in range(9)]
    name = await made(rabbit, bodies)
    with BreakingProxy(rabbit.port, cuts=[100_000]) as proxy:
        queue = AmqpQueue(place(proxy.port, name))
        await queue.open("me", fresh=True)
        pushed = await queue.take(9, 5.0)
        assert 0 < len(pushed) < 9
        async with asyncio.timeout(SOON_SECONDS):
            with pytest.raises(QueueLostError):
                await queue.take(9, 5.0)

            await queue.open("me", fresh=False)

        again = await taken(queue, 9)
        assert [each.body for each in again] == bodies
        assert all(each.redelivered for each in again[: len(pushed)])
        await queue.close()


async def test_putting_ends_when_the_line_breaks(rabbit: Rabbit) -> None:
    """It says which messages are there for good; the others may be put once more."""
    name = await made(rabbit)
    messages = [
        Outgoing(identity=f"m{each}", last=each, contacts=1, body=30_000 * b"x")
        for each in range(1, 201)
    ]
    with BreakingProxy(rabbit.port, cuts=[]) as proxy:
        outlet = AmqpOutlet(place(proxy.port, name))
        await outlet.open("name")
        await outlet.put("name", messages[:20])
        proxy.cut()
        async with asyncio.timeout(SOON_SECONDS):
            with pytest.raises(QueueLostError) as lost:
                await outlet.put("name", messages[20:])

            await outlet.open("name")
            left = [each for each in messages[20:] if each.identity not in lost.value.confirmed]
            await outlet.put("name", left)

        await outlet.close()

    assert left
    assert 200 <= await asyncio.to_thread(rabbit.outstanding, name) <= 200 + len(left)


async def test_what_came_by_a_line_is_this_workers_while_the_line_is_there(rabbit: Rabbit) -> None:
    """An answer on it says so; once it is gone nothing is, however soon another one is open."""
    name = await made(rabbit, numbered(5))
    with BreakingProxy(rabbit.port, cuts=[]) as proxy:
        queue = AmqpQueue(place(proxy.port, name))
        await queue.open("me", fresh=True)
        before = queue.losses
        messages = await taken(queue, 5)
        assert await queue.extend(messages, age_seconds=1_000.0) == messages
        assert (queue.losses, all(map(queue.keeps, messages))) == (before, True)
        proxy.cut()
        async with asyncio.timeout(SOON_SECONDS):
            with pytest.raises(QueueLostError):
                await queue.extend(messages, age_seconds=1.0)

            assert queue.losses != before
            assert not any(map(queue.keeps, messages))
            await queue.open("me", fresh=False)

        assert queue.losses != before
        assert await queue.extend(messages, age_seconds=1.0) == []
        await queue.close()
