"""What every queue tells of what lies on it, asked by a client of its own, on its real broker."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING
from urllib.request import urlopen

from playwright.sync_api import expect
from prometheus_client.parser import text_string_to_metric_families

from pipeline.intake.queues.place import place_of
from pipeline.intake.queues.source import queue_of
from pipeline.intake.source import SourcePolicy
from tests.contracts.queue_source import eventually
from tests.fakes.brokers import free_port
from tests.fakes.browser import browsing

if TYPE_CHECKING:
    from pipeline.intake.queues.message import Backlog, Message, Queue
    from pipeline.intake.queues.place import Place
    from tests.contracts.queue_source import Bench

__all__ = ("check_backlog", "check_lag")

MESSAGES = 20
TAKEN = 5


def check_backlog(bench: Bench, *, tells_age: bool, tells_taken: bool, commits: bool) -> None:
    """What waits, what is taken, and how old the oldest is, as far as the broker tells.

    `commits`: the queue knows of nothing but what is done with, so that what is taken waits.
    """
    place = place_of(SourcePolicy(url=bench.broker.url(bench.queue)))
    seen = asyncio.run(_asked(place))
    assert (seen.waiting, seen.taken or 0) == (0, 0)
    bench.put(MESSAGES)
    seen = asyncio.run(_asked(place))
    assert (seen.waiting, seen.taken or 0) == (MESSAGES, 0)
    asyncio.run(_taken(place, tells_age=tells_age, tells_taken=tells_taken, commits=commits))


async def _asked(place: Place) -> Backlog:
    queue = queue_of(place)
    try:
        return await queue.backlog()
    finally:
        await queue.close()


async def _taken(place: Place, *, tells_age: bool, tells_taken: bool, commits: bool) -> None:
    """A worker takes some, and acknowledges them; beside it another client looks."""
    worker, lookout = queue_of(place), queue_of(place)
    await worker.open("me", fresh=True)
    taken = await _take(worker)
    await asyncio.sleep(1.1)
    seen = await lookout.backlog()
    left = MESSAGES - len(taken)
    assert seen.waiting == (MESSAGES if commits else left)
    assert seen.taken == (len(taken) if tells_taken else None)
    if tells_age:
        assert seen.oldest_seconds is not None
        assert 1.0 <= seen.oldest_seconds < 60.0
    else:
        assert seen.oldest_seconds is None

    worker.finish(taken)
    told = await worker.acknowledge(taken)
    assert {each.identity for each in told} == {each.identity for each in taken}
    async with asyncio.timeout(20.0):
        while (seen := await lookout.backlog()).waiting != left or seen.taken:  # noqa: ASYNC110  # others' state
            await asyncio.sleep(0.05)  # brokers tell of it by and by

    await worker.close()
    await lookout.close()


async def _take(queue: Queue) -> list[Message]:
    async with asyncio.timeout(60.0):
        while not (taken := await queue.take(TAKEN, 0.5)):
            pass

    return taken


def check_lag(bench: Bench) -> None:
    """A worker's metrics and its live page tell what lies on its queue, as far as that is known."""
    port = free_port()
    bench.configure(rate=1.0, max_records=10)
    bench.program.environment["JOURNEY_WORKER__LISTEN"] = f"127.0.0.1:{port}"
    bench.put(400)
    with bench.start() as running:
        waiting, *_ = eventually(lambda: _lag(port) or not running.alive())
        assert 0 < waiting <= 400
        with browsing() as viewer:
            page = viewer.open(f"http://127.0.0.1:{port}/")
            expect(page.locator(".tile", has_text="on the queue")).to_be_visible()
            oldest = page.locator(".tile", has_text="oldest there")
            expect(oldest).to_be_visible(visible=len(_lag(port)) > 1)
            assert viewer.complaints == []

        running.signal(signal.SIGKILL)


def _lag(port: int) -> list[float]:
    """What waits, and the age of the oldest where that is told; nothing while it is not known."""
    names = ("journey_source_waiting_messages", "journey_source_oldest_message_seconds")
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    except OSError:
        return []

    samples = {sample.name: sample.value for family in families for sample in family.samples}
    return [samples[name] for name in names if name in samples]
