"""What is sent of messages that had just arrived when their worker was killed."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.contracts.queue_source import eventually
from tests.fakes.runs import every_line

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contracts.queue_source import Bench

__all__ = ("check_arrived",)

RULE = """
import os
import time


def rule(record):
    while os.path.exists("slow"):
        time.sleep(0.02)

    return record.pop("customer_id"), record
"""


def check_arrived(bench: Bench) -> None:
    """All of it: nothing had left, and the journal knows who had it, whatever the queue says."""
    directory = bench.program.directory
    bench.configure()
    config = directory / "run.toml"
    mapping = '[mapping]\npython = "rules:rule"\n\n'
    config.write_text(re.sub(r"(?s)\[mapping\]\n.*?\n\n", mapping, config.read_text()))
    (directory / "rules.py").write_text(RULE)
    (directory / "slow").touch()
    bench.put(60)
    with bench.start() as running:
        eventually(lambda: _has_arrived(directory / "run") or not running.alive())
        running.signal(signal.SIGKILL)
        eventually(lambda: not running.alive())

    assert bench.taken() == 0
    (directory / "slow").unlink()
    with bench.start() as running:
        bench.drain(running)

    told = bench.audit()
    reasons = {line["reason"] for line in every_line(directory / "run", "unknown")}
    assert told["accepted"] == set(bench.keys), reasons


def _has_arrived(run: Path) -> bool:
    """Whether messages have arrived, of which contacts are being made."""
    if not (run / "journal.db").exists():
        return False

    with closing(sqlite3.connect(f"file:{run / 'journal.db'}?mode=ro", uri=True)) as journal:
        ((arrived,),) = journal.execute("SELECT count(*) FROM arrival")

    return bool(arrived)
