"""The pace against servers of every temper, in simulated time: the bars, and who is beaten."""

from __future__ import annotations

import pytest

from benchmarks.pace.rehearsal import BASELINE, OURS, rehearse
from benchmarks.pace.servers import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_temper(scenario: Scenario) -> None:
    """Nine tenths of the oracle's throughput, two in a hundred refused, thirty seconds; and first.

    The run is the senders' own, time passes at once, and a seed makes the same run every time.
    """
    ours = rehearse(scenario, OURS, seed=1)
    assert ours.throughput >= 0.9
    assert ours.refused < 0.02
    assert ours.converged_seconds is not None
    assert ours.converged_seconds <= 30
    if scenario.changes:
        assert ours.recovered_seconds is not None
        assert ours.recovered_seconds <= 30

    baseline = rehearse(scenario, BASELINE, seed=1)
    assert ours.throughput > baseline.throughput
    assert sum(ours.taken) > sum(baseline.taken)
    assert ours.refused <= baseline.refused
