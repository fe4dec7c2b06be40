"""Trimming of a Redis stream: what every group has acknowledged goes, and nothing else ever."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.asyncio import Redis

from pipeline.errors import SourceError
from pipeline.intake.queues.place import place_of
from pipeline.intake.queues.redis_groups import trim
from pipeline.intake.queues.redis_stream import RedisStream
from pipeline.intake.source import SourcePolicy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.brokers import Valkey

STREAM = "contacts"
ENTRIES = 1_000
BLOCK = 100
"""The server removes whole blocks of entries: of so many, where nobody has changed that."""


@pytest.fixture
def server(valkey: Valkey) -> Iterator[Any]:
    """A stream of entries, numbered; nobody has read it."""
    with closing(redis.Redis(port=valkey.port, decode_responses=True)) as server:
        server.flushall()
        for number in range(1, ENTRIES + 1):
            server.xadd(STREAM, {"body": f'{{"id":"{number}"}}'}, id=f"{number}-0")

        yield server


def read(server: Any, group: str, entries: int, *, acknowledged: bool = True) -> list[str]:
    """What a group is given; it is made where there is none."""
    if all(told["name"] != group for told in server.xinfo_groups(STREAM)):
        server.xgroup_create(STREAM, group, id="0")

    if not entries:
        return []

    ((_, given),) = server.xreadgroup(group, "worker", {STREAM: ">"}, count=entries)
    ids = [entry for entry, _ in given]
    if acknowledged:
        server.xack(STREAM, group, *ids)

    return ids


async def trimmed(valkey: Valkey) -> int:
    client = Redis(port=valkey.port)
    try:
        return await trim(client, STREAM)
    finally:
        await client.aclose()


def first(server: Any) -> int:
    ((entry, _),) = server.xrange(STREAM, count=1)
    return int(entry.partition("-")[0])


async def test_what_every_group_has_acknowledged_goes(valkey: Valkey, server: Any) -> None:
    """But for a part of a block; a group that has read less keeps what it has not read."""
    read(server, "journey", 900)
    assert await trimmed(valkey) >= 900 - BLOCK - 1
    assert 900 - BLOCK <= first(server) <= 900
    server.xadd(STREAM, {"body": "{}"}, id="2000-0")
    read(server, "archive", 0)
    read(server, "journey", 101)
    before = first(server)
    assert await trimmed(valkey) == 0
    assert first(server) == before


async def test_what_is_being_worked_on_stays(valkey: Valkey, server: Any) -> None:
    """From the first entry on that is not acknowledged, though later ones are."""
    read(server, "journey", 300)
    (held,) = read(server, "journey", 1, acknowledged=False)
    read(server, "journey", 600)
    await trimmed(valkey)
    assert server.xrange(STREAM, min=held, max=held)
    assert first(server) <= 301
    server.xack(STREAM, "journey", held)
    await trimmed(valkey)
    assert first(server) > 301


@pytest.mark.parametrize(("journey", "archive"), [(900, 0), (900, 250), (900, 900), (250, 900)])
async def test_no_group_loses_what_it_has_not_read(
    valkey: Valkey, server: Any, journey: int, archive: int
) -> None:
    """Each is given every entry once, whatever is trimmed in between."""
    given = {
        "journey": read(server, "journey", journey),
        "archive": read(server, "archive", archive),
    }
    await trimmed(valkey)
    for group, ids in given.items():
        rest = read(server, group, 2 * ENTRIES)
        assert ids + rest == [f"{number}-0" for number in range(1, ENTRIES + 1)]


async def test_nothing_goes_where_no_group_is(valkey: Valkey, server: Any) -> None:
    """Nobody has acknowledged anything."""
    assert await trimmed(valkey) == 0
    assert server.xlen(STREAM) == ENTRIES


async def test_ids_are_compared_as_numbers(valkey: Valkey, server: Any) -> None:
    """Of two groups the one that is behind counts: 9-0 is before 10-0."""
    read(server, "journey", 400)
    read(server, "archive", 9)
    await trimmed(valkey)
    assert first(server) == 1


@pytest.mark.parametrize("asked", [True, False])
async def test_a_worker_trims_where_it_is_asked_to(
    valkey: Valkey, server: Any, *, asked: bool
) -> None:
    """Else every entry stays, as Redis has it."""
    policy = SourcePolicy(url=valkey.url(STREAM), trim=asked)
    stream = RedisStream(place_of(policy))
    await stream.open("me", fresh=True)
    for _ in range(2):
        assert len(await stream.acknowledge(await stream.take(450, 1.0))) == 450
        stream._trim_at = 0.0  # ten seconds later

    await stream.close()
    assert (server.xlen(STREAM) < 2 * BLOCK + 100) is asked
    assert server.xinfo_groups(STREAM)[0]["lag"] == 100


async def test_a_worker_that_may_not_trim_says_so(valkey: Valkey, server: Any) -> None:
    """By a sentence that names what to do; what it acknowledged is acknowledged."""
    server.execute_command(
        "ACL", "SETUSER", "worker", "on", "nopass", "~*", "+@all", "-eval", "-xtrim"
    )
    url = valkey.url(STREAM).replace("redis://", "redis://worker@")
    stream = RedisStream(place_of(SourcePolicy(url=url, trim=True, password="any")))
    await stream.open("me", fresh=True)
    taken = await stream.take(10, 1.0)
    with pytest.raises(SourceError, match=r"cannot be trimmed.*\[source\] trim"):
        await stream.acknowledge(taken)

    await stream.close()
    assert server.xinfo_groups(STREAM)[0]["pending"] == 0


def test_trim_is_for_redis() -> None:
    """The others forget by themselves what is done with, or never do."""
    with pytest.raises(ValueError, match="trim is for the streams of Redis and Valkey"):
        SourcePolicy(url="nats://host/contacts", trim=True)
