"""`verify`, and `retry` after it, as a user types them; and a verification that is killed."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.fakes.configs import write_config, write_contacts
from tests.fakes.processes import kill
from tests.fakes.program import Program, eventually
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


@pytest.mark.parametrize(
    ("endpoint", "records", "contacts"), [("async-events", 20, 600), ("events", 1, 60)]
)
def test_with_v2_tokens_killed_and_gone_on_with(
    endpoint: str, records: int, contacts: int, tmp_path: Path, program: Program
) -> None:
    """What the other endpoints are told of, to the last contact, without a legacy package."""
    write_contacts(tmp_path / "contacts.csv", range(1, contacts + 1))
    (tmp_path / "simulator.toml").write_text('package = "enhanced"\nlatency = "0.02"\n')
    options = ("--config", str(tmp_path / "simulator.toml"), "--vanishing", "7$")
    with SimulatorProcess(*options) as simulator:
        write_config(
            tmp_path / "journey.toml",
            url=simulator.url,
            source="contacts.csv",
            account={"auth": "v2"},
            journey={"endpoint": endpoint},
            batch={"max_records": records},
            delivery={"max_in_flight": 4},
        )
        with program.start("run", "journey.toml") as running:
            eventually(lambda: simulator.summary()["contacts"]["taken"] >= contacts // 4)
            kill(running.pid)

        ran = program("run", "journey.toml", "--json")
        assert (ran.json["state"], ran.json["read"]) == ("completed", contacts)
        assert ran.json["endpoint"] == endpoint
        verified = program("verify", "journey.toml", "--margin", "0", "--json")
        said = {one["contact_key"]: one for one in simulator.contacts()}

    # Who is unknown still was under way when it was killed, and came nowhere.
    entered = {key for key, one in said.items() if one["entered"]}
    assert verified.code == 1
    assert verified.json["entered"] == len(entered)
    assert verified.json["missing"] + verified.json["unknown"] == contacts - len(entered)
    assert verified.json["unknown"] <= 4 * records
    assert {one["taken"] for one in said.values()} == {1}
    listed = program("results", "journey.toml", "--of", "missing", "--format", "ndjson").stdout
    missing = {json.loads(line)["contact_key"] for line in listed.splitlines()}
    assert missing <= said.keys() - entered
    assert len(missing) == verified.json["missing"]
