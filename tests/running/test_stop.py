"""Stop: every wait that may be left is left, and none is begun again."""

from __future__ import annotations

import gc
import signal
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import create_task_group

from pipeline.errors import BudgetError, EndpointError
from pipeline.events import DrainStarted, Event, RunHalted
from pipeline.running.stop import Stop, heed_signals

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Let no test leave its handlers to another one."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def told() -> tuple[Stop, list[Event]]:
    events: list[Event] = []
    return Stop(emit=events.append), events


async def test_waits_are_left() -> None:
    """A wait inside a scope ends when the run stops; one that begins later ends at once."""
    stop, _ = told()
    left = []

    async def wait() -> None:
        with stop.scope() as scope:
            await anyio.sleep_forever()

        left.append(scope.cancelled_caught)

    async with create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(wait)

        await anyio.wait_all_tasks_blocked()
        assert left == []
        stop.drain("enough")

    await wait()
    assert left == [True] * 4


async def test_work_is_finished() -> None:
    """What is not inside a scope is no wait to leave: it is finished."""
    stop, _ = told()
    answer, finished = anyio.Event(), []

    async def post() -> None:
        with stop.scope():
            await anyio.lowlevel.checkpoint()

        await answer.wait()
        finished.append(True)

    async with create_task_group() as tasks:
        tasks.start_soon(post)
        await anyio.wait_all_tasks_blocked()
        stop.halt(EndpointError("gone"))
        await anyio.wait_all_tasks_blocked()
        answer.set()

    assert finished == [True]


def test_the_first_error_stands() -> None:
    """The run is halted once, by the first error, also if it was drained before."""
    stop, events = told()
    assert not stop.asked
    stop.drain("SIGTERM received")
    assert (stop.asked, stop.drained, stop.error) == (True, True, None)
    first = EndpointError("gone")
    stop.halt(first)
    stop.halt(BudgetError("too many"))
    assert stop.error is first
    assert events == [DrainStarted(reason="SIGTERM received"), RunHalted(detail="gone")]


def test_a_halted_run_is_not_announced_as_drained() -> None:
    """A signal to a run that is stopping already changes nothing but what a second one does."""
    stop, events = told()
    stop.halt(EndpointError("gone"))
    stop.drain("SIGINT received")
    assert stop.drained
    assert events == [RunHalted(detail="gone")]


async def test_scopes_are_forgotten() -> None:
    """A run of a million waits remembers none of them."""
    stop, _ = told()
    for _ in range(100):
        with stop.scope():
            await anyio.lowlevel.checkpoint()

    gc.collect()
    assert "0 waits" in repr(stop)


async def test_one_wish_signalled_twice() -> None:
    """`timeout` signals a process and its group: the same signal at once again only drains."""
    stop, events = told()
    everything = stop.whole()
    async with create_task_group() as tasks:
        await tasks.start(heed_signals, stop)
        with everything:
            with stop.scope():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
                await anyio.sleep_forever()

            await anyio.wait_all_tasks_blocked()

        tasks.cancel_scope.cancel()

    assert not everything.cancelled_caught
    assert [type(event) for event in events] == [DrainStarted]


async def test_a_wish_that_comes_again_at_the_end() -> None:
    """`timeout` signals the process and then its group: the second may come when all is done."""
    stop, _ = told()
    async with create_task_group() as tasks:
        await tasks.start(heed_signals, stop)
        signal.raise_signal(signal.SIGINT)
        with anyio.fail_after(5), stop.scope():
            await anyio.sleep_forever()

        assert stop.drained
        tasks.cancel_scope.cancel()

    signal.raise_signal(signal.SIGINT)  # by default a KeyboardInterrupt, wherever we are
    signal.raise_signal(signal.SIGTERM)


async def test_signals() -> None:
    """The first signal drains, the second leaves everything; both are heeded from the start on."""
    stop, events = told()
    async with create_task_group() as tasks:
        await tasks.start(heed_signals, stop)
        with stop.whole() as everything:
            with stop.scope():
                signal.raise_signal(signal.SIGTERM)
                await anyio.sleep_forever()

            assert not everything.cancel_called
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()

        tasks.cancel_scope.cancel()

    assert everything.cancelled_caught
    assert [type(event) for event in events] == [DrainStarted]


async def test_a_drain_has_its_time() -> None:
    """What is under way when the time is over is left, and nothing is begun after it."""
    stop, _ = told()
    async with create_task_group() as tasks:
        await tasks.start(partial(heed_signals, drain_seconds=0.01), stop)
        with stop.whole() as everything:
            signal.raise_signal(signal.SIGTERM)
            await anyio.sleep_forever()

        tasks.cancel_scope.cancel()

    assert everything.cancelled_caught
    with stop.whole() as later:
        await anyio.sleep_forever()

    assert later.cancelled_caught


async def test_a_stop_within_another_one() -> None:
    """It is drained and left with the outer one, also where it is made later; halted alone."""
    outer, events = told()
    first = outer.inner(emit=events.append)
    first.halt(EndpointError("gone"))
    assert (first.asked, outer.asked) == (True, False)

    second = outer.inner(emit=events.append)
    with second.whole() as everything, second.scope() as waiting:
        outer.drain("SIGTERM received")
        await anyio.sleep_forever()

    assert (waiting.cancelled_caught, everything.cancel_called) == (True, False)
    third = outer.inner(emit=events.append)
    assert (second.drained, third.drained) == (True, True)
    with third.whole() as everything:
        outer.leave_by(anyio.current_time())
        await anyio.sleep_forever()

    assert everything.cancelled_caught
    assert events == [RunHalted(detail="gone"), DrainStarted(reason="SIGTERM received")]
