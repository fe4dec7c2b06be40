from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.packing.batch import Span
from pipeline.settling.spans import pack_spans, positions_of, runs, unpack_spans

ascending = st.lists(st.integers(1, 10**12), min_size=1, max_size=40, unique=True).map(sorted)


@given(st.lists(st.tuples(st.sampled_from("abc"), ascending), max_size=5))
def test_round_trip(spans: list[tuple[str, list[int]]]) -> None:
    """Packed spans name every contact again, in the batch's order."""
    ordinals = {"a": 0, "b": 1, "c": 2}
    packed = pack_spans([Span(name, positions) for name, positions in spans], ordinals)
    wanted = [(ordinals[name], position) for name, positions in spans for position in positions]
    assert list(positions_of(packed)) == wanted


def test_compact() -> None:
    """An unbroken stretch of any length takes three numbers."""
    packed = pack_spans([Span("a", range(1, 501)), Span("a", [7, 8, 9, 20])], {"a": 3})
    assert packed == "[[3,1,500],[3,7,9,20,20]]"
    assert list(unpack_spans(packed)) == [(3, [(1, 500)]), (3, [(7, 9), (20, 20)])]


def test_nothing() -> None:
    """No positions are no runs."""
    assert list(runs([])) == []
    assert list(runs(range(0))) == []
