from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.ranges import Ranges, runs_of

POSITIONS = st.integers(-5, 40)
PAIRS = st.lists(st.tuples(POSITIONS, POSITIONS).map(lambda pair: (min(pair), max(pair))))


def model_of(pairs: list[tuple[int, int]]) -> set[int]:
    return {place for first, last in pairs for place in range(first, last + 1)}


@given(PAIRS)
def test_ranges_are_the_set_that_was_added(pairs: list[tuple[int, int]]) -> None:
    """A Ranges holds exactly what was added, whatever the order and the overlaps."""
    ranges, model = Ranges(pairs), model_of(pairs)
    assert {place for place in range(-10, 50) if place in ranges} == model
    assert len(ranges) == len(model)
    assert bool(ranges) == bool(model)


@given(PAIRS)
def test_ranges_are_sorted_disjoint_and_merged(pairs: list[tuple[int, int]]) -> None:
    """Between two ranges there is always a gap: neighbours merge, and order does not matter."""
    ranges = Ranges(pairs)
    assert list(ranges) == list(runs_of(sorted(model_of(pairs))))
    assert ranges == Ranges(reversed(pairs))
    assert all(
        last + 1 < first for (_, last), (first, _) in zip(ranges, list(ranges)[1:], strict=False)
    )


@given(PAIRS, POSITIONS, st.integers(0, 10))
def test_covers_and_touches_are_all_and_any(
    pairs: list[tuple[int, int]], first: int, length: int
) -> None:
    """`covers` is "all of these", `touches` is "any of these"."""
    ranges, model = Ranges(pairs), model_of(pairs)
    asked = set(range(first, first + length + 1))
    assert ranges.covers(first, first + length) == (asked <= model)
    assert ranges.touches(first, first + length) == bool(asked & model)


@given(st.sets(st.integers(1, 30)))
def test_first_missing_is_the_lowest_gap(places: set[int]) -> None:
    """`first_missing` is the lowest position from 1 that was not added."""
    ranges = Ranges((place, place) for place in places)
    assert ranges.first_missing() == min(set(range(1, 32)) - places)


@given(st.sets(POSITIONS))
def test_runs_unfold_to_what_was_folded(places: set[int]) -> None:
    """Runs hold every position once, and no two runs could be one."""
    runs = list(runs_of(sorted(places)))
    assert model_of(runs) == places
    assert sum(last - first + 1 for first, last in runs) == len(places)
    assert list(Ranges(runs)) == runs


def test_a_range_object_is_folded_without_walking_it() -> None:
    """A `range` of step 1 is one run, however long."""
    assert list(runs_of(range(1, 10**15))) == [(1, 10**15 - 1)]
    assert list(runs_of(range(1, 1))) == []
    assert list(runs_of(range(1, 6, 2))) == [(1, 1), (3, 3), (5, 5)]


def test_a_range_runs_upward() -> None:
    """A range whose end lies before its beginning is refused."""
    with pytest.raises(ValueError, match="from 3 to 2"):
        Ranges().add(3, 2)


def test_ranges_show_what_they_hold() -> None:
    """An operator reads the ranges from the repr; a changing set has no hash."""
    ranges = Ranges([(1, 4), (7, 7)])
    assert repr(ranges) == "Ranges(1-4,7-7)"
    assert ranges != [(1, 4), (7, 7)]
    with pytest.raises(TypeError):
        hash(ranges)
