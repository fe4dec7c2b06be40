from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import pytest

from benchmarks.contacts import COLUMNS
from benchmarks.server import Server, server_command, serving
from benchmarks.server_asyncio import Tally
from benchmarks.ways.payload import endpoint
from pipeline.mapping.target import parse_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

_PYTHON = [sys.executable, "-m", "benchmarks.server_asyncio"]


@pytest.fixture(scope="module", params=["best", "Python"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    best = server_command(tmp_path_factory.mktemp("server"))
    command, kind = best if request.param == "best" else (_PYTHON, "Python")
    yield from _served(command, kind)


def _served(command: list[str], kind: str) -> Iterator[Server]:
    with serving(command, kind=kind) as server:
        yield server


def _body(records: int, size: int) -> bytes:
    return b'{"EventDefinitionKey":"APIEvent-1","BatchId":"","RecordCount": %d,"x":"%s"}' % (
        records,
        b"x" * size,
    )


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> str:
    async with session.post(endpoint(url), data=body) as response:
        assert response.status == 201
        return str((await response.json())["eventInstanceId"])


async def test_counts(server: Server) -> None:
    """Requests, contacts, body bytes and tokens are counted, whole, and forgotten at a reset."""
    bodies = [_body(500, 137_000), _body(500, 3), _body(7, 20_000)]

    async with aiohttp.ClientSession() as session:
        server.reset(latency_ms=0)
        identities = {await _post(session, server.url, body) for body in bodies}

        async with session.post(f"{server.url}/v1/requestToken", json={}) as response:
            token = await response.json()

        definition = "/interaction/v1/eventDefinitions/key:APIEvent-benchmark"
        async with session.get(server.url + definition) as response:
            assert [field.name for field in parse_fields(await response.json())] == list(COLUMNS)

        async with session.get(f"{server.url}/nowhere") as response:
            assert response.status == 404

    counted = server.statistics()
    assert len(identities) == 3
    assert len(token["accessToken"]) == 24
    assert (counted.requests, counted.answered, counted.contacts) == (3, 3, 1007)
    assert (counted.body_bytes, counted.tokens) == (sum(map(len, bodies)), 1)
    assert counted.max_in_flight == 1

    server.reset(latency_ms=0)
    assert server.statistics().requests == 0


async def test_in_flight(server: Server) -> None:
    """Four clients that wait nearly always are nearly four in flight, averaged over time."""
    server.reset(latency_ms=40)

    async def client() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(10):
                await _post(session, server.url, _body(500, 1_000))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(client)

    counted = server.statistics()
    assert counted.contacts == 20_000
    assert counted.max_in_flight == 4
    assert 2.5 < counted.steady_in_flight <= 4
    assert counted.window_seconds >= 0.4


async def test_client_gone(server: Server) -> None:
    """A client that leaves while its answer is owed is neither answered nor in flight."""
    server.reset(latency_ms=100)

    async with aiohttp.ClientSession() as session:
        with anyio.move_on_after(0.05):
            await _post(session, server.url, _body(500, 1_000))

    async with aiohttp.ClientSession() as session:
        await _post(session, server.url, _body(1, 10))

    counted = server.statistics()
    assert (counted.requests, counted.answered) == (2, 1)
    assert counted.max_in_flight == 1


def test_tally_averages_over_time() -> None:
    """In flight is the integral over time; the steady part leaves the end tenths out."""
    tally = Tally()
    tally.begin(10, now=0.0)  # one in flight for 1 s, two for 3 s, one for 1 s
    tally.begin(10, now=1.0)
    tally.end(now=4.0, answered=True)
    tally.end(now=5.0, answered=True)

    assert tally.statistics()["mean_in_flight"] == pytest.approx((1 + 6 + 1) / 5)
    assert tally.statistics()["max_in_flight"] == 2

    for second in range(8):  # eight more, each half of its second
        tally.begin(10, now=5.0 + second + 0.5)
        tally.end(now=6.0 + second, answered=True)

    # ten answers: from the first (4 s, integral 7) to the ninth (12 s)
    assert tally.statistics()["steady_in_flight"] == pytest.approx((1 + 7 * 0.5) / 8)
