"""What every queue holds to where a run ends by `--limit`, on its real broker."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.contracts.queue_source import eventually, told_of

if TYPE_CHECKING:
    from tests.contracts.queue_source import Bench
    from tests.fakes.program import Ran

__all__ = ("LONG_SECONDS", "check_given_back", "check_limited")

LONG_SECONDS = 300.0
"""What is left taken goes to nobody else within a test."""

ENDING_SECONDS = 150.0
"""Kafka may divide the group anew: a partition waits a minute for what was taken of it."""


def check_limited(bench: Bench, *, claim_idle_seconds: float) -> None:
    """No more is taken than is sent: another worker gets all the rest at once, and sends it."""
    for run in ("first", "second"):
        bench.configure(run=run, claim_idle_seconds=claim_idle_seconds)

    bench.put(200, each=1)
    _limited(bench, 25)
    left = bench.outstanding()
    assert left == 175, f"{left} messages are left"
    _drained(bench, 0)
    told = bench.audit("first", "second")
    assert told["accepted"] == set(bench.keys)


def check_given_back(bench: Bench) -> None:
    """Messages turn out to be larger than any before: what was not begun is given back at once.

    To others it is in doubt, as whatever was given out once, but for none of it they wait.
    """
    for run in ("first", "second"):
        bench.configure(run=run, claim_idle_seconds=LONG_SECONDS)

    bench.put(24, each=1)
    singles = set(bench.keys)
    bench.put(16, each=40)
    _limited(bench, 30)
    sent = set(told_of([bench.program.directory / "first"])["accepted"])
    assert singles < sent
    assert bench.outstanding() == 16
    _drained(bench, 1)
    second = told_of([bench.program.directory / "second"])
    begun = set(bench.keys[24:64])  # a message of forty, of which six were sent
    assert {*second["accepted"], *second["unknown"]} >= {*bench.keys} - singles - begun
    assert sent.isdisjoint(second["accepted"])


def _limited(bench: Bench, contacts: int) -> Ran:
    with bench.program.start("run", "first.toml", "--json", "--limit", str(contacts)) as running:
        ran = running.ended(seconds=ENDING_SECONDS)

    assert (ran.code, ran.json["accepted"], ran.json["unknown"]) == (0, contacts, 0), ran.stderr
    return ran


def _drained(bench: Bench, left: int) -> None:
    """Another worker takes what it is given, but for so many messages at the most."""
    with bench.start("second") as running:
        eventually(lambda: bench.outstanding() <= left or not running.alive())
        running.signal(signal.SIGTERM)
        ran = running.ended()

    assert ran.code in (0, 1), ran.stderr
