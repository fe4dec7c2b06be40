"""Latency, throttle, knee, and the counting of traffic."""

from __future__ import annotations

from random import Random
from statistics import median, quantiles

import pytest

from pipeline.errors import ConfigError
from pipeline.simulator.capacity import Capacity, Latency, Throttle
from pipeline.simulator.traffic import Traffic


def test_a_lognormal_latency_has_its_median_and_its_p99() -> None:
    """The two numbers that are asked for come out."""
    latency = Latency.parse("lognormal:median=0.2,p99=1.5")
    random = Random(1)
    drawn = [latency.draw(random) for _ in range(50_000)]
    assert median(drawn) == pytest.approx(0.2, rel=0.05)
    assert quantiles(drawn, n=100)[-1] == pytest.approx(1.5, rel=0.1)
    assert Latency.parse("0.2").draw(random) == 0.2


@pytest.mark.parametrize(
    "spec", ["-1", "x", "nan", "lognormal:median=0.2", "lognormal:median=2,p99=1", "lognormal"]
)
def test_a_latency_that_means_nothing_is_named(spec: str) -> None:
    """The message shows both forms."""
    with pytest.raises(ConfigError, match="lognormal:median"):
        Latency.parse(spec)


def test_the_throttle_lets_a_second_of_requests_through_and_then_its_rate() -> None:
    """Ten at once, and then one each tenth of a second."""
    throttle = Throttle(10)
    assert [throttle.admit(0.0) for _ in range(11)] == [0.0] * 10 + [0.1]
    assert throttle.admit(0.05) == pytest.approx(0.05)
    assert throttle.admit(0.11) == 0.0


def test_above_the_knee_the_latency_grows_with_the_requests() -> None:
    """Twice the requests, twice the wait: no more throughput."""
    capacity = Capacity(latency=Latency(median=0.1), knee=8)
    assert capacity.delay(Random(), 8) == pytest.approx(0.1)
    assert capacity.delay(Random(), 16) == pytest.approx(0.2)


def test_traffic_is_averaged_over_time() -> None:
    """One request for two seconds and another for one: 1.5 in flight."""
    traffic = Traffic()
    traffic.arrive(10.0)
    traffic.arrive(11.0)
    traffic.leave("201", 12.0)
    traffic.leave("closed", 12.0)
    told = traffic.statistics()
    assert told["mean_in_flight"] == 1.5
    assert told["max_in_flight"] == 2
    assert told["by_status"] == {"201": 1, "closed": 1}
    assert told["busiest_second"] == 1


def test_forgotten_traffic_keeps_what_is_under_way() -> None:
    """After a reset the counts start anew, and the number in flight stays true."""
    traffic = Traffic()
    traffic.arrive(1.0)
    traffic.forget()
    assert (traffic.requests, traffic.in_flight) == (0, 1)
    traffic.leave("201", 2.0)
    assert traffic.in_flight == 0
