from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConservationError
from pipeline.intake.ranges import Ranges
from pipeline.packing.batch import Span
from pipeline.settling.checkpoint import Checkpoint


@st.composite
def shuffled_spans(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    """The positions from 1 to n, cut into batches that interleave, in any order."""
    size = draw(st.integers(1, 120))
    batches = draw(st.lists(st.integers(0, 7), min_size=size, max_size=size))
    cut = [[p for p in range(1, size + 1) if batches[p - 1] == batch] for batch in range(8)]
    return size, draw(st.permutations([positions for positions in cut if positions]))


@given(shuffled_spans())
def test_any_order(spans: tuple[int, list[list[int]]]) -> None:
    """In whatever order batches settle, what is done is their union, and never more."""
    size, batches = spans
    checkpoint = Checkpoint()
    seen: set[int] = set()
    for positions in batches:
        checkpoint.settle("a", positions)
        seen.update(positions)
        assert checkpoint.settled == len(seen)
        assert all((p in checkpoint.done("a")) == (p in seen) for p in range(size + 2))

    assert checkpoint.done("a") == Ranges([(1, size)])


@given(shuffled_spans(), st.data())
def test_never_twice(spans: tuple[int, list[list[int]]], data: st.DataObject) -> None:
    """A position is settled once: a second time is an error that names the source."""
    size, batches = spans
    checkpoint = Checkpoint()
    for positions in batches:
        checkpoint.settle("a", positions)

    position = data.draw(st.integers(1, size))
    with pytest.raises(ConservationError, match=rf"a: position {position} would be settled twice"):
        checkpoint.settle("a", [position])

    assert checkpoint.settled == size


def test_sources_apart() -> None:
    """The same position of two sources are two contacts."""
    checkpoint = Checkpoint({"a": Ranges([(1, 5)])})
    checkpoint.settle_spans([Span("b", range(1, 4)), Span("a", [7, 9])])
    assert checkpoint.settled == 10
    assert checkpoint.done("a") == Ranges([(1, 5), (7, 7), (9, 9)])
    assert checkpoint.done("b") == Ranges([(1, 3)])


def test_overlap_of_ranges() -> None:
    """A stretch that reaches into what is done is refused, and says which stretch."""
    checkpoint = Checkpoint({"a": Ranges([(5, 9)])})
    with pytest.raises(ConservationError, match="a position from 3 to 6"):
        checkpoint.settle("a", range(3, 7))
