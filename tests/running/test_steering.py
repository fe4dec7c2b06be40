"""Steering a run that is going on: real processes, each change in effect within a second."""

from __future__ import annotations

import json
import math
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from anyio import create_task_group, to_thread

from pipeline.errors import UsageError
from pipeline.events import LimitChanged
from pipeline.running.steering import steer as steering
from pipeline.running.stop import Stop
from pipeline.sending.clock import Clock
from pipeline.sending.pace import Pace
from pipeline.sending.policy import DeliveryPolicy
from pipeline.settling.directory import RunDirectory
from pipeline.settling.orders import command
from pipeline.verbs.actions import steer
from pipeline.watching.sight import Sight
from tests.fakes.busy_journal import busy
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.program import Program, eventually
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.events import Event
    from tests.fakes.program import Running

CONTACTS = 3_000


@pytest.fixture
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def program(tmp_path: Path, simulator: SimulatorProcess) -> Iterator[Program]:
    """In a directory with a config and three thousand contacts, in batches of five."""
    write_contacts(tmp_path / "contacts.csv", range(1, CONTACTS + 1))
    write_config(
        tmp_path / "journey.toml",
        url=simulator.url,
        source="contacts.csv",
        batch={"max_records": 5},
        delivery={"requests_per_second": 40},
        run={"directory": str(tmp_path / "run")},
    )
    with Program(tmp_path) as program:
        yield program


def begun(program: Program, simulator: SimulatorProcess) -> Running:
    """A run that has sent something."""
    running = program.start("run", "journey.toml", "--json")
    eventually(lambda: requests(simulator) > 5)
    return running


def requests(simulator: SimulatorProcess) -> int:
    count = simulator.summary()["requests"]["requests"]
    assert isinstance(count, int)
    return count


def rate_of(simulator: SimulatorProcess, seconds: float) -> float:
    """Requests a second, over so long."""
    first, began = requests(simulator), time.monotonic()
    time.sleep(seconds)
    return (requests(simulator) - first) / (time.monotonic() - began)


def told(path: Path) -> dict[str, Any]:
    """What the run tells of itself."""
    content: dict[str, Any] = json.loads((path / "run/live.json").read_text())
    return content


def test_a_run_is_steered(
    tmp_path: Path,
    program: Program,
    simulator: SimulatorProcess,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Slower, not at all, on again, faster: each within a second, and nobody is lost by it."""
    running = begun(program, simulator)
    shown = program("pace", "journey.toml")
    assert (shown.code, shown.stderr) == (0, "")
    assert "pace: 40 requests a second, " in shown.stdout

    config = tmp_path / "journey.toml"
    steer(config, {"requests_per_second": 5.0})
    assert capsys.readouterr().out.splitlines()[1].startswith("pace: 5 requests a second, ")
    assert told(tmp_path)["asked_per_second"] == 5.0
    time.sleep(0.5)  # what was under way then
    assert rate_of(simulator, 2.0) <= 6.5

    paused = program("pause", "journey.toml")
    assert paused.stdout.startswith("limit: paused, since 20")
    assert "to go on: journey-pipeline resume journey.toml" in paused.stdout
    time.sleep(0.5)  # as above
    assert rate_of(simulator, 0.5) == 0.0
    found = program("status", "journey.toml", "--json").json
    assert (found["state"], found["live"]["limit"], found["unsettled"]) == ("running", "paused", [])

    # What is asked while it is paused holds afterwards.
    steer(config, {"requests_per_second": 2000.0, "max_in_flight": 4})
    assert "2,000 requests a second" in capsys.readouterr().out
    steer(config, {"paused": False})
    assert "limit: paused" not in capsys.readouterr().out
    ran = running.ended()
    assert (ran.code, ran.json["accepted"]) == (0, CONTACTS)
    assert "the pace was changed: nothing is sent until `resume`" in ran.stderr
    assert len(simulator.contacts(taken="1")) == CONTACTS
    assert not (tmp_path / "run/live.json").exists()
    assert not (tmp_path / "run/orders.json").exists()


def test_within_a_second(tmp_path: Path, program: Program, simulator: SimulatorProcess) -> None:
    """Also where the next batch was hours away, and where nothing was to go at all."""
    running = begun(program, simulator)
    config = tmp_path / "journey.toml"

    def seconds_until_it_goes_on(halted: dict[str, Any], undone: dict[str, Any]) -> float:
        steer(config, halted)
        time.sleep(0.2)  # for what was under way
        first, began = requests(simulator), time.monotonic()
        steer(config, undone)
        eventually(lambda: requests(simulator) > first)
        return time.monotonic() - began

    for halted, undone in (
        ({"contacts_per_hour": 1.0}, {"contacts_per_hour": 1e9}),
        ({"requests_per_second": 0.001}, {"requests_per_second": 40.0}),
        ({"paused": True}, {"paused": False}),
    ):
        # Twice: a machine that is busy with something else is late once in a while.
        assert min(seconds_until_it_goes_on(halted, undone) for _ in range(2)) < 1.0

    assert running.alive()


def test_a_paused_run_heeds_signals(
    tmp_path: Path, program: Program, simulator: SimulatorProcess
) -> None:
    """It ends at once; the pause is over with it, and the next run sends the rest."""
    running = begun(program, simulator)
    steer(tmp_path / "journey.toml", {"paused": True})
    running.signal(signal.SIGTERM)
    ended = running.ended()
    assert ended.code == 5
    assert (ended.json["unknown"], ended.json["unprocessed"] > 0) == (0, True)

    program.environment["JOURNEY_DELIVERY__REQUESTS_PER_SECOND"] = "2000"
    ran = program("run", "journey.toml", "--json")
    assert (ran.code, ran.json["accepted"]) == (0, CONTACTS)
    assert len(simulator.contacts(taken="1")) == CONTACTS


def test_asked_while_the_journal_is_opened(
    tmp_path: Path,
    program: Program,
    simulator: SimulatorProcess,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run that is about to go on says so, and what is asked of it then holds from its first
    request on: paused, it sends nothing until `resume`."""
    running = begun(program, simulator)
    running.signal(signal.SIGTERM)
    assert running.ended().code == 5
    before = requests(simulator)
    config = tmp_path / "journey.toml"
    with busy(tmp_path / "run"):
        running = program.start("run", "journey.toml", "--json")
        eventually((tmp_path / "run/live.json").exists)
        steer(config, {"requests_per_second": 2000.0})
        assert "is opening its journal" in capsys.readouterr().out
        assert told(tmp_path)["opening"] is True
        steer(config, {"paused": True})
        assert "limit: paused" in capsys.readouterr().out

    eventually(lambda: not told(tmp_path)["opening"])
    time.sleep(0.5)
    assert (told(tmp_path)["limit"], requests(simulator)) == ("paused", before)
    steer(config, {"paused": False})
    assert "pace: 2,000 requests a second" in capsys.readouterr().out
    ran = running.ended()
    assert (ran.code, ran.json["accepted"]) == (0, CONTACTS)
    assert ran.stderr.count("nothing is sent until `resume`") == 1
    assert len(simulator.contacts(taken="1")) == CONTACTS


def test_what_cannot_be_steered(tmp_path: Path, program: Program) -> None:
    """No run, or a number that makes no sense: a sentence and code 2."""
    refused = program("pause", "journey.toml")
    assert (refused.code, refused.stdout) == (2, "")
    assert "error: no run is going on in " in refused.stderr
    config = tmp_path / "journey.toml"
    with pytest.raises(UsageError, match=r"^no run is going on in .*run: there is no pace"):
        steer(config, {})

    for number in (0, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match=r"^--requests-per-second must be a number above 0"):
            steer(config, {"requests_per_second": number})


def test_a_killed_run(program: Program, simulator: SimulatorProcess) -> None:
    """What it told before is nothing any more; more in flight than it had senders is refused."""
    running = begun(program, simulator)
    asked = program("pace", "journey.toml", "--max-in-flight", "99")
    assert asked.code == 0
    assert "was begun with delivery.max_in_flight = 16, and cannot go above it" in asked.stderr
    running.signal(signal.SIGKILL)
    running.ended()
    refused = program("resume", "journey.toml")
    assert (refused.code, refused.stdout) == (2, "")
    assert "no run is going on in " in refused.stderr


def test_a_process_that_is_refused(
    tmp_path: Path, program: Program, simulator: SimulatorProcess
) -> None:
    """It says why, and nothing else; the one at work is steered as before."""
    running = begun(program, simulator)
    steer(tmp_path / "journey.toml", {"requests_per_second": 2.0})
    orders = (tmp_path / "run/orders.json").read_bytes()
    for refused in (program("run", "journey.toml"), program("run", "journey.toml", "--again")):
        assert (refused.code, refused.stdout) == (2, "")
        assert refused.stderr.startswith("error: ")
        assert f"in use by process {running.pid}: " in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert (tmp_path / "run/orders.json").read_bytes() == orders
        assert program("status", "journey.toml", "--json").json["live"]["process"] == running.pid

    assert running.alive()


async def test_what_is_asked_holds_for_the_runs_that_follow(tmp_path: Path) -> None:
    """The next file of a watched folder is sent as the one before it, until it is said
    otherwise."""
    events: list[Event] = []
    stop, sight = Stop(emit=events.append), Sight()

    def begun_anew() -> Pace:
        pace = Pace(DeliveryPolicy(), clock=Clock(), emit=events.append)
        sight.open(tmp_path, pace)
        return pace

    async def order(asked: dict[str, Any]) -> None:
        """Steer a run, and end it."""
        async with create_task_group() as beside:
            begun_anew()
            beside.start_soon(
                partial(steering, tmp_path, sight=sight, stop=stop, emit=events.append)
            )
            await to_thread.run_sync(_given, tmp_path, asked)
            beside.cancel_scope.cancel()

    with RunDirectory(str(tmp_path)):
        await order({"requests_per_second": 7.5, "paused": True})
        following = begun_anew()
        assert (following.requests_per_second, following.control.paused) == (7.5, True)
        told = [event.limit for event in events if isinstance(event, LimitChanged)]
        assert told[-2:] == ["paused", "source"]  # until the next one begins
        await order({"paused": False})
        following = begun_anew()
        assert (following.requests_per_second, following.control.paused) == (7.5, False)


def _given(directory: Path, asked: dict[str, Any]) -> None:
    eventually((directory / "live.json").exists)
    command(directory, asked)
