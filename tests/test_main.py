"""The end of the process, after its last word."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.configs import write_config, write_contacts

ROOT = Path(__file__).parents[1]

STUCK = """
import sys, threading, time
from pipeline.__main__ import _end

def write():
    while True:
        sys.stderr.write("x" * 100_000 + "\\n")

threading.Thread(target=write, daemon=True).start()
time.sleep(1)
print("done")
_end(7)
"""


STARVED = """
import sys, threading

def start(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = start
from pipeline.__main__ import main

sys.argv[1:] = ["run", "journey.toml"]
main()
"""


def test_where_no_thread_can_be_started(tmp_path: Path) -> None:
    """As in a container that has reached its limit: it is said what to see to."""
    write_contacts(tmp_path / "contacts.csv", range(3))
    write_config(tmp_path / "journey.toml", url="http://127.0.0.1:1", source="contacts.csv")
    command = [sys.executable, "-c", STARVED]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (3, 1), ran.stderr
    assert "starts no more threads for this program: see to its limits" in ran.stderr


def test_a_collector_that_reads_no_more_keeps_nobody() -> None:
    """Its pipe is full, and another thread holds the stream: the process ends all the same."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        try:
            assert process.wait(20) == 7
        finally:
            process.kill()

        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
