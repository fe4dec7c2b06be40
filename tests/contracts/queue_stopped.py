"""What every queue holds to where a worker is stopped, and goes on when others have its work."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

from tests.contracts.queue_source import DEADLINE_SECONDS, eventually, told_of
from tests.fakes.brokers import Kafka, Rabbit

if TYPE_CHECKING:
    from tests.contracts.queue_source import Bench
    from tests.fakes.program import Running

__all__ = ("check_alone", "check_retried", "check_stopped")

LAPSED = "to another worker that this one had taken"
BACK = "back to the queue, for whichever worker is given them"


def _stopped(bench: Bench, *, rate: float = 2.0, **more: Any) -> Running:
    """A worker that has sent some of what it took, and is stopped between two requests."""
    bench.configure(run="first", rate=rate, max_records=10, **more)
    bench.put(16)
    first = bench.start("first")
    eventually(lambda: (bench.taken() and not bench.in_flight()) or not first.alive())
    assert first.alive(), first.said()
    first.signal(signal.SIGSTOP)
    time.sleep(0.2)  # what left before that arrives
    return first


def _forget(bench: Bench) -> None:
    """Have the broker give out again what a stopped worker has; by itself it takes its time."""
    if isinstance(bench.broker, Rabbit):
        bench.broker.control("close_all_connections", "stopped")
    else:
        # Kafka forgets nobody sooner than after six seconds.
        time.sleep(8.0 if isinstance(bench.broker, Kafka) else DEADLINE_SECONDS)


def _taken_over(bench: Bench, **more: Any) -> None:
    """By a worker that holds what was given out before, and sends what was not."""
    bench.configure(run="second", **more)
    with bench.start("second") as second:
        eventually(lambda: not bench.outstanding() or not second.alive())
        second.signal(signal.SIGTERM)
        assert second.ended().code == 0


def _went_on(bench: Bench, first: Running) -> None:
    """A stopped worker that goes on sends nothing more, and says why."""
    before = bench.simulator.contacts()
    first.signal(signal.SIGCONT)
    time.sleep(3.0)  # some batches, if it had none to fear
    assert bench.simulator.contacts() == before, "it went on to send what another worker has"
    eventually(lambda: LAPSED in first.said() or not first.alive(), seconds=20.0)
    first.signal(signal.SIGTERM)
    ran = first.ended()
    assert ran.code == 0, ran.stderr
    assert bench.simulator.contacts() == before
    # Of what it held; and of what was just on its way to it.
    assert ran.stderr.count(LAPSED) in (1, 2), ran.stderr


def check_stopped(bench: Bench) -> None:
    """It sends nothing of what another worker was given; nobody is left out of both books."""
    first = _stopped(bench)
    _forget(bench)
    _taken_over(bench)
    _went_on(bench, first)
    bench.audit_shared("first", "second")
    one, other = (told_of([bench.program.directory / run]) for run in ("first", "second"))
    assert not one["unknown"]
    assert set(one["accepted"]).isdisjoint(other["accepted"])
    summary = bench.program("status", "first.toml", "--json").json
    left = summary["unprocessed"]
    assert left == summary["let_go"] > 0
    assert summary["read"] == summary["accepted"] + left
    said = bench.program("status", "first.toml").stdout
    assert f"{left}   went {BACK}" in said
    assert "journey-pipeline run" not in said


def check_retried(bench: Bench) -> None:
    """Who retries what is absent, while the other is stopped, doubles nobody."""
    first = _stopped(bench)
    _forget(bench)
    _taken_over(bench)
    verified = bench.program("verify", "second.toml", "--margin", "0s")
    assert "certainly did not enter" in verified.stderr
    retried = bench.program("retry", "second.toml", "--of", "absent", "--json")
    assert retried.json["accepted"] > 0, retried.stderr
    _went_on(bench, first)
    taken = {line["contact_key"]: line["taken"] for line in bench.simulator.contacts()}
    assert taken == dict.fromkeys(bench.keys, 1)


def check_alone(bench: Bench) -> None:
    """Where nobody else was there, it goes on with all of it: nobody is left out, or in doubt."""
    first = _stopped(bench, rate=20.0)
    _forget(bench)
    first.signal(signal.SIGCONT)
    bench.drain(first)
    told = bench.audit("first")
    assert told["accepted"] == set(bench.keys)
    summary = bench.program("status", "first.toml", "--json").json
    assert (summary["unprocessed"], "let_go" in summary) == (0, False)
