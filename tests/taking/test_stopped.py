"""What a worker that was stopped for long finds out, and what is said before its retry."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.contracts.queue_source import benched
from tests.fakes.brokers import Kafka, Valkey
from tests.fakes.program import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contracts.queue_source import Bench
    from tests.fakes.program import Running

pytestmark = pytest.mark.timeout(300)

SAID = "of those that did not enter came with messages that another worker had taken"


def test_stopped_until_its_group_has_forgotten_it(tmp_path: Path) -> None:
    """Kafka refuses to hear of what it has done: it joins the group again, and goes on taking."""
    with benched(Kafka, tmp_path, "forgotten") as bench:
        bench.configure(claim_idle_seconds=1.0)
        bench.simulator.set_faults("slow:seconds=1")
        bench.put(40)
        running = bench.start()
        eventually(bench.in_flight)
        running.signal(signal.SIGSTOP)
        time.sleep(10.0)  # six, as brokers have it, and the time to notice
        running.signal(signal.SIGCONT)
        bench.put(40)
        eventually(lambda: not bench.outstanding(), seconds=40.0)
        running.signal(signal.SIGTERM)
        ran = running.ended()
        assert ran.code == 0
        assert ran.stderr.count(" is away, ") <= 2
        bench.audit()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with benched(Valkey, tmp_path, "stopped") as bench:
        yield bench


@pytest.fixture
def stopped(bench: Bench) -> Running:
    """A worker that had sent some of what it took, and whose messages another one holds now."""
    bench.configure(run="first", rate=2.0, claim_idle_seconds=1.0)
    bench.configure(run="second", claim_idle_seconds=1.0)
    bench.put(12)
    first = bench.start("first")
    eventually(bench.taken)
    first.signal(signal.SIGSTOP)
    second = bench.start("second")
    eventually(lambda: not bench.outstanding())
    second.signal(signal.SIGTERM)
    ran = second.ended()
    assert (ran.code, ran.json["accepted"], ran.json["unknown"] > 0) == (0, 0, True)
    return first


def test_what_it_did_not_come_to_may_be_sent_once_it_has_ended(
    bench: Bench, stopped: Running
) -> None:
    """It is said what to see to before."""
    stopped.signal(signal.SIGKILL)
    stopped.ended()
    verified = bench.program("verify", "second.toml", "--margin", "0s")
    assert "certainly did not enter" in verified.stderr
    assert SAID in verified.stderr
    ran = bench.program("retry", "second.toml", "--of", "absent", "--json")
    assert ran.json["accepted"] > 0
    assert SAID in ran.stderr
    assert bench.simulator.contacts(taken="2+") == []
