"""Keys as JSON are the same keys: cut, chained, sent to another process, and written."""

from __future__ import annotations

import pickle
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.keys import Keys, chained, packed

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['","', '"', "\\", '\\"', '",', "\n", "é", "😀", "\x00", ","]
)
LISTS = st.lists(ANY, max_size=12)


@given(LISTS)
def test_the_same_as_the_list(keys: list[str]) -> None:
    written = Keys.of(keys)
    assert len(written) == len(keys)
    assert list(written) == keys == written
    assert [written[index] for index in range(-len(keys), len(keys))] == [*keys, *keys]
    assert written[::2] == keys[::2]
    assert orjson.loads(packed(written)) == keys
    assert packed(written) == packed(keys) == packed(tuple(keys)) == orjson.dumps(keys)
    assert pickle.loads(pickle.dumps(written, protocol=5)) == keys  # ours
    assert Keys.of(written) is written


@given(LISTS, st.lists(st.tuples(st.integers(-14, 14), st.integers(-14, 14)), max_size=8))
def test_any_part_in_any_order(keys: list[str], cuts: list[tuple[int, int]]) -> None:
    written = Keys.of(keys)
    for start, end in cuts:
        part = written[start:end]
        assert part == keys[start:end]
        assert packed(part) == orjson.dumps(keys[start:end])


@given(
    st.lists(st.tuples(LISTS, st.booleans()), min_size=1, max_size=4),
    st.sets(st.integers(1, 30), max_size=6),
)
def test_cut_one_behind_the_other_and_chained_again(
    chunks: list[tuple[list[str], bool]], bounds: set[int]
) -> None:
    """As the batcher does, whether some of the chunks, or all, are lists or not."""
    whole = [key for keys, _ in chunks for key in keys]
    parts = [Keys.of(keys) if written else keys for keys, written in chunks]
    assert chained(parts) == whole

    written = chained(parts)
    ends = sorted(bound for bound in bounds if bound < len(whole))
    pieces = [written[start:end] for start, end in pairwise([0, *ends, len(whole)])]
    assert chained(pieces) == whole
    assert packed(chained(pieces)) == orjson.dumps(whole)


def test_what_is_no_list_of_them_differs() -> None:
    written = Keys.of(["1", "2"])
    assert written != ["1"]
    assert written != {"1", "2"}
    assert repr(written) == "<Keys, 2 of them>"
    with pytest.raises(TypeError):
        hash(written)

    with pytest.raises(IndexError):
        written[2]
