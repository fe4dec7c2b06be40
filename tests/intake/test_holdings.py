"""What sources hold, and how often they are read to find it out."""

from __future__ import annotations

import gzip
import random
import zipfile
from functools import partial
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import InterruptedRunError, SourceError
from pipeline.intake.archive import members_of
from pipeline.intake.holdings import SourceHoldings
from pipeline.intake.opening import open_stored
from pipeline.intake.origin import PathOrigin, StdinOrigin
from pipeline.intake.recognised import HEAD_BYTES
from pipeline.intake.source import Fingerprint
from tests.fakes.configs import zstd_compressed
from tests.fakes.holdings import digest, plain_of

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.intake.origin import Origin

CONTENT = random.Random(2).randbytes(5 * HEAD_BYTES)
SIZES = [10, HEAD_BYTES, HEAD_BYTES + 1, 3 * HEAD_BYTES, len(CONTENT) - 1, len(CONTENT)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a file that is not compressed, beside others that hold the same."""
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(CONTENT))
    (tmp_path / "a.csv.zst").write_bytes(zstd_compressed(CONTENT))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", CONTENT)

    return path


def origin_of(path: Path) -> Origin:
    origin = PathOrigin(path)
    if path.suffix == ".zip":
        (member,) = members_of(origin, lambda _: True)
        return member

    return origin


def holdings_of(*paths: Path, reading: str = "csv") -> SourceHoldings:
    origins = [origin_of(path) for path in paths]
    found = [(origin, origin.fingerprint("a")) for origin in origins]
    return SourceHoldings(
        (origin, Fingerprint(name=one.name, size=one.size, digest=one.digest, reading=reading))
        for origin, one in found
    )


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".csv.zst", ".zip"])
def test_the_same_in_whatever_way_it_is_stored(path: Path, ending: str) -> None:
    """What it is uncompressed, and what its beginnings are."""
    holdings = holdings_of(path.with_name(f"a{ending}"))
    (plain,) = holdings.plains()
    assert plain is not None
    assert plain.equals(plain_of(CONTENT))
    expected = {(size, digest(CONTENT[:size])) for size in SIZES[:-1]}
    assert expected <= set(holdings.beginnings(SIZES))
    assert plain.content not in set(holdings.beginnings(SIZES))


def test_how_often_it_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed file once, and once more for beginnings that were not asked for before and are
    not short; one that is not compressed never as a whole."""
    read: list[object] = []

    def opened(origin: Origin, *, preview: bool) -> object:
        read.append(origin)
        return open_stored(origin, preview=preview)

    monkeypatch.setattr("pipeline.intake.holdings.open_stored", opened)
    holdings = holdings_of(path, path.with_name("a.csv.gz"))
    assert not read
    for _ in range(2):
        holdings.plains()
        list(holdings.beginnings([1, 100, HEAD_BYTES, len(CONTENT) + 1]))

    assert len(read) == 1
    for _ in range(2):
        list(holdings.beginnings([1, 3 * HEAD_BYTES, 4 * HEAD_BYTES]))
        list(holdings.beginnings([]))
        list(holdings.beginnings([4 * HEAD_BYTES]))

    assert len(read) == 2
    asked_first = holdings_of(path.with_name("a.csv.zst"))
    assert {size for size, _ in asked_first.beginnings(SIZES)} >= set(SIZES[:-1])
    asked_first.plains()
    assert len(read) == 3


def test_what_is_damaged(path: Path) -> None:
    """It holds as much as can be read of it."""
    cut = path.with_name("cut.csv.gz")
    whole = path.with_name("a.csv.gz").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    (plain,) = holdings_of(cut).plains()
    assert plain is not None
    assert 2 * HEAD_BYTES < plain.size < 3 * HEAD_BYTES
    assert plain.content == plain_of(CONTENT[: plain.size]).content
    assert plain.looks_begun(plain_of(CONTENT))
    assert not plain.whole


def test_what_was_replaced(path: Path) -> None:
    """Nothing is told of another file that lies in its place by now."""
    compressed = path.with_name("a.csv.gz")
    holdings = holdings_of(compressed)
    compressed.write_bytes(gzip.compress(CONTENT[::-1]))
    with pytest.raises(SourceError, match="is not the file it was"):
        holdings.plains()


def test_what_cannot_be_asked() -> None:
    """Nothing is read of standard input, nor of what has no origin."""
    one = Fingerprint(name="stdin", size=None, digest="d")
    holdings = SourceHoldings([(StdinOrigin(), one), (None, one)])
    assert holdings.plains() == [None, None]
    assert list(holdings.beginnings([1, 2])) == []


def test_what_is_no_text(path: Path) -> None:
    """Parquet is compared as it is stored: what is appended to it makes another file of it."""
    holdings = holdings_of(path, reading="parquet")
    assert holdings.plains() == [None]
    assert list(holdings.beginnings([10])) == [(10, digest(CONTENT[:10]))]


def test_nobody_waits_for_it(path: Path) -> None:
    """Who is told to stop reads a long file no further."""
    answers = iter([False, True])
    origin = PathOrigin(path.with_name("a.csv.gz"))
    stopped = partial(next, answers)
    holdings = SourceHoldings([(origin, origin.fingerprint("a"))], stopped=stopped)
    with pytest.raises(InterruptedRunError):
        holdings.plains()
