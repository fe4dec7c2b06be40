"""`verify`, and `retry` after it, as a user types them; and a verification that is killed."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fakes.configs import write_config, write_contacts
from tests.fakes.program import Program, eventually
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path) as program:
        yield program


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[SimulatorProcess]:
    """One that loses every tenth contact, and the config of thirty for it."""
    write_contacts(tmp_path / "contacts.csv", range(1, 31))
    with SimulatorProcess("--vanishing", "7$") as simulator:
        write_config(tmp_path / "journey.toml", url=simulator.url, source="contacts.csv")
        yield simulator


def test_from_run_to_retry(tmp_path: Path, program: Program, simulator: SimulatorProcess) -> None:
    """Exit codes, what goes to stdout, and that nobody is sent twice by mistake."""
    assert program("run", "journey.toml").code == 0
    before = program("results", "journey.toml", "--of", "missing")
    assert (before.code, before.stdout) == (2, "")
    assert "`journey-pipeline verify` does" in before.stderr

    ran = program("verify", "journey.toml", "--margin", "0", "--json")
    assert ran.code == 1
    assert (ran.json["entered"], ran.json["missing"], ran.json["pending"]) == (27, 3, 0)
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == ran.json
    assert "3 contacts missing (not_in_history): likely" in ran.stderr

    missing = program("results", "journey.toml", "--of", "missing", "--format", "ndjson")
    found = [json.loads(line)["contact_key"] for line in missing.stdout.splitlines()]
    assert found == ["C00007", "C00017", "C00027"]
    told = program("status", "journey.toml").stdout
    assert "missing" in told

    refused = program("retry", "journey.toml", "--of", "missing")
    assert refused.code == 2
    assert "3 contacts would be sent again" in refused.stderr
    assert len(simulator.contacts(taken="2+")) == 0
    assert program("retry", "journey.toml", "--of", "missing", "--yes").code == 0
    assert [one["contact_key"] for one in simulator.contacts(taken="2+")] == found

    wrong = program("verify", "journey.toml", "--wait", "soon")
    assert (wrong.code, wrong.stdout) == (2, "")
    assert "--wait must be a time" in wrong.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_verification_that_is_broken_off(
    tmp_path: Path, program: Program, simulator: SimulatorProcess, number: signal.Signals
) -> None:
    """The journal stands as it was, and the next one finds everything."""
    assert program("run", "journey.toml").code == 0
    simulator.set_faults("slow:on=history,at=3,seconds=60")
    running = program.start("verify", "journey.toml", "--margin", "0")
    eventually(lambda: simulator.summary()["history"]["in_flight"] == 1 and downloads(simulator))
    running.signal(number)
    ended = running.ended()
    assert ended.code == (-signal.SIGKILL if number is signal.SIGKILL else 5)
    if number is signal.SIGINT:
        assert "interrupted; what was found before is in the journal" in ended.stderr

    assert (tmp_path / "run" / "verify.db").exists() == (number is signal.SIGKILL)
    assert program("results", "journey.toml", "--of", "missing").code == 2
    simulator.set_faults()
    assert program("verify", "journey.toml", "--margin", "0", "--json").json["missing"] == 3
    assert not (tmp_path / "run" / "verify.db").exists()


def downloads(simulator: SimulatorProcess) -> bool:
    return bool(simulator.summary()["history"]["requests"] >= 3)
