"""A worker whose queue has deleted what it was to send says so, and sends the rest."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.contracts.queue_source import benched
from tests.fakes.brokers import BROKERS, Nats, Valkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contracts.queue_source import Bench

pytestmark = pytest.mark.timeout(300)

QUEUE: Final = "deleted"


def trim(broker: Any) -> None:
    with closing(broker._client()) as client:
        client.xtrim(QUEUE, maxlen=10, approximate=False)


def limit(broker: Any) -> None:
    async def work() -> None:
        async with broker._context() as context:
            config = (await context.stream_info(QUEUE)).config
            config.max_msgs = 10
            await context.update_stream(config)

    asyncio.run(work())


LEAVE_TEN: Final[dict[str, Callable[[Any], None]]] = {"redis": trim, "nats": limit}


@pytest.fixture(params=LEAVE_TEN)
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with benched(BROKERS[request.param], tmp_path, QUEUE) as bench:
        yield bench


def test_what_is_gone_is_told(bench: Bench) -> None:
    """Of forty messages that came while no worker was there, thirty are gone."""
    assert isinstance(bench.broker, Valkey | Nats)
    bench.configure()
    bench.put(20)
    ran = bench.drain(bench.start())
    assert "has deleted" not in ran.stderr
    sent = list(bench.keys)
    bench.put(30)
    bench.keys = sent
    bench.put(10)
    LEAVE_TEN["redis" if isinstance(bench.broker, Valkey) else "nats"](bench.broker)
    ran = bench.drain(bench.start())
    assert ran.stderr.count("has deleted 30 messages (") == 1
    assert f"{bench.broker.url(QUEUE)} has deleted" in ran.stderr
    bench.audit()
