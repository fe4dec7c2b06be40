"""What the client of Redis and Valkey tells: of trimmed entries, and of a server that refuses."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import anyio
import anyio.abc
import pytest
import redis

from pipeline.errors import SourceError
from pipeline.intake.queues.message import QueueLostError
from pipeline.intake.queues.place import place_of
from pipeline.intake.queues.redis_gaps import Gaps, counts_rightly
from pipeline.intake.queues.redis_outlet import RedisOutlet
from pipeline.intake.queues.redis_stream import RedisStream
from pipeline.intake.source import SourcePolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from pipeline.intake.queues.message import Message
    from pipeline.intake.queues.place import Place
    from tests.fakes.brokers import Valkey

STREAM = "contacts"


@pytest.fixture
def server(valkey: Valkey) -> Iterator[Any]:
    with closing(redis.Redis(port=valkey.port, decode_responses=True)) as server:
        server.flushall()
        put(server, 1, 100)
        yield server


def put(server: Any, first: int, last: int) -> None:
    for number in range(first, last + 1):
        server.xadd(STREAM, {"contacts": "{}"}, id=f"{number}-0")


def trim(server: Any, first: int) -> None:
    """Somebody removes all entries before `first`."""
    server.xtrim(STREAM, minid=f"{first}-0", approximate=False)


@asynccontextmanager
async def worker(valkey: Valkey, name: str = "me", **policy: Any) -> AsyncIterator[RedisStream]:
    policy = {"claim_idle_seconds": 60.0, **policy}
    stream = RedisStream(place_of(SourcePolicy(url=valkey.url(STREAM), **policy)))
    await stream.open(name, fresh=True)
    try:
        yield stream
    finally:
        await stream.close()


async def take(stream: RedisStream, most: int, *, acknowledged: bool = True) -> list[int]:
    """Take up to so many, long after it was last looked; their numbers."""
    stream._look_at = 0.0
    taken = await stream.take(most, 0.05)
    if acknowledged:
        await stream.acknowledge(taken)

    return numbers(taken)


def numbers(taken: list[Message]) -> list[int]:
    return [int(each.handle.partition(b"-")[0]) for each in taken]


def told(stream: RedisStream) -> list[tuple[int, str, bool]]:
    return [(each.messages, each.where, each.taken) for each in stream.deleted()]


async def test_what_was_trimmed_before_it_was_taken_is_told(valkey: Valkey, server: Any) -> None:
    """How many, and between which; each gap once, whatever came before it."""
    async with worker(valkey) as stream:
        assert len(await take(stream, 10)) == 10
        trim(server, 6)
        assert len(await take(stream, 10)) == 10
        assert told(stream) == []
        trim(server, 41)
        assert await take(stream, 10) == [*range(41, 51)]
        assert told(stream) == [(20, "(entries after 20-0 and before 41-0)", False)]
        trim(server, 71)
        assert await take(stream, 10) == [*range(71, 81)]
        assert told(stream) == [(20, "(entries after 50-0 and before 71-0)", False)]
        assert len(await take(stream, 50)) == 20
        trim(server, 101)
        put(server, 201, 205)
        assert len(await take(stream, 50)) == 5
        assert told(stream) == []


async def test_a_stream_that_was_emptied(valkey: Valkey, server: Any) -> None:
    """It is told though nothing comes, and what is emptied after that is told on top of it."""
    async with worker(valkey) as stream:
        assert len(await take(stream, 10)) == 10

    trim(server, 101)
    async with worker(valkey) as stream:
        for _ in range(3):
            assert await take(stream, 10) == []

        assert told(stream) == [(90, "(entries after 10-0, up to 100-0)", False)]
        put(server, 101, 110)
        trim(server, 111)
        assert await take(stream, 10) == []
        assert told(stream) == [(10, "(entries after 10-0, up to 110-0)", False)]
        put(server, 111, 112)
        assert await take(stream, 10) == [111, 112]
        assert told(stream) == []


async def test_what_another_worker_was_given_was_not_trimmed(valkey: Valkey, server: Any) -> None:
    """Two share a group: of what both were not given, one of them tells."""
    async with worker(valkey, "one") as one, worker(valkey, "other") as other:
        assert len(await take(one, 10)) + len(await take(other, 10)) == 20
        trim(server, 21)
        assert len(await take(one, 10)) + len(await take(other, 10)) == 20
        assert told(one) + told(other) == []
        trim(server, 51)
        assert len(await take(one, 10)) + len(await take(other, 10)) == 20
        assert told(one) + told(other) == [(10, "(entries after 40-0 and before 51-0)", False)]


async def test_a_stream_that_was_there_before_the_group(valkey: Valkey, server: Any) -> None:
    """What was trimmed by then was never the group's; nor is what somebody deletes by hand."""
    trim(server, 31)
    async with worker(valkey) as stream:
        assert len(await take(stream, 10)) == 10
        server.xdel(STREAM, "55-0")
        trim(server, 45)
        assert len(await take(stream, 10)) == 10
        assert told(stream) == []


async def test_what_a_worker_had_taken_when_it_died(valkey: Valkey, server: Any) -> None:
    """By the next one of its name; while one lives it has what it took, and it is not told."""
    async with worker(valkey) as stream:
        await take(stream, 10, acknowledged=False)
        trim(server, 4)
        await stream.open("me", fresh=False)  # the line broke
        assert await take(stream, 10, acknowledged=False) == [*range(4, 11)]
        assert told(stream) == []
        trim(server, 6)

    async with worker(valkey) as stream:
        assert await take(stream, 10, acknowledged=False) == [*range(6, 11)]
        assert told(stream) == [(5, "(of entries 1-0 to 5-0)", True)]
        trim(server, 7)

    async with worker(valkey) as stream:
        assert await take(stream, 10) == [*range(7, 11)]
        assert told(stream) == [(1, "(of entries 6-0 to 6-0)", True)]
        assert server.xinfo_groups(STREAM)[0]["pending"] == 0


async def test_what_another_worker_had_taken_when_it_died(valkey: Valkey, server: Any) -> None:
    """By whoever would have claimed it."""
    async with worker(valkey, "dead") as stream:
        await take(stream, 10, acknowledged=False)

    trim(server, 7)
    await anyio.sleep(1.1)
    async with worker(valkey, claim_idle_seconds=1.0) as stream:
        assert await take(stream, 10) == [*range(7, 11)]
        assert told(stream) == [(6, "(of entries 1-0 to 6-0)", True)]


async def test_who_may_not_ask_for_the_server_still_works(valkey: Valkey, server: Any) -> None:
    """What depends on its version is not told then."""
    server.execute_command("ACL", "SETUSER", "plain", "on", ">any", "~*", "+@all", "-info")
    place = place_of(SourcePolicy(url=valkey.url(STREAM).replace("//", "//plain@"), password="any"))
    stream = RedisStream(place)
    await stream.open("me", fresh=True)
    assert len(await take(stream, 10)) == 10
    trim(server, 41)
    assert await take(stream, 10) == [*range(41, 51)]
    assert told(stream) == []
    assert len(await take(stream, 50)) == 50
    assert await take(stream, 50) == []  # now it has all, and is as good as any
    put(server, 101, 120)
    trim(server, 111)
    assert len(await take(stream, 50)) == 10
    assert told(stream) == [(10, "(entries after 100-0 and before 111-0)", False)]
    await stream.close()


def standing(reached: int, given: int | None, *, first: int, last: int, added: int = 0) -> Any:
    """What a server tells that was seen to: Redis 7.0.15."""
    stream = {
        "length": last - first + 1,
        "entries-added": added or last,
        "max-deleted-entry-id": b"0-0",
        "recorded-first-entry-id": b"%d-0" % first,
        "last-generated-id": b"%d-0" % last,
    }
    return stream, {"last-delivered-id": b"%d-0" % reached, "entries-read": given}


def test_a_server_that_leaves_a_gap_out_of_its_count() -> None:
    """Behind a gap nothing is told, for it might be the same, until all there is was read once."""
    gaps = Gaps(rightly=False)
    assert gaps.found(*standing(10, 10, first=41, last=100)) is None
    assert gaps.found(*standing(100, 70, first=41, last=100)) is None
    assert gaps.found(*standing(100, 70, first=101, last=110)) is None
    gap = gaps.found(*standing(100, 70, first=104, last=110))
    assert gap is not None
    assert (gap.messages, gap.where) == (3, "(entries after 100-0 and before 104-0)")
    assert gaps.found(*standing(105, 72, first=108, last=110)) is None


@pytest.mark.parametrize(
    ("server", "rightly"),
    [
        ({"redis_version": "7.2.4", "valkey_version": "9.1.2"}, True),
        ({"redis_version": "7.2.4", "valkey_version": "8.1.0"}, False),
        ({"redis_version": "8.2.1"}, True),
        ({"redis_version": "7.4.9"}, False),
        ({"redis_version": "255.255.255"}, True),
        ({"redis_version": "unstable"}, False),
        ({}, False),
    ],
)
def test_which_servers_count_rightly(server: dict[str, str], *, rightly: bool) -> None:
    """By what `INFO server` tells of the version."""
    assert counts_rightly(server) is rightly


PROTECTED = (
    b"-DENIED Running in protected mode because protected mode is enabled and no password is set "
    b"for the default user. In this mode connections are only accepted from the loopback "
    b"interface.\r\n"
)
"""What Valkey 9 writes to whoever comes from another machine, and hangs up."""


@asynccontextmanager
async def hanging_up(greeting: bytes) -> AsyncIterator[str]:
    """A server that says this unasked and hangs up; yields a stream's URL there."""

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.send(greeting)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        yield f"redis://127.0.0.1:{port}/0/{STREAM}"
        tasks.cancel_scope.cancel()


async def open_to_take(place: Place) -> None:
    await RedisStream(place).open("me", fresh=True)


async def open_to_look(place: Place) -> None:
    await RedisStream(place).look()


async def open_to_put(place: Place) -> None:
    await RedisOutlet(place).open("file")


@pytest.mark.parametrize("opened", [open_to_take, open_to_look, open_to_put])
async def test_a_server_that_wants_nobody_from_elsewhere_says_why(
    opened: Callable[[Place], Awaitable[None]],
) -> None:
    """It is not tried for ever: the worker ends with what the server says and what to look at."""
    async with hanging_up(PROTECTED) as url:
        place = place_of(SourcePolicy(url=url))
        with pytest.raises(SourceError) as refused:
            await opened(place)

    assert re.search(
        r"Running in protected mode because .* is set for the default user\b.* See to its URL and "
        r"\[source\] group, and to JOURNEY_SOURCE__PASSWORD",
        str(refused.value),
    )


async def test_a_server_that_hangs_up_is_tried_again() -> None:
    """It may be starting, or have too many clients: that passes."""
    for greeting in (b"\n", b"x" * 100_000, b"-ERR max number of clients reached\r\n"):
        async with hanging_up(greeting) as url:
            with pytest.raises(QueueLostError):
                await open_to_take(place_of(SourcePolicy(url=url)))


def consumers(server: Any) -> set[str]:
    """Whose the entries are that are pending."""
    return {told["consumer"] for told in server.xpending_range(STREAM, "journey", "-", "+", 100)}


async def test_what_nobody_else_was_given_is_claimed_back(valkey: Valkey, server: Any) -> None:
    """However long it has lain; what another worker has claimed stays that one's."""
    async with (
        worker(valkey, "one", claim_idle_seconds=1.0) as one,
        worker(valkey, "other", claim_idle_seconds=1.0) as other,
    ):
        taken = await one.take(100, 0.05)
        assert await one.extend(taken, age_seconds=0.1) == taken
        await anyio.sleep(1.3)
        assert await one.extend(taken, age_seconds=1.5) == taken
        await anyio.sleep(1.3)
        assert len(await other.take(100, 0.05)) == 100
        await anyio.sleep(0.2)
        assert await one.extend(taken, age_seconds=1.8) == []
        assert consumers(server) == {"other.claimed"}
        await other.acknowledge(taken[:40])
        assert await one.extend(taken, age_seconds=1.9) == []
        assert consumers(server) == {"other.claimed"}


async def test_what_was_trimmed_while_it_was_held_is_this_workers(
    valkey: Valkey, server: Any
) -> None:
    """Nobody else can be given it: it is sent, as long as it is extended in time."""
    async with worker(valkey) as one:
        taken = await one.take(100, 0.05)
        trim(server, 101)
        assert await one.extend(taken, age_seconds=20.0) == taken
