"""Latency: the quantiles that the buckets tell."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.watching.latency import BOUNDS, Latency, quantile


def counted(*seconds: float) -> Latency:
    latency = Latency()
    for each in seconds:
        latency.add(each)

    return latency


@given(
    st.lists(st.floats(0.0, 70.0), min_size=1, max_size=50),
    st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
)
def test_a_quantile_is_wrong_by_less_than_a_bucket(durations: list[float], share: float) -> None:
    """What is told lies in the bucket in which the true quantile lies."""
    told = quantile(counted(*durations).counts, share)
    rank = max(1, -(-int(share * len(durations) * 1_000_000) // 1_000_000))
    true = sorted(durations)[rank - 1]
    bucket = bisect_left(BOUNDS, true)
    assert told is not None
    assert (BOUNDS[bucket - 1] if bucket else 0.0) <= told <= BOUNDS[bucket]


def test_the_ends() -> None:
    """Of nothing there is no quantile; what is slower than all bounds is told as the last."""
    assert quantile(Latency().counts, 0.5) is None
    assert quantile(counted(200.0, 300.0).counts, 0.5) == BOUNDS[-1]
    assert sum(counted(0.0, BOUNDS[0], BOUNDS[0] * 1.01).counts[:1]) == 2
    assert counted(0.25, 0.5).seconds == pytest.approx(0.75)
