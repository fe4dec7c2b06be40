"""How long a queue that was lost is left alone."""

from __future__ import annotations

from random import Random

import pytest

from pipeline.intake.queues.backoff import backoff_seconds


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.2), (2, 0.4), (6, 6.4), (7, 10.0), (100_000, 10.0)]
)
def test_each_wait_is_twice_as_long_up_to_ten_seconds(failures: int, longest: float) -> None:
    """Half of it is left to chance, so that those who lost it together come back apart."""
    chance = Random(failures)
    waits = [backoff_seconds(failures, chance) for _ in range(1000)]
    assert longest / 2 <= min(waits) < longest * 0.51
    assert longest * 0.99 < max(waits) <= longest
