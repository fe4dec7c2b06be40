"""A folder that is watched for months: real processes, and journals made old."""

from __future__ import annotations

import signal
import sqlite3
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fakes.configs import write_config, write_contacts
from tests.fakes.program import Program, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.simulator_process import SimulatorProcess


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    watching = {"JOURNEY_SOURCE__WATCH": "true", "JOURNEY_SOURCE__QUIET_SECONDS": "0.2"}
    with Program(tmp_path, **watching) as program:
        yield program


@pytest.fixture
def inbox(program: Program, simulator: SimulatorProcess) -> Path:
    folder = program.directory / "inbox"
    folder.mkdir()
    write_config(
        program.directory / "watch.toml",
        url=simulator.url,
        source="inbox",
        batch={"max_records": 50},
    )
    return folder


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file())


def age(run: Path, *, days: float) -> None:
    """Let what lies in previous/ have ended so long ago."""
    for journal in run.glob("previous/*/journal.db"):
        with closing(sqlite3.connect(journal)) as connection, connection:
            seconds = days * 86_400
            connection.execute(
                "UPDATE run SET started_at = started_at - ?, ended_at = ended_at - ?",
                (seconds, seconds),
            )


def test_old_runs_leave_and_their_files_are_known(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A month after its end a run is gone from previous/, whenever the worker is killed meanwhile;
    its file is moved and not sent when it comes again, and refused when it has grown."""
    files = 8
    for number in range(files):
        write_contacts(inbox / f"{number}.csv", range(10 * number + 1, 10 * number + 11))

    running = program.start("run", "watch.toml")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    run = program.directory / "run"
    (run / "injected.db").unlink()
    age(run, days=32)

    random = Random(5)
    for _ in range(4):
        running = program.start("run", "watch.toml")
        time.sleep(random.uniform(0.4, 0.9))
        running.signal(signal.SIGKILL)
        running.ended()

    running = program.start("run", "watch.toml")
    eventually(lambda: not list((run / "previous").iterdir()))
    for number in range(files):
        (inbox / "done" / f"{number}.csv").rename(inbox / f"{number}.csv")

    with (inbox / "0.csv").open("a") as file:
        file.write("X1,x1@example.com,Bob\n")

    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert names(inbox / "done") == [f"{number}.csv" for number in range(1, files)]
    assert names(inbox / "failed") == ["0.csv"]
    assert "5.csv was injected already" in ran.stderr
    assert "has grown since it was injected" in ran.stderr
    assert simulator.summary()["contacts"]["taken"] == 10 * files
    assert simulator.contacts(taken="2+") == []
