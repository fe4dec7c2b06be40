"""What a file was before something was appended to it."""

from __future__ import annotations

import io
import os
import random
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.intake.origin import PathOrigin
from pipeline.intake.recognised import HEAD_BYTES, beginnings_of, digest_of

if TYPE_CHECKING:
    from pathlib import Path

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


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (None, "since it was looked at, from 262,144 bytes to 1,000. Nothing of it was read since"),
        (0, "while it was read, from 262,144 bytes to 1,000. Nothing behind that was read"),
        (500, "while it was read, from 262,144 bytes to 1,000. Nothing behind that was read"),
        (2_000, "while it was read, from 262,144 bytes to 1,000. Nothing behind that was read"),
    ],
)
def test_a_file_that_is_cut_says_what_was_read_of_it(
    tmp_path: Path, read: int | None, told: str
) -> None:
    """Cut before it is opened again, or under who reads it, however far that has come."""
    path = tmp_path / "cut.csv"
    path.write_bytes(CONTENT)
    origin = PathOrigin(path)
    origin.fingerprint("cut.csv")
    if read is None:
        os.truncate(path, 1_000)
        with pytest.raises(SourceError) as raised:
            origin.open()
    else:
        with origin.open() as raw:
            assert raw.read(read) == CONTENT[:read]
            os.truncate(path, 1_000)
            with pytest.raises(SourceError) as raised:
                list(iter(partial(raw.read, LONGEST), b""))

    assert str(raised.value).endswith(f"{told}; put the whole file back to go on")
