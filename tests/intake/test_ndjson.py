from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.blocks import Sizes
from pipeline.intake.ndjson import NdjsonSource
from pipeline.intake.source import SourcePolicy
from tests.contracts.file_sources import check_source, read
from tests.fakes.origins import MemoryOrigin

BLOCKS = st.integers(1, 60)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


def source(data: bytes | str, block: int = 64, **settings: Any) -> NdjsonSource:
    line_bytes = settings.pop("line_bytes", 20_000)
    sizes = Sizes(chunk_records=3, block_bytes=block, quote_bytes=block, line_bytes=line_bytes)
    return NdjsonSource(
        name="memory.ndjson",
        origin=MemoryOrigin(data if isinstance(data, bytes) else data.encode()),
        policy=SourcePolicy(url="memory.ndjson", **settings),
        sizes=sizes,
    )


def exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


@given(st.lists(st.dictionaries(TEXT, VALUE, max_size=4), max_size=8), st.booleans(), BLOCKS)
def test_objects_are_read_as_json_reads_them(
    records: list[dict[str, Any]], ascii_only: object, block: int
) -> None:
    """Whatever json writes is read back, numbers digit for digit, whatever the size of blocks."""
    text = "".join(json.dumps(record, ensure_ascii=bool(ascii_only)) + "\n" for record in records)
    result = read(source(text, block))
    assert result.reasons == {}
    assert [result.records[place] for place in sorted(result.records)] == records


@given(
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
)
def test_numbers_arrive_digit_for_digit(number: str) -> None:
    """A number keeps its exact value, however long it is and wherever it stands."""
    text = f'{{"a":{number},"b":[1,{number}], "c": {{"d":\t{number}}}, "e":"{number}"}}\n'
    result = read(source(text * 3))
    for record in result.records.values():
        for value in (record["a"], record["b"][1], record["c"]["d"]):
            assert Decimal(repr(value) if isinstance(value, float) else value) == Decimal(number)

        assert record["e"] == number

    assert len(result.records) == 3


def test_only_what_a_double_cannot_hold_becomes_decimal() -> None:
    """Integers stay int, decimals that round-trip stay float, the others are Decimal."""
    text = '{"id":12345678901234567890123,"lat":52.520006599999995,"long":0.12345678901234567890}\n'
    record = read(source(text)).records[1]
    assert record == {
        "id": 12345678901234567890123,
        "lat": 52.520006599999995,
        "long": Decimal("0.12345678901234567890"),
    }
    assert [type(value) for value in record.values()] == [int, float, Decimal]


@given(
    st.lists(
        st.sampled_from(
            [
                b'{"a":1}',
                b"\n",
                b"{",
                b"\xff",
                b'"\\ud800"',
                b"\r",
                b" ",
                b"[1]",
                b"12345678901234567890",
                b'{"a":1e999}\n',
                b'{"b":"\xe9"}\n',
                b'{"a":1e-999999999999999999999}\n',
                b"NaN",
            ]
        ),
        max_size=20,
    ),
    BLOCKS,
)
def test_whatever_the_bytes_every_record_has_one_position(pieces: list[bytes], block: int) -> None:
    """Arbitrary bytes never raise, and resuming at any mark gives the same records."""
    data = b"".join(pieces)
    check_source(lambda: source(data, block, line_bytes=60))


@given(st.binary(max_size=200), BLOCKS, BLOCKS)
def test_what_is_read_does_not_depend_on_the_blocks(data: bytes, one: int, other: int) -> None:
    """The size of blocks shows in the chunks, never in records or rejections."""
    data = b"\n" + data  # so that it is not taken for a compressed file
    first, second = read(source(data, one)), read(source(data, other))
    assert (first.records, first.reasons) == (second.records, second.reasons)


@pytest.mark.parametrize("block", [1, 16, 4096])
def test_one_bad_line_costs_one_record(block: int) -> None:
    """Each kind of damage rejects its line with its reason and text; the others are read."""
    lines = [
        b'{"a":1}',
        b'{"a":}',
        b'{"a":"\xff"}',
        b"[1]",
        b"null",
        b'{"a":"\\ud800"}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b"   \t\r",
        b'{"a":1,"a":2}\r',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"last":true}',
    ]
    result = check_source(lambda: source(b"\xef\xbb\xbf" + b"\n".join(lines), block))
    assert result.records == {1: {"a": 1}, 9: {"a": 2}, 11: {"last": True}}
    assert result.reasons == {
        2: "malformed_json",
        3: "invalid_encoding",
        4: "not_an_object",
        5: "not_an_object",
        6: "malformed_json",
        7: "malformed_json",
        8: "malformed_json",
        10: "malformed_json",
    }
    assert result.rejected[2].record == '{"a":}'
    assert result.rejected[2].detail.startswith("line 2 is no JSON: ")
    assert result.rejected[2].detail.endswith(", at column 6")
    assert result.rejected[3].record == '{"a":"\\xff"}'
    assert result.rejected[4].detail == "line 4 holds a JSON array, not an object"


@pytest.mark.parametrize("block", [5, 50])
def test_a_line_too_long_is_rejected_and_passed_over(block: int) -> None:
    """A line without end is never held in memory, and costs one record."""
    text = '{"a":1}\n{"a":"' + "x" * 3000 + '"}\n{"a":3}\n' + "y" * 101
    result = check_source(lambda: source(text, block, line_bytes=100))
    assert result.records == {1: {"a": 1}, 3: {"a": 3}}
    assert result.reasons == {2: "line_too_long", 4: "line_too_long"}
    assert len(result.rejected[2].record) <= 1024


def test_a_number_beyond_a_double_does_not_excuse_a_lone_surrogate() -> None:
    """What is read a second time for its numbers is held to the same strictness."""
    result = read(source('{"a":1e999}\n{"a":1e999,"b":"\\ud800"}\n'))
    assert result.records == {1: {"a": Decimal("1e999")}}
    assert result.reasons == {2: "malformed_json"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_other_encodings_are_read_and_resumed(encoding: str) -> None:
    """JSON lines are UTF-8 by rule, and whatever the mark or the config says by exception."""
    text = "".join(f'{{"name":"é{number}"}}\n' for number in range(9))
    declared = encoding if encoding == "latin-1" else None
    result = check_source(lambda: source(text.encode(encoding), 20, encoding=declared))
    assert [record["name"] for record in result.records.values()] == [
        f"é{number}" for number in range(9)
    ]


def test_records_name_their_own_fields() -> None:
    """There is no header, and so no columns."""
    assert source('{"a":1}').columns() is None  # type: ignore[func-returns-value]
