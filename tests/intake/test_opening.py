from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from backports import zstd

from pipeline.errors import SourceError
from pipeline.intake.blocks import Sizes
from pipeline.intake.compression import Compression, compression_of
from pipeline.intake.csv import CsvSource
from pipeline.intake.locate import locate
from pipeline.intake.opening import open_text
from pipeline.intake.origin import PathOrigin, StdinOrigin
from pipeline.intake.ranges import Ranges
from pipeline.intake.reading import head
from pipeline.intake.source import SourcePolicy
from tests.contracts.file_sources import check_source, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXT = "id,name\n" + "".join(f"{number},{number * 7919 % 10007}\n" for number in range(3000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstd.compress,
}


def source(path: Path, block: int = 8192) -> CsvSource:
    sizes = Sizes(chunk_records=500, block_bytes=block)
    return CsvSource(
        name=path.name, origin=PathOrigin(path), policy=SourcePolicy(url=str(path)), sizes=sizes
    )


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe: what is written to the second comes out of the first."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):
            os.close(end)


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_every_compression_is_read_and_resumed(tmp_path: Path, ending: str, encoding: str) -> None:
    """A compressed file gives what the plain one gives, from any mark."""
    path = tmp_path / f"contacts.csv{ending}"
    path.write_bytes(PACK[ending](TEXT.encode(encoding)))
    result = check_source(lambda: source(path))
    assert len(result.records) == 3000
    assert result.chunks[-1].share == 1.0
    shares = [chunk.share for chunk in result.chunks]
    assert shares == sorted(shares)  # type: ignore[type-var]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_several_compressed_members_are_one_text(tmp_path: Path, ending: str) -> None:
    """Files that were compressed apart and put together are read through."""
    path = tmp_path / f"contacts.csv{ending}"
    half = len(TEXT) // 2
    path.write_bytes(PACK[ending](TEXT[:half].encode()) + PACK[ending](TEXT[half:].encode()))
    assert len(read(source(path)).records) == 3000


def test_gzip_is_read_without_isal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """isal is faster, not needed."""
    monkeypatch.setitem(sys.modules, "isal.igzip", None)
    path = tmp_path / "contacts.csv.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert len(read(source(path)).records) == 3000


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_what_was_readable_is_read_to_the_last_byte(tmp_path: Path, ending: str) -> None:
    """However much is asked for at once: a file that is cut off gives all that it holds."""
    packed = PACK[ending]("".join(f"C{n},{n * 7919}\n" for n in range(40_000)).encode())
    path = tmp_path / f"contacts.csv{ending}"
    path.write_bytes(packed[: len(packed) // 2])
    found = []
    for size in (1_000, 100_000, 1_000_000):
        data = b""
        with open_text(PathOrigin(path), codec=None, offset=0) as stream, suppress(SourceError):
            while piece := stream.read(size):
                data += piece

        found.append(data)

    assert len(found[0]) > 100_000
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("library", ["isal", "zlib"])
@pytest.mark.parametrize("damage", ["cut", "overwritten", "followed by rubbish"])
def test_damage_is_an_error_after_what_was_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, library: str, damage: str
) -> None:
    """Records before the damage are yielded, then SourceError names the file and the byte."""
    if library == "zlib":
        monkeypatch.setitem(sys.modules, "isal.igzip", None)

    text = TEXT + "".join(f"{os.urandom(20).hex()},x\n" for _ in range(20_000))
    stored = PACK[ending](text.encode())
    path = tmp_path / f"contacts.csv{ending}"
    match damage:
        case "cut":
            path.write_bytes(stored[: len(stored) * 3 // 4])
        case "overwritten":
            middle = len(stored) * 3 // 4
            path.write_bytes(stored[:middle] + bytes(500) + stored[middle + 500 :])
        case _:
            path.write_bytes(stored + b"rubbish")

    records = 0
    with pytest.raises(SourceError, match=rf"contacts\.csv\{ending} is damaged.* byte \d+"):  # noqa: PT012
        for chunk in source(path).chunks(Ranges()):
            records += len(chunk.records)

    assert records >= 10_000


def test_what_is_named_gzip_and_is_none_says_so(tmp_path: Path) -> None:
    """A wrong ending is an error about the source, not thousands of bad records."""
    path = tmp_path / "contacts.csv.gz"
    path.write_text(TEXT)
    with pytest.raises(SourceError, match=r"contacts\.csv\.gz is damaged"):
        source(path).columns()


def test_compression_is_told_by_name_or_first_bytes() -> None:
    """The ending tells, and without it the first bytes; what is empty is not compressed."""
    assert compression_of("A.CSV.GZ", b"x") is Compression.GZIP
    assert compression_of("a.csv", gzip.compress(b"")) is Compression.GZIP
    assert compression_of("standard input", zstd.compress(b"")) is Compression.ZSTD
    assert compression_of("a.csv.zst", b"") is None
    assert compression_of("a.csv", b"id,name") is None


def test_an_empty_file_is_empty_whatever_its_name(tmp_path: Path) -> None:
    """No bytes are no records."""
    for ending in PACK:
        path = tmp_path / f"empty.csv{ending}"
        path.touch()
        assert source(path).columns() == ()
        assert read(source(path)).positions == []


def test_a_file_that_vanishes_is_a_source_error(tmp_path: Path) -> None:
    """Whenever the file is gone, the message names it."""
    gone = source(tmp_path / "gone.csv")
    for attempt in (gone.fingerprint, gone.columns, lambda: list(gone.chunks(Ranges()))):
        with pytest.raises(SourceError, match=r"gone\.csv cannot be read"):
            attempt()


def test_fingerprints_tell_contents_apart(tmp_path: Path) -> None:
    """Size, head and tail make the fingerprint; the place of the file does not."""
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_bytes(b"a" * 300_000)
    two.write_bytes(b"a" * 300_000)
    assert PathOrigin(one).fingerprint("x") == PathOrigin(two).fingerprint("x")
    assert PathOrigin(one).fingerprint("x").size == 300_000
    seen = {PathOrigin(one).fingerprint("x").digest}
    for changed in (b"b" + b"a" * 299_999, b"a" * 299_999 + b"b"):
        two.write_bytes(changed)
        seen.add(PathOrigin(two).fingerprint("x").digest)

    assert len(seen) == 3


@pytest.mark.parametrize("ending", PACK)
def test_stdin_keeps_what_was_looked_at(pipe: tuple[int, int], tmp_path: Path, ending: str) -> None:
    """Fingerprint and header use nothing up, and what they read travels with the pickle."""
    path = tmp_path / "stdin"
    path.write_bytes(PACK[ending](TEXT.encode() * 20))
    with path.open("rb") as file:
        origin = StdinOrigin(file.fileno())
        made = CsvSource(name="stdin", origin=origin, policy=SourcePolicy(url="-"))
        first = made.fingerprint()
        assert first.size is None
        assert made.columns() == ("id", "name")
        assert made.fingerprint() == first
        copy = pickle.loads(pickle.dumps(made))
        result = read(copy)

    assert len(result.records) + len(result.rejected) == 3000 * 20 + 19
    assert {chunk.share for chunk in result.chunks} == {None}
    with pytest.raises(SourceError, match="only once"):
        read(copy)


def test_stdin_is_handed_out_as_it_comes(pipe: tuple[int, int]) -> None:
    """A live input that pauses is not held back until a block is full."""
    outlet, inlet = pipe
    first = Thread(target=os.write, args=(inlet, b"id,name\n" + b"0,x\n" * 20_000))
    first.start()  # more than a pipe holds
    made = CsvSource(name="stdin", origin=StdinOrigin(outlet), policy=SourcePolicy(url="-"))
    chunks = made.chunks(Ranges())
    seen = 0
    while seen < 20_000:
        seen += len(next(chunks).records)

    first.join()
    os.write(inlet, b"1,y\n")
    assert next(chunks).records == [["1", "y"]]
    os.close(inlet)
    assert [chunk.records for chunk in chunks] == []


def test_stdin_that_is_closed_is_a_source_error(pipe: tuple[int, int]) -> None:
    """Without a standard input there is one sentence, and no traceback."""
    os.close(pipe[0])
    with pytest.raises(SourceError, match="standard input cannot be read"):
        StdinOrigin(pipe[0]).fingerprint("stdin")


def test_stdin_is_read_from_descriptor_zero(tmp_path: Path) -> None:
    """What is piped into the process arrives, after its fingerprint was taken."""
    program = (
        "from pipeline.intake.locate import locate\n"
        "from pipeline.intake.ranges import Ranges\n"
        "from pipeline.intake.source import SourcePolicy\n"
        "source, = locate(SourcePolicy(url='-'))\n"
        "source.fingerprint()\n"
        "print(sum(len(chunk.records) for chunk in source.chunks(Ranges())))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=TEXT.encode(), capture_output=True, check=True
    )
    assert done.stdout.split() == [b"3000"]


def test_intake_needs_nothing_heavy() -> None:
    """The encoder's child imports intake: it must start fast and stay small."""
    heavy = ["aiohttp", "anyio", "pydantic", "typer", "rich", "asyncio"]
    program = (
        "import sys, pipeline.intake.locate\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_the_head_of_a_source_is_its_columns_and_first_records(tmp_path: Path) -> None:
    """`head` shows what `init` and `check` need, and no more than is there."""
    path = tmp_path / "contacts.csv"
    path.write_text("id,name\n1,a\nbad\n2,b\n3,c\n")
    (found,) = locate(SourcePolicy(url=str(path)))
    assert head(found, 2) == (("id", "name"), [["1", "a"], ["2", "b"]])
    assert head(found, 9)[1][-1] == ["3", "c"]
