"""What is measured of a text that comes piece by piece, and what two of them have in common."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.intake.plain import RUNG_BYTES, Gauge, Plain, header_of, rungs_of
from pipeline.intake.recognised import HEAD_BYTES
from tests.fakes.holdings import digest, plain_of

LONGEST = 9 * HEAD_BYTES
CONTENT = random.Random(1).randbytes(LONGEST)

near_an_edge = st.builds(
    lambda edge, by: max(0, edge * RUNG_BYTES + by),
    st.integers(0, LONGEST // RUNG_BYTES),
    st.integers(-2, 2),
)
sizes = st.one_of(st.integers(0, LONGEST), near_an_edge)


def test_the_ladder() -> None:
    """From 8 KiB on, twice as much at a time, up to what there is."""
    assert rungs_of(8 * 1024 - 1) == []
    assert rungs_of(8 * 1024) == [8_192]
    assert rungs_of(70_000) == [8_192, 16_384, 32_768, 65_536]


@given(cuts=st.lists(sizes, max_size=8), asked=st.lists(sizes, max_size=8))
@example(cuts=[], asked=[])
@example(cuts=[0, 1, RUNG_BYTES, RUNG_BYTES + 1], asked=[RUNG_BYTES, HEAD_BYTES, LONGEST])
def test_measured_in_pieces(cuts: list[int], asked: list[int]) -> None:
    """Wherever the pieces end: all digests are what recognising a file of so many bytes gives, and
    the checksum is that of the whole."""
    edges = sorted({0, *cuts, LONGEST})
    gauge = Gauge(asked)
    for begin, end in pairwise(edges):
        gauge.feed(CONTENT[begin:end])

    assert gauge.plain == Plain(
        size=LONGEST,
        digest=digest(CONTENT),
        rungs=tuple(digest(CONTENT[:rung]) for rung in rungs_of(LONGEST)),
        checksum=zlib.crc32(CONTENT),
    )
    for size in (*asked, 1, 100, HEAD_BYTES - 1):
        expected = digest(CONTENT[:size]) if 0 < size <= LONGEST else None
        assert gauge.beginning(size) == expected

    assert gauge.beginning(LONGEST + 1) is None
    assert gauge.beginning(HEAD_BYTES + 12_345) is None or HEAD_BYTES + 12_345 in asked


@given(size=sizes, longer=sizes, other=st.booleans())
@example(size=RUNG_BYTES, longer=RUNG_BYTES + 1, other=False)
@example(size=RUNG_BYTES - 1, longer=LONGEST, other=False)
def test_one_that_looks_like_the_beginning(size: int, longer: int, *, other: bool) -> None:
    """It does where the one is shorter, there is at least a rung, and the other begins so."""
    part = bytes(b ^ 1 for b in CONTENT[:size]) if other else CONTENT[:size]
    begun = plain_of(part).looks_begun(plain_of(CONTENT[:longer]))
    assert begun is (not other and RUNG_BYTES <= size < longer)


def test_one_that_begins_alike_and_goes_on_otherwise() -> None:
    """A difference before the highest rung makes another file of it; one behind cannot be seen."""
    size = 3 * HEAD_BYTES
    whole = plain_of(CONTENT)
    changed = bytearray(CONTENT[:size])
    changed[2 * HEAD_BYTES - 1] ^= 1
    assert not plain_of(bytes(changed)).looks_begun(whole)
    changed = bytearray(CONTENT[:size])
    changed[2 * HEAD_BYTES] ^= 1
    assert plain_of(bytes(changed)).looks_begun(whole)


def test_a_first_line_that_is_longer_than_the_highest_rung() -> None:
    """It is no beginning of anything: all that is alike may be the header."""
    for length, end, begun in ((RUNG_BYTES, b"\n", False), (RUNG_BYTES - 2, b"\r\n", True)):
        text = b"h" * length + end + b"x" * RUNG_BYTES
        assert plain_of(text[: RUNG_BYTES + 100]).looks_begun(plain_of(text)) is begun

    assert header_of(b"no end") == 0


def test_the_same() -> None:
    """By all that is known of both; whose middle was not read may be the same."""
    one, changed = CONTENT, bytearray(CONTENT)
    changed[130_000 + HEAD_BYTES - 100] ^= 1  # between 128 KiB and 192 KiB, where no digest looks
    assert plain_of(one).content == plain_of(bytes(changed)).content
    assert plain_of(one).equals(plain_of(one))
    assert not plain_of(one).equals(plain_of(bytes(changed)))
    known = plain_of(one)
    unread = Plain(size=known.size, digest=known.digest, rungs=known.rungs)
    assert unread.equals(known)
    assert known.equals(unread)
    assert not known.equals(Plain(size=known.size, digest=known.digest))
