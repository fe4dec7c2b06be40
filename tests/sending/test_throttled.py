"""The rate after throttling: where it begins again, how long it rests, and what it believes."""

from __future__ import annotations

import pytest

from pipeline.sending.throttled import CUT, ThrottledRate


def throttled(*, taken: int = 100, over: float = 10.0, pause_seconds: float = 1.0) -> ThrottledRate:
    """A rate after its first cut, at second `over`."""
    rate = ThrottledRate()
    take(rate, taken, since=0.0, until=over)
    assert rate.rate(over) is None
    assert rate.throttled(over, over, pause_seconds=pause_seconds)
    return rate


def take(rate: ThrottledRate, count: int, *, since: float, until: float) -> None:
    for each in range(count):
        moment = since + (each + 1) * (until - since) / count
        rate.taken(moment, moment)


def test_the_way_back() -> None:
    """Seven tenths of what was taken, all of it soon, a rest, and more only then, slowly."""
    rate = throttled()
    good = rate.rate(13.0)
    assert good == pytest.approx(10.0, rel=0.05)
    assert good is not None
    assert rate.rate(10.0) == pytest.approx(CUT * good)
    take(rate, 80, since=10.0, until=18.0)
    assert rate.rate(20.0) == pytest.approx(good)
    assert good < (rate.rate(24.0) or 0) < 1.05 * good


@pytest.mark.parametrize(("pause_seconds", "rest"), [(0.2, 8.0), (1.0, 8.0), (5.0, 40.0)])
def test_pauses_take_no_more_than_a_tenth(pause_seconds: float, rest: float) -> None:
    """The longer a refusal costs everybody, the longer none is risked."""
    rate = throttled(pause_seconds=pause_seconds)
    good = rate.rate(13.0) or 0.0
    end = 10.0 + 2.5 + rest
    take(rate, int(good * (end - 10)), since=10.0, until=end)
    assert rate.rate(end) == pytest.approx(good)
    assert rate.rate(end + 9) == pytest.approx(1.2187 * good)


def test_what_a_server_kept_is_not_what_it_bears() -> None:
    """Of a burst that a server had kept, only what it bears for long is believed."""
    rate = throttled(taken=200)
    take(rate, 100, since=11.0, until=20.0)  # ten a second, the pause counted in
    assert rate.throttled(19.0, 20.0, pause_seconds=1.0)
    assert rate.rate(23.0) == pytest.approx(10.7, rel=0.05)


def test_a_server_that_bears_more_now() -> None:
    """Where the rate has left the past far behind, it is the last that was taken that counts."""
    rate = throttled()
    take(rate, 100, since=11.0, until=21.0)
    take(rate, 400, since=21.0, until=31.0)
    current = rate.rate(31.0)
    assert rate.throttled(30.0, 31.0, pause_seconds=1.0)
    assert rate.rate(34.0) == current


def test_what_went_before_the_cut_is_no_news() -> None:
    """Requests that were under way together are refused together, and count as one."""
    rate = throttled()
    assert not rate.throttled(9.9, 10.1, pause_seconds=1.0)
    assert not rate.throttled(10.5, 10.6, pause_seconds=1.0)  # nothing was taken in between
    rate.taken(10.7, 10.8)
    assert rate.throttled(10.9, 11.0, pause_seconds=1.0)
