# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import SourceError
from pipeline.intake.blocks import Sizes
from pipeline.intake.origin import PathOrigin
from pipeline.intake.parquet import ParquetSource
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import SourcePolicy
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import MappingPolicy
from tests.contracts.file_sources import check_source, read

if TYPE_CHECKING:
    from pathlib import Path

UTF8 = "é😀\n,\"'"


def source(path: Path, records: int = 300) -> ParquetSource:
    return ParquetSource(
        name=path.name,
        origin=PathOrigin(path),
        policy=SourcePolicy(url=str(path)),
        sizes=Sizes(chunk_records=records),
    )


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_every_row_from_every_mark(tmp_path: Path) -> None:
    """Row groups and batches cut where they like: a position is a row's number in the file."""
    ids = [f"{number:05}" for number in range(5_000)]
    path = write(tmp_path / "a.parquet", {"id": ids, "n": range(5_000)}, row_group_size=1_234)
    result = check_source(lambda: source(path))
    assert result.records == {number + 1: (ids[number], number) for number in range(5_000)}
    assert result.chunks[-1].share == 1.0
    assert source(path).columns() == ("id", "n")


def test_row_groups_that_are_done_are_not_read(tmp_path: Path) -> None:
    """A row group that lies wholly in what is done is passed over, though its pages be damaged."""
    path = write(
        tmp_path / "a.parquet", {"n": range(4_000)}, row_group_size=1_000, use_dictionary=False
    )
    stored = bytearray(path.read_bytes())
    begin = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    stored[begin : begin + 200] = b"\xff" * 200
    path.write_bytes(stored)
    with pytest.raises(SourceError, match=r"a\.parquet is no Parquet file, or damaged"):
        read(source(path))

    result = read(source(path), Ranges([(1_001, 2_000)]))
    assert len(result.records) == 3_000


VALUES: list[tuple[Any, Any, str]] = [
    (pa.array([UTF8]), UTF8, json.dumps(UTF8, ensure_ascii=False)),
    (pa.array([UTF8]).dictionary_encode(), UTF8, json.dumps(UTF8, ensure_ascii=False)),
    (pa.array([2**64 - 1], pa.uint64()), 2**64 - 1, "18446744073709551615"),
    (pa.array([-7], pa.int8()), -7, "-7"),
    (pa.array([True]), True, "true"),
    (pa.array([0.1]), 0.1, "0.1"),
    (pa.array([Decimal("12.30")]), Decimal("12.30"), "12.30"),
    (pa.array([Decimal("1" * 70)]), Decimal("1" * 70), "1" * 70),
    (pa.array([date(2024, 5, 21)]), date(2024, 5, 21), '"2024-05-21"'),
    (pa.array([time(10, 0, 1)]), time(10, 0, 1), '"10:00:01"'),
    (
        pa.array([datetime(2024, 5, 21, 10)], pa.timestamp("ms")),  # noqa: DTZ001  # without a zone
        datetime(2024, 5, 21, 10),  # noqa: DTZ001
        '"2024-05-21T10:00:00"',
    ),
    (
        pa.array([datetime(2024, 5, 21, 10, tzinfo=UTC)], pa.timestamp("us", "Europe/Berlin")),
        datetime(2024, 5, 21, 10, tzinfo=UTC),
        '"2024-05-21T12:00:00+02:00"',
    ),
    (
        pa.array([1_716_285_600_123_456_789], pa.timestamp("ns", "UTC")),
        "2024-05-21T10:00:00.123456789+00:00",
        '"2024-05-21T10:00:00.123456789+00:00"',
    ),
    (
        pa.array([1_716_285_600_123_456_000], pa.timestamp("ns", "UTC")),
        datetime(2024, 5, 21, 10, 0, 0, 123456, tzinfo=UTC),
        '"2024-05-21T10:00:00.123456+00:00"',
    ),
    (pa.array([1], pa.time64("ns")), "00:00:00.000000001", '"00:00:00.000000001"'),
    (pa.array([["a", "b"]]), ["a", "b"], '["a","b"]'),
    (pa.array([{"x": 1, "y": [None]}]), {"x": 1, "y": [None]}, '{"x":1,"y":[null]}'),
]


@pytest.mark.parametrize(
    ("column", "value", "sent"), VALUES, ids=[str(each[0].type) for each in VALUES]
)
def test_values_keep_their_types(tmp_path: Path, column: Any, value: Any, sent: str) -> None:
    """Each type as Python has it, and on the wire exactly as it stands; a null is left out."""
    both = pa.concat_arrays([column, pa.nulls(1, column.type)])
    path = write(tmp_path / "a.parquet", {"id": ["1", "2"], "v": both})
    result = read(source(path))
    assert result.records == {1: ("1", value), 2: ("2", None)}
    mapped = Mapper(MappingPolicy(contact_key="id")).map(result.chunks[0])
    assert [body.decode() for body in mapped.bodies] == [
        f'{{"ContactKey":"1","Data":{{"id":"1","v":{sent}}}}}',
        '{"ContactKey":"2","Data":{"id":"2"}}',
    ]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([b"\x00\xff"]), "unsupported_value"),
        (pa.array([float("nan")]), "not_a_number"),
        (pa.array([timedelta(1)]), "unsupported_value"),
    ],
    ids=["bytes", "nan", "duration"],
)
def test_what_has_no_json_is_refused_where_it_would_be_sent(
    tmp_path: Path, column: Any, reason: str
) -> None:
    """It costs its own record, and none where no rule asks for it."""
    path = write(tmp_path / "a.parquet", {"id": ["1"], "v": column})
    (chunk,) = source(path).chunks(Ranges())
    refused = Mapper(MappingPolicy(contact_key="id")).map(chunk)
    assert [each.reason for each in refused.rejected] == [reason]
    fine = Mapper(MappingPolicy(contact_key="id", fields={"Id": "id"})).map(chunk)
    assert len(fine) == 1


def test_a_value_that_cannot_be_read_costs_one_record(tmp_path: Path) -> None:
    """Text that is no UTF-8, or a time beyond Python's years: the other rows arrive."""
    text = pa.array([b"a", b"\xff", b"c", b"d"]).view(pa.string())
    when = pa.array([0, 0, 2**60, 0], pa.timestamp("ms"))
    path = write(tmp_path / "a.parquet", {"id": text, "when": when})
    result = check_source(lambda: source(path))
    assert sorted(result.records) == [1, 4]
    assert result.reasons == {2: "invalid_encoding", 3: "invalid_value"}
    assert result.rejected[2].detail == "row 2: column 'id' holds bytes that are not UTF-8"
    assert result.rejected[2].record["id"] == r"\xff"


@pytest.mark.parametrize(
    ("columns", "words"),
    [({"": [1]}, "has no name"), ({"a": [1], "b": [2]}, "both called 'a'")],
)
def test_columns_must_have_names_of_their_own(
    tmp_path: Path, columns: dict[str, Any], words: str
) -> None:
    """As in a CSV header."""
    table = pa.table(columns)
    pq.write_table(
        table.rename_columns(["a"] * 2 if "b" in columns else [""]), tmp_path / "a.parquet"
    )
    with pytest.raises(SourceError, match=words):
        source(tmp_path / "a.parquet").columns()


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_what_is_no_parquet_says_so(tmp_path: Path, damage: str) -> None:
    """A file whose footer is not there is named before anything is sent."""
    path = write(tmp_path / "a.parquet", {"n": range(1_000)})
    stored = path.read_bytes()
    path.write_bytes({"cut": stored[:-100], "text": b"id,name\n1,x\n", "empty": b""}[damage])
    with pytest.raises(SourceError, match=r"a\.parquet is no Parquet file, or damaged: "):
        source(path).fingerprint()


def test_a_file_without_rows_is_empty(tmp_path: Path) -> None:
    """Columns, and no record."""
    path = write(tmp_path / "a.parquet", {"id": pa.array([], pa.string())})
    assert source(path).columns() == ("id",)
    assert read(source(path)).positions == []


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which one, and the command that installs it."""
    path = write(tmp_path / "a.parquet", {"id": ["1"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        SourceError, match=r"needs pyarrow: pip install 'journey-pipeline\[parquet\]'$"
    ):
        source(path).columns()


def test_memory_is_flat(tmp_path: Path) -> None:
    """Rows of a row group many times larger than what may be held pass through."""
    rows = 600_000
    table = pa.table({"id": pa.array(range(rows)).cast(pa.string()), "text": ["x" * 100] * rows})
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    peaks = []
    for count in (50_000, rows):
        program = (
            "import resource, sys\n"
            "from pipeline.intake.locate import locate\n"
            "from pipeline.intake.ranges import Ranges\n"
            "from pipeline.intake.source import SourcePolicy\n"
            f"source, = locate(SourcePolicy(url={str(path)!r}))\n"
            "for chunk in source.chunks(Ranges()):\n"
            f"    if chunk.mark.position >= {count}: break\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
        peaks.append(int(done.stdout) * (1 if sys.platform == "darwin" else 1024))

    assert peaks[1] - peaks[0] < 12_000_000
