"""The whole intake on arbitrary bytes: it never raises but in words, and agrees with the stdlib."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from decimal import Decimal, DecimalException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import JourneyError
from pipeline.intake.csv import CsvSource
from pipeline.intake.locate import locate
from pipeline.intake.ndjson import NdjsonSource
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import Format, SourcePolicy
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import MappingPolicy
from tests.fakes.configs import zstd_compressed
from tests.fakes.origins import MemoryOrigin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.intake.source import FileSource

PIECES = st.sampled_from(
    [
        *(b"id", b"email", b",", b";", b"\t", b"|", b'"', b"'", b"\\", b" ", b"\n", b"\r", b"\r\n"),
        *(b'{"id":1}', b'{"id":"a","x":[{}]}', b"[", b"]", b"{", b"}", b":", b"null", b"1e999"),
        *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80"),
        *("é漢\U0001f600".encode(), b"\\ud800", b"x" * 300, b"9" * 5_000, b"[" * 300),
    ]
)
PLAIN = st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(b"".join)


def zipped(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", content)

    return held.getvalue()


CONTAINERS = (bytes, gzip.compress, zstd_compressed, zipped)
DAMAGE = st.none() | st.tuples(st.floats(0, 1), st.binary(max_size=3))
NAMES = ("a.csv", "a.tsv", "a.ndjson", "a.json", "a.parquet", "a.zip", "a.csv.gz", "a.ndjson.zst")
CODECS = (None, None, "utf-8", "utf-16", "utf-16-le", "cp1252", "shift_jis", "utf-7", "iso2022_jp")


@settings(max_examples=300)
@given(
    content=PLAIN,
    container=st.sampled_from(CONTAINERS),
    damage=DAMAGE,
    name=st.sampled_from(NAMES),
    policy=st.builds(
        dict,
        format=st.none() | st.sampled_from(Format),
        encoding=st.sampled_from(CODECS),
        quote=st.sampled_from(['"', "", "'"]),
    ),
)
def test_whatever_the_bytes_nothing_but_a_sentence_is_raised(
    content: bytes,
    container: Any,
    damage: tuple[float, bytes] | None,
    name: str,
    policy: dict[str, Any],
) -> None:
    """Any bytes, cut anywhere, under any name, declared as anything: every record has a place."""
    stored = container(content)
    if damage is not None:
        share, end = damage
        stored = stored[: int(share * len(stored))] + end

    with TemporaryDirectory() as directory:
        path = Path(directory) / name
        path.write_bytes(stored)
        try:
            for source in locate(SourcePolicy(url=str(path), **policy)):
                take(source)
        except JourneyError as error:
            assert str(error)  # noqa: PT017  # most examples raise nothing


def take(source: FileSource) -> None:
    """Read and map a source; every position up to the mark has its record or its rejection."""
    source.fingerprint()
    columns = source.columns()
    mapper = Mapper(MappingPolicy(contact_key=columns[0] if columns else "id"))
    mapper.prepare(columns)
    seen: list[int] = []
    for chunk in source.chunks(Ranges()):
        contacts = mapper.map(chunk)
        seen += sorted([*contacts.positions, *(each.position for each in contacts.rejected)])
        assert seen == list(range(1, chunk.mark.position + 1))
        assert len(contacts.bodies) == len(contacts.keys)


def read(source: FileSource) -> tuple[dict[int, Any], dict[int, str]]:
    """(position to record, position to the reason of its rejection)."""
    records: dict[int, Any] = {}
    rejected: dict[int, str] = {}
    for chunk in source.chunks(Ranges()):
        records.update(zip(chunk.positions, chunk.records, strict=True))
        rejected.update({each.position: each.reason for each in chunk.rejected})

    return records, rejected


CSV_PIECES = st.sampled_from(["a", "b c", ",", ",", '"', '""', "\n", "\r\n", "\r", "é", "\0", " "])


@settings(max_examples=400)
@given(st.lists(CSV_PIECES, max_size=40).map("".join), st.integers(1, 3))
@example(',\r""\n', 2)
def test_a_csv_that_the_stdlib_takes_is_read_as_it_reads_it(text: str, width: int) -> None:
    """Where csv's strict reader objects to nothing, each row of the right width is its row.

    But that a row over several lines that has another width is taken for a stray quote, and read
    again line by line.
    """
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return

    if any(len(row) != width and set("".join(row)) & {"\n", "\r"} for row in rows):
        return

    columns = tuple(f"c{number}" for number in range(width))
    policy = SourcePolicy(url="m.csv", delimiter=",", columns=columns)
    origin = MemoryOrigin(text.encode())
    records, rejected = read(CsvSource(name="m.csv", origin=origin, policy=policy))
    fitting = {place: row for place, row in enumerate(rows, 1) if len(row) == width}
    assert {place: list(record) for place, record in records.items()} == fitting
    assert rejected.keys() == set(range(1, len(rows) + 1)) - fitting.keys()


JSON_PIECES = st.sampled_from(
    [
        *(b"{", b"}", b'{"a":1}', b'"a"', b'"b"', b":", b",", b"[", b"]", b"1", b"-0", b"0.1"),
        *(b"12345678901234567890123", b"1e400", b"NaN", b"Infinity", b"true", b"null"),
        *(b'"\\ud800"', b'"\\u00e9"', b'"\x01"', b"\\", b"01", b"1.", b"+1"),
        *(b" ", b"\t", b"\r", b"\xff", "é".encode()),
    ]
)
LINES = st.lists(st.lists(JSON_PIECES, max_size=8).map(b"".join), max_size=6).map(b"\n".join)


@settings(max_examples=400)
@given(LINES)
def test_a_line_of_json_is_read_as_the_stdlib_reads_it(data: bytes) -> None:
    """A line is a record exactly where json finds an object of plain numbers and whole text."""
    origin = MemoryOrigin(data)
    policy = SourcePolicy(url="m.ndjson", encoding="utf-8")
    records, rejected = read(NdjsonSource(name="m.ndjson", origin=origin, policy=policy))
    lines = [line for line in data.split(b"\n") if line.strip(b" \t\r")]
    assert sorted(records | rejected) == list(range(1, len(lines) + 1))
    for place, line in enumerate(lines, 1):
        expected = object_of(line)
        assert (place in rejected) == (expected is None), line
        if expected is not None:
            assert records[place] == expected


def object_of(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode(), parse_float=Decimal, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except (ValueError, DecimalException):
        return None

    return value if isinstance(value, dict) else None


def _refuse(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize("compress", CONTAINERS[1:3], ids=["gzip", "zstd"])
def test_a_compressed_file_cut_at_any_byte(compress: Any, tmp_path: Path) -> None:
    """What came before the cut is read, record by record; then the damage is told, never an end."""
    content = b"id,email\n" + b"".join(b"%d,a%d@example.com\n" % (n, n * n) for n in range(300))
    stored = compress(content)
    path = tmp_path / f"a.csv{'.gz' if compress is gzip.compress else '.zst'}"
    whole = [line.split(b",")[0].decode() for line in content.split(b"\n")[1:-1]]
    for cut in range(len(stored)):
        path.write_bytes(stored[:cut])
        read_so_far: list[str] = []
        with pytest.raises(JourneyError) if cut else pytest.raises(StopIteration):
            for source in locate(SourcePolicy(url=str(path))):
                read_so_far += keys_of(source)

            if not read_so_far:
                raise StopIteration  # an empty file holds nobody

        assert read_so_far == whole[: len(read_so_far)]


def keys_of(source: FileSource) -> Iterable[str]:
    for chunk in source.chunks(Ranges()):
        yield from (record[0] for record in chunk.records)
