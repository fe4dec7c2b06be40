"""The delivery window of whole runs: nothing goes outside it, and waiting for it costs nobody."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pipeline.config import load
from pipeline.events import Event, RequestStarted, WindowClosed
from pipeline.events.emitter import Emitter
from pipeline.flow import run
from pipeline.running.legs import RunOptions
from pipeline.sending.clock import Clock
from pipeline.settling.schema import opened_to_read
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.injection import standing
from tests.fakes.program import Program, eventually
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from pathlib import Path

CONTACTS = 300


class HurriedClock(Clock):
    """Its hours pass in a minute, from noon on Monday, 23 November 2026."""

    speed = 60.0

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._began) * self.speed

    def wall(self) -> datetime:
        return datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=self.now())

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / self.speed)

    async def wait(self, event: object, seconds: float) -> None:
        await super().wait(event, seconds / self.speed)  # type: ignore[arg-type]  # anyio's


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": False})], ids=["asyncio"])
async def test_nothing_goes_outside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that meets the end of its window waits for the next one, and sends the rest then."""
    clock = HurriedClock()
    monkeypatch.setattr("pipeline.running.wiring.Clock", lambda: clock)
    went: list[datetime] = []
    closings: list[WindowClosed] = []

    def note(event: Event) -> None:
        if isinstance(event, RequestStarted):
            went.append(clock.wall())
        elif isinstance(event, WindowClosed):
            closings.append(event)

    write_contacts(tmp_path / "contacts.csv", range(1, CONTACTS + 1))
    async with standing(tmp_path) as stand:
        path = stand.configured(
            delivery={
                "window": "Mon 11:00-12:01, Mon 12:02-13:00",
                "time_zone": "UTC",
                "requests_per_second": 20,
            }
        )
        emitter = Emitter()
        emitter.subscribe(note)
        ended = await run(load(path, {}), RunOptions(), emitter=emitter)
        assert set(stand.taken().values()) == {1}

    assert (ended.exit_code, ended.summary.accepted) == (0, CONTACTS)
    assert len(went) == CONTACTS / 10
    # Who was given leave in time is in the journal, and on its way, a moment later.
    assert not [moment for moment in went if moment.minute == 1 and moment.second >= 30]
    assert went[0].minute == 0
    assert went[-1].minute >= 2
    assert closings == [WindowClosed(opens_at=datetime(2026, 11, 23, 12, 2, tzinfo=UTC))]


def _closed_now() -> str:
    """A window that opens the day after tomorrow."""
    later = datetime.now(UTC) + timedelta(days=2)
    return f"{later:%a} 12:00-13:00"


def _rows(directory: Path) -> list[tuple[object, ...]]:
    with closing(opened_to_read(directory / "journal.db")) as connection:
        return connection.execute("SELECT * FROM batch").fetchall()


def test_who_waits_for_it_is_unprocessed(tmp_path: Path, program: Program) -> None:
    """It is said until when; killed meanwhile, nobody is in doubt, or sent twice."""
    write_contacts(tmp_path / "contacts.csv", range(1, CONTACTS + 1))
    config = tmp_path / "journey.toml"
    with SimulatorProcess() as simulator:
        window = {"window": _closed_now(), "time_zone": "UTC"}
        write_config(config, url=simulator.url, source="contacts.csv", delivery=window)
        running = program.start("run", "journey.toml", "--json")
        eventually(lambda: "outside delivery.window: waiting until" in running.said())
        assert "12:00 UTC" in running.said()
        time.sleep(0.2)
        running.signal(signal.SIGKILL)
        running.ended()
        assert _rows(tmp_path / "run") == []
        environment = program.environment
        environment["JOURNEY_DELIVERY__WINDOW"] = "00:00-24:00"
        ran = program("run", "journey.toml", "--json")
        assert (ran.code, ran.json["accepted"]) == (0, CONTACTS)
        assert len(simulator.contacts(taken="1")) == CONTACTS
