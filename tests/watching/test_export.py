from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.intake.blocks import Sizes
from pipeline.intake.csv import CsvSource
from pipeline.intake.formulas import harmless
from pipeline.intake.ranges import Ranges
from pipeline.intake.source import SourcePolicy
from pipeline.watching.export import write_csv, write_ndjson
from tests.fakes.origins import MemoryOrigin

COLUMNS = ("contact_key", "source", "reason")


def as_csv(rows: list[dict[str, Any]], *, raw: bool = False) -> list[list[str]]:
    out = io.StringIO(newline="")
    assert write_csv(lambda: rows, out, columns=COLUMNS, raw=raw) == len(rows)
    return list(csv.reader(io.StringIO(out.getvalue(), newline="")))


def test_the_records_own_columns_follow_the_fixed_ones() -> None:
    """Records of different shapes share one header, in the order the columns were first seen."""
    table = as_csv(
        [
            {"contact_key": "1", "source": "a", "reason": "x", "record": {"id": "1", "mail": "m"}},
            {"contact_key": None, "source": "a", "reason": "y", "record": "1,2,3"},
            {
                "contact_key": "3",
                "source": "a",
                "reason": "z",
                "record": {"id": 3, "source": "web"},
            },
        ]
    )
    assert table == [
        ["contact_key", "source", "reason", "id", "mail", "record", "record.source"],
        ["1", "a", "x", "1", "m", "", ""],
        ["", "a", "y", "", "", "1,2,3", ""],
        ["3", "a", "z", "3", "", "", "web"],
    ]


def test_a_contact_as_sent_becomes_key_and_fields() -> None:
    """What Marketing Cloud refused is listed by the names it was sent under."""
    sent = {"ContactKey": "7", "Data": {"Email": "a@b.c", "Tags": ["x"]}}
    table = as_csv([{"contact_key": "7", "source": "a", "reason": "r", "record": sent}])
    assert table[0][3:] == ["ContactKey", "Email", "Tags"]
    assert table[1][3:] == ["7", "a@b.c", '["x"]']


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-1+2", "'-1+2"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("-12.5", "-12.5"),
        ("-infinity", "'-infinity"),
        ("+49 (0)30 123", "'+49 (0)30 123"),
        ("+4930123", "+4930123"),
        ("'+4930123", "''+4930123"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_formulas_are_made_harmless(text: str, shown: str) -> None:
    """A cell a spreadsheet would compute gets an apostrophe; a negative number does not."""
    assert harmless(text) == shown


@given(
    st.lists(
        st.tuples(*[st.text(st.sampled_from("=+-@'\t 1a,;\"é\uff1d"), max_size=5)] * 2), min_size=1
    )
)
@example([("'=1", "''+2"), ("=1", "-1"), ("+49 30", "'")])
def test_a_table_is_injected_again_as_it_was(cells: list[tuple[str, str]]) -> None:
    """Who mends what was rejected, and runs that, sends no apostrophe that we put there."""
    out = io.StringIO(newline="")
    columns = ("contact_key", "source", "position", "stage", "reason", "detail")
    rows = [
        {"contact_key": "+49 1", "source": "a", "record": {"=phone": first, "note": second}}
        for first, second in cells
    ]
    write_csv(lambda: rows, out, columns=columns)
    source = CsvSource(
        name="again.csv",
        origin=MemoryOrigin(out.getvalue().encode()),
        policy=SourcePolicy(url="again.csv", delimiter=","),
        sizes=Sizes(),
    )
    assert source.columns() == (*columns, "=phone", "note")
    found = [row for chunk in source.chunks(Ranges()) for row in chunk.records]
    assert [(row[0], row[6], row[7]) for row in found] == [("+49 1", *each) for each in cells]


def test_headers_are_made_harmless_too() -> None:
    """A column's name comes from the file as well, and raw leaves everything alone."""
    rows = [{"contact_key": "1", "source": "a", "reason": "x", "record": {"=1": "=2"}}]
    assert as_csv(rows)[0][3] == "'=1"
    assert [line[3] for line in as_csv(rows, raw=True)] == ["=1", "=2"]


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "source"]), st.text(), max_size=3)))
def test_raw_csv_gives_back_every_cell(records: list[dict[str, str]]) -> None:
    """Raw is exact: what csv reads back is what the records held (its own NUL rule aside)."""
    records = [
        {k: v.replace("\r", " ").replace("\0", "") for k, v in each.items()} for each in records
    ]
    table = as_csv(
        [{"contact_key": "k", "source": "s", "reason": "r", "record": each} for each in records],
        raw=True,
    )
    for line, record in zip(table[1:], records, strict=True):
        cells = dict(zip(table[0], line, strict=True))
        for name, value in record.items():
            assert cells[f"record.{name}" if name == "source" else name] == value


def test_ndjson_is_the_rows_themselves() -> None:
    """One JSON line a row, in order."""
    out = io.BytesIO()
    assert write_ndjson([{"a": 1}, {"b": "é"}], out) == 2
    assert [orjson.loads(line) for line in out.getvalue().splitlines()] == [{"a": 1}, {"b": "é"}]
