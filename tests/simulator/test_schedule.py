"""Which fault strikes which request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.simulator.fault_spec import parse_fault
from pipeline.simulator.faults import Scope
from pipeline.simulator.schedule import Schedule


def struck(schedule: Schedule, requests: int) -> list[tuple[int, str, bool]]:
    """(number, fault, taken) of the requests that suffer something."""
    strikes = ((number, schedule.strike(Scope.CONTACTS)) for number in range(1, requests + 1))
    return [(number, strike.fault.spec, strike.taken) for number, strike in strikes if strike]


def schedule_of(*specs: str, seed: int = 0) -> Schedule:
    return Schedule(map(parse_fault, specs), seed=seed)


@given(st.integers())
def test_the_same_seed_strikes_the_same_requests(seed: int) -> None:
    """A rehearsal can be repeated."""
    specs = ("429:rate=0.3", "500:rate=0.3,taken=0.5", "close:after_body,every=7")
    first = struck(schedule_of(*specs, seed=seed), 100)
    assert first == struck(schedule_of(*specs, seed=seed), 100)
    assert first == struck(schedule_of(*specs, seed=seed).again(), 100)


def test_another_seed_strikes_others() -> None:
    """The seed decides."""
    runs = [struck(schedule_of("500:rate=0.5,taken=0.5", seed=seed), 100) for seed in (1, 2)]
    assert runs[0] != runs[1]


def test_numbers_windows_and_limits() -> None:
    """`every`, `at`, `from`, `to` and `times` count requests from 1, both ends included."""
    assert [n for n, *_ in struck(schedule_of("503:every=3"), 9)] == [3, 6, 9]
    assert [n for n, *_ in struck(schedule_of("503:at=1+4"), 9)] == [1, 4]
    assert [n for n, *_ in struck(schedule_of("503:from=4,to=6"), 9)] == [4, 5, 6]
    assert [n for n, *_ in struck(schedule_of("503:from=4,times=2"), 9)] == [4, 5]


def test_a_rate_is_kept() -> None:
    """A share of the requests suffers, near enough to what was asked."""
    assert 900 < len(struck(schedule_of("503:rate=0.1"), 10_000)) < 1_100


def test_the_first_fault_that_strikes_wins() -> None:
    """A request suffers one fault, and the others do not count it."""
    schedule = schedule_of("503:every=2", "500:every=4,times=1,taken=true")
    assert [spec[:3] for _, spec, _ in struck(schedule, 4)] == ["503", "503"]
    assert schedule.struck() == {"503:every=2": 2, "500:every=4,times=1,taken=true": 0}


def test_a_fault_counts_its_own_kind_of_request() -> None:
    """Token requests do not move the numbers of contact requests."""
    schedule = schedule_of("503:at=1,on=token")
    assert schedule.strike(Scope.CONTACTS) is None
    assert schedule.strike(Scope.TOKEN) is not None
    assert schedule.strike(Scope.TOKEN) is None


def test_taken_by_chance_is_sometimes_one_and_sometimes_the_other() -> None:
    """A probability between 0 and 1 gives both."""
    assert {taken for *_, taken in struck(schedule_of("500:taken=0.5"), 50)} == {True, False}
    assert {taken for *_, taken in struck(schedule_of("500:taken=true"), 50)} == {True}
