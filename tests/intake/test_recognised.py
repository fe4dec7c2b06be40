"""What a file was before something was appended to it."""

from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.intake.origin import PathOrigin
from pipeline.intake.recognised import HEAD_BYTES, beginnings_of, digest_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LONGEST = 4 * HEAD_BYTES
CONTENT = random.Random(1).randbytes(LONGEST)

near_an_edge = st.builds(
    lambda edge, by: max(0, edge * HEAD_BYTES + by), st.integers(0, 4), st.integers(-2, 2)
)
sizes = st.one_of(st.integers(-1, LONGEST + 1), near_an_edge)


class Counting(io.FileIO):
    """A file that tells how much of it was read, and how often it was opened."""

    opened = 0
    read_bytes = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        Counting.opened += 1

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        Counting.read_bytes += len(data)
        return data


@given(length=sizes, asked=st.lists(sizes, max_size=30))
@example(length=LONGEST, asked=[1, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1, LONGEST - 1])
@example(length=LONGEST, asked=[5, 3 * HEAD_BYTES, 3 * HEAD_BYTES + 1])
def test_the_same_as_one_after_the_other(length: int, asked: list[int]) -> None:
    """In one pass: for each size that is less than the file's what recognising it alone gives."""
    raw = io.BytesIO(CONTENT[: max(0, length)])
    end = len(raw.getvalue())
    expected = [(size, digest_of(raw, size)) for size in sorted(set(asked)) if 0 < size < end]  # type: ignore[arg-type]
    assert list(beginnings_of(raw, asked)) == expected  # type: ignore[arg-type]


def test_a_file_is_opened_once_and_no_byte_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many sizes are asked for."""
    path = tmp_path / "grown.csv"
    path.write_bytes(CONTENT)
    monkeypatch.setattr("pipeline.intake.origin.io.FileIO", Counting)
    monkeypatch.setattr(Counting, "opened", 0)
    monkeypatch.setattr(Counting, "read_bytes", 0)
    assert len(list(PathOrigin(path).beginnings(range(1, LONGEST, 100)))) == LONGEST // 100 + 1
    assert Counting.opened == 1
    assert Counting.read_bytes <= LONGEST


def test_a_file_that_is_cut_meanwhile_began_with_nothing_more(tmp_path: Path) -> None:
    """What is not there cannot have been injected from it."""
    path = tmp_path / "cut.csv"
    path.write_bytes(CONTENT)
    beginnings = PathOrigin(path).beginnings([10, HEAD_BYTES + 10, LONGEST - 1])
    assert next(beginnings)[0] == 10
    path.write_bytes(CONTENT[: 2 * HEAD_BYTES])
    assert [size for size, _ in beginnings] == [HEAD_BYTES + 10]
