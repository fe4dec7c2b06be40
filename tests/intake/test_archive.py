from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import SourceError
from pipeline.intake.locate import locate
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import SourcePolicy
from tests.contracts.file_sources import check_source, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.intake.source import FileSource

TEXT = "id,name\n" + "".join(f"{number},{number * 7919 % 10007}\n" for number in range(3000))


def write(
    path: Path, members: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)

    return path


def sources(path: Path, **settings: str) -> list[FileSource]:
    return locate(SourcePolicy(url=str(path), **settings))  # type: ignore[arg-type]


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS)
def test_a_member_is_a_source(tmp_path: Path, method: int) -> None:
    """It gives what the file would give, from any mark, however it was packed."""
    path = write(tmp_path / "a.zip", {"contacts.csv": TEXT}, method)
    result = check_source(lambda: sources(path)[0])
    assert len(result.records) == 3000
    assert result.chunks[-1].share == 1.0


def test_members_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Each with a name, columns and positions of its own; what is no data is left out."""
    path = write(
        tmp_path / "export.zip",
        {
            "b/z.ndjson": '{"n":1}\n',
            "b/": "",
            "b/a.csv.gz": gzip.compress(b"x\n1\n2\n"),
            "a.csv": "id\n7\n",
            "readme.md": "hello",
            "__MACOSX/._a.csv": "junk",
            ".hidden.csv": "junk",
        },
    )
    found = sources(path)
    assert [one.name for one in found] == [
        "export.zip/a.csv",
        "export.zip/b/a.csv.gz",
        "export.zip/b/z.ndjson",
    ]
    assert [read(one).records for one in found] == [{1: ["7"]}, {1: ["1"], 2: ["2"]}, {1: {"n": 1}}]
    assert len({one.fingerprint().digest for one in found}) == 3


def test_a_member_is_recognised_by_all_it_holds(tmp_path: Path) -> None:
    """Its place and the other members do not matter, a letter in its middle does."""
    changed = TEXT.replace("1500,", "1501,", 1)
    one, two, three = (
        sources(write(tmp_path / name, members))[0].fingerprint()
        for name, members in (
            ("one.zip", {"a.csv": TEXT * 9}),
            ("two.zip", {"a.csv": TEXT * 9, "b.csv": "id\n1\n"}),
            ("three.zip", {"a.csv": TEXT * 4 + changed + TEXT * 4}),
        )
    )
    assert one.digest == two.digest != three.digest
    assert one.size == three.size


def test_an_archive_in_a_directory_is_opened_too(tmp_path: Path) -> None:
    """Between the other files, in the order of the names."""
    write(tmp_path / "b.zip", {"x.csv": "id\n1\n", "y.csv": "id\n1\n"})
    (tmp_path / "a.csv").write_text("id\n1\n")
    assert [one.name for one in sources(tmp_path)] == ["a.csv", "b.zip/x.csv", "b.zip/y.csv"]


def test_a_set_format_reads_every_member(tmp_path: Path) -> None:
    """With `format`, any name will do."""
    path = write(tmp_path / "a.zip", {"contacts": "id\n1\n"})
    assert read(sources(path, format="csv")[0]).records == {1: ["1"]}
    with pytest.raises(SourceError, match=r"a\.zip holds no file ending in \.csv"):
        sources(path)


def test_a_bomb_is_unpacked_as_it_is_read(tmp_path: Path) -> None:
    """What unpacks to a thousand times its size takes no more memory than anything else."""
    line = b"1," + b"0" * 997 + b"\n"
    path = write(tmp_path / "a.zip", {"a.csv": b"id,x\n" + line * 60_000})
    assert path.stat().st_size < 400_000
    tracemalloc.start()
    try:
        total = sum(len(chunk.records) for chunk in sources(path)[0].chunks(Ranges()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert total == 60_000
    assert peak < 16_000_000


def _flagged(path: Path) -> Path:
    """The archive with its members said to be encrypted."""
    stored = bytearray(path.read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = stored.find(magic) + place
        struct.pack_into("<H", stored, at, struct.unpack_from("<H", stored, at)[0] | 1)

    path.write_bytes(stored)
    return path


def test_encrypted_members_are_refused(tmp_path: Path) -> None:
    """Before anything is sent, with the way out; those that are not wanted do not matter."""
    path = _flagged(write(tmp_path / "a.zip", {"a.csv": "id\n1\n"}))
    with pytest.raises(SourceError, match=r"a\.csv is encrypted\. Unpack it"):
        sources(path)

    path = _flagged(write(tmp_path / "b.zip", {"notes.pdf": "x", "b.csv": "id\n1\n"}))
    assert read(sources(path)[0]).records == {1: ["1"]}


def test_a_method_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """Windows packs large files in a way that Python has not."""
    path = write(tmp_path / "a.zip", {"a.csv": "id\n1\n"})
    stored = bytearray(path.read_bytes())
    struct.pack_into("<H", stored, stored.find(b"PK\x01\x02") + 10, 9)
    path.write_bytes(stored)
    with pytest.raises(SourceError, match=r"a\.csv is compressed in a way \(method 9\)"):
        sources(path)


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    """Positions must name one record."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "id\n1\n")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.csv", "id\n2\n")

    with pytest.raises(SourceError, match="in it more than once"):
        sources(tmp_path / "a.zip")


@pytest.mark.parametrize("damage", ["cut", "overwritten", "text"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    """No directory, no archive; damage inside comes after what was readable."""
    text = TEXT + "".join(f"{os.urandom(20).hex()},x\n" for _ in range(20_000))
    path = write(tmp_path / "a.zip", {"a.csv": text})
    stored = path.read_bytes()
    middle = len(stored) * 3 // 4
    if damage == "overwritten":
        path.write_bytes(stored[:middle] + bytes(500) + stored[middle + 500 :])
        records = 0
        with pytest.raises(SourceError, match=r"a\.zip/a\.csv is damaged.* byte \d+"):  # noqa: PT012
            for chunk in sources(path)[0].chunks(Ranges()):
                records += len(chunk.records)

        assert records > 10_000
    else:
        path.write_bytes(stored[:middle] if damage == "cut" else text.encode())
        with pytest.raises(SourceError, match=r"a\.zip is damaged, cut off, or no zip archive"):
            sources(path)


@pytest.mark.parametrize(("name", "words"), [("a.csv", "a zip archive or a spreadsheet")])
def test_an_archive_under_another_name_is_not_read_as_text(
    tmp_path: Path, name: str, words: str
) -> None:
    """A spreadsheet called .csv is not thousands of bad records."""
    write(tmp_path / "a.zip", {"a.csv": "id\n1\n"}).rename(tmp_path / name)
    with pytest.raises(SourceError, match=words):
        sources(tmp_path / name)[0].columns()


def test_parquet_in_an_archive_is_refused(tmp_path: Path) -> None:
    """It is read from its end, and an archive from the beginning."""
    path = write(tmp_path / "a.zip", {"a.parquet": b"PAR1"})
    with pytest.raises(SourceError, match="Put it in a file of its own"):
        sources(path)[0].columns()
