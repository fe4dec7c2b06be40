"""Reloading: what SIGHUP takes is in force, what it leaves is named, and nothing ends by it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio import create_task_group

from pipeline.config import load
from pipeline.events import ConfigReloaded, Event, ReloadRefused
from pipeline.sending.clock import Clock
from pipeline.sending.pace import Pace
from pipeline.watching.sight import Sight
from pipeline.worker.reloading import Reloader
from tests.fakes.configs import write_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


class Bench:
    """A run that goes on, and its config."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "worker.toml"
        self.told: list[Event] = []
        self.telling = anyio.Event()
        self.write(max_in_flight=8)
        self.config = load(self.path, {})
        self.sight = Sight()
        self.pace = Pace(self.config.delivery, clock=Clock(), emit=self.note)
        self.sight.open(directory, self.pace)

    def write(self, **delivery: object) -> None:
        write_config(self.path, url="http://127.0.0.1:1", source="-", delivery=delivery)

    def note(self, event: Event) -> None:
        if isinstance(event, ConfigReloaded | ReloadRefused):
            self.told.append(event)
            self.telling.set()

    async def reload(self) -> Event:
        """What is said of it."""
        self.telling = anyio.Event()
        signal.raise_signal(signal.SIGHUP)
        with anyio.fail_after(20):
            await self.telling.wait()

        return self.told.pop()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    async with create_task_group() as beside:
        await beside.start(Reloader(bench.path, bench.config, emit=bench.note), bench.sight)
        yield bench
        beside.cancel_scope.cancel()


async def test_more_in_flight_than_there_are_senders(bench: Bench) -> None:
    """It is not said to be taken where it cannot be; what can be is, also after that."""
    bench.write(max_in_flight=9, requests_per_second=7.0)
    taken, left = ("delivery.requests_per_second",), ("delivery.max_in_flight",)
    assert await bench.reload() == ConfigReloaded(taken=taken, left=left)
    assert bench.pace.standing().most_in_flight == 8
    assert bench.sight.asked == {"requests_per_second": 7.0}
    for most in (3, 8):
        bench.write(max_in_flight=most, requests_per_second=7.0)
        assert await bench.reload() == ConfigReloaded(taken=left, left=())
        assert bench.pace.standing().most_in_flight == most


async def test_a_config_that_makes_no_sense(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with it is said, and all goes on as it was."""
    bench.path.write_text(f"a = {'[' * 20_000}")
    told = await bench.reload()
    assert isinstance(told, ReloadRefused)
    assert "lie too deep within each other" in told.detail

    def broken(path: Path) -> None:
        raise LookupError(path)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.worker.reloading.load", broken)
        assert await bench.reload() == ReloadRefused(detail=f"{bench.path}: LookupError")

    bench.write(max_in_flight=4)
    assert await bench.reload() == ConfigReloaded(taken=("delivery.max_in_flight",), left=())
