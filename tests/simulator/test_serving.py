"""A simulator as a program of its own, and inside another."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from pipeline.errors import ConfigError
from pipeline.simulator.options import SimulatorOptions
from pipeline.simulator.serving import running
from tests.fakes.simulator_process import SimulatorProcess


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_and_ends_on_a_signal(number: signal.Signals) -> None:
    """The ready line first, then what a new user needs; exit 0."""
    with SimulatorProcess("--fault", "503:at=1", "--seed", "5") as simulator:
        assert simulator.welcome == f"Marketing Cloud simulator on {simulator.url}\n"
        assert simulator.summary()["contacts"]["taken"] == 0
        assert simulator.contacts(taken="2+") == []
        simulator.set_faults("429")
        simulator.reset()
        simulator.revoke()
        assert simulator.stop(number) == 0

    for needed in ("rehearsal-secret", "APIEvent-rehearsal", f'rest_url = "{simulator.url}"'):
        assert needed in simulator.welcome


def test_a_mistake_is_one_line_and_exit_2() -> None:
    """No traceback for what can be expected."""
    command = [sys.executable, "-m", "pipeline.simulator", "--fault", "bang"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


async def test_a_port_that_is_taken_is_named() -> None:
    """Instead of an OSError from the depths."""
    async with running(SimulatorOptions().cloud()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with running(SimulatorOptions().cloud(), port=port):
                pass
