from __future__ import annotations

import gzip
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.intake.blocks import Sizes
from pipeline.intake.json import JsonSource
from pipeline.intake.source import SourcePolicy
from tests.contracts.file_sources import check_source, read
from tests.fakes.origins import MemoryOrigin

if TYPE_CHECKING:
    from tests.contracts.file_sources import Read

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["},{", "]", '"', "\\", '\\"},', "},\n{"]
)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ELEMENTS = st.lists(st.dictionaries(TEXT, VALUE, max_size=3), max_size=8)
LAYOUTS = st.sampled_from(
    [{}, {"indent": 1}, {"separators": (",", ":")}, {"separators": (" , ", " : ")}]
)
BLOCKS = st.integers(1, 60)


def source(data: bytes | str, block: int = 64, **settings: Any) -> JsonSource:
    line_bytes = settings.pop("line_bytes", 20_000)
    sizes = Sizes(chunk_records=3, block_bytes=block, quote_bytes=block, line_bytes=line_bytes)
    return JsonSource(
        name="memory.json",
        origin=MemoryOrigin(data if isinstance(data, bytes) else data.encode()),
        policy=SourcePolicy(url="memory.json", **settings),
        sizes=sizes,
    )


def values(result: Read) -> list[Any]:
    return [result.records[place] for place in sorted(result.records)]


@given(ELEMENTS, LAYOUTS, BLOCKS)
def test_an_array_is_read_as_json_reads_it(
    elements: list[dict[str, Any]], layout: dict[str, Any], block: int
) -> None:
    """However it is laid out, and whatever the size of blocks: every object, in order."""
    result = read(source(json.dumps(elements, **layout), block))
    assert result.reasons == {}
    assert values(result) == elements


@given(ELEMENTS.filter(bool), BLOCKS, st.data())
def test_an_element_that_is_no_object_costs_one_record(
    elements: list[dict[str, Any]], block: int, data: st.DataObject
) -> None:
    """The others arrive, from whatever mark one reads, under the same positions."""
    texts = [json.dumps(element) for element in elements]
    place = data.draw(st.integers(0, len(texts)))
    texts.insert(
        place, data.draw(st.sampled_from(['{"a": nope}', "17", '["x", {}]', '{"a" 1}', ""]))
    )
    if texts[-1] == "":  # a comma too many at the end is none
        texts.append("{}")
        elements = [*elements, {}]

    result = check_source(lambda: source("[" + ",\n".join(texts) + "]", block))
    assert values(result) == elements
    assert list(result.reasons) == [place + 1]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        ('{"a": "x, "b": 2}', "malformed_json"),
        ('{"a": [1, 2}', "malformed_json"),
        ('{"a": 1}}', "malformed_json"),
        ('{"a": "\\ud800"}', "malformed_json"),
        ('{"a": NaN}', "malformed_json"),
        (b'{"a": "\xff"}', "invalid_encoding"),
        ("null", "not_an_object"),
    ],
)
def test_trouble_ends_with_its_element(element: str | bytes, reason: str) -> None:
    """A quote or bracket too many or too few swallows nothing that stands on lines of its own."""
    raw = element if isinstance(element, bytes) else element.encode()
    result = check_source(lambda: source(b'[{"n":1},\n' + raw + b',\n{"n":3},\n{"n":4}]'))
    assert result.records == {1: {"n": 1}, 3: {"n": 3}, 4: {"n": 4}}
    assert result.reasons == {2: reason}


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        (
            '[{"n":1},{"n":{"m":2},{"n":3}',
            "unclosed_element",
            r"record 2 .* may be in it",
        ),
        ('[{"n":1},{"n":2', "unclosed_element", "record 2 does not end: .* the file is cut off"),
        ('[{"n":1}', "unclosed_array", "the array is not closed"),
        ('[{"n":1},', "unclosed_array", "the array is not closed"),
        ('[{"n":1}] [{"n":2}]', "malformed_json", "stands behind the end of the array"),
        ('[{"n":1}, {"n": [' + "2," * 900 + "2]}]", "unclosed_element", "within 500 bytes"),
    ],
)
@pytest.mark.parametrize("block", [5, 64, 400])
def test_where_nothing_tells_elements_apart_the_rest_is_one_record(
    text: str, reason: str, words: str, block: int
) -> None:
    """What is before arrives; the rest is rejected once, with its position and a sentence."""
    result = check_source(lambda: source(text, block, line_bytes=500))
    assert result.records == {1: {"n": 1}}
    assert result.reasons == {2: reason}
    assert re.search(words, result.rejected[2].detail)


def test_numbers_arrive_digit_for_digit() -> None:
    """As in NDJSON, also where orjson would round."""
    long = 12345678901234567890123
    text = json.dumps([{"n": number} for number in (1, long, 2, long + 1)])
    assert values(read(source(text, 10_000))) == [{"n": 1}, {"n": long}, {"n": 2}, {"n": long + 1}]


@pytest.mark.parametrize("text", ["", " \n", "[]", " [ ]\n"])
def test_nothing_is_no_record(text: str) -> None:
    """An empty file and an empty array are empty."""
    assert read(source(text)).positions == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_any_encoding_and_compression(encoding: str) -> None:
    """An array is text as any other."""
    text = json.dumps([{"n": "é"}] * 200, ensure_ascii=False)
    stored = text.encode(encoding)
    settings: dict[str, Any] = {"encoding": encoding} if encoding == "cp1252" else {}
    for data in (stored, gzip.compress(stored)):
        result = check_source(partial(source, data, **settings))
        assert values(result) == [{"n": "é"}] * 200


def test_objects_a_line_are_read_under_this_name_too() -> None:
    """Many programs call NDJSON .json."""
    made = source('{"n":1}\nnope\n{"n":3}\n')
    result = check_source(lambda: source('{"n":1}\nnope\n{"n":3}\n'))
    assert result.records == {1: {"n": 1}, 3: {"n": 3}}
    assert made.fingerprint().reading == "ndjson, utf-8"


@pytest.mark.parametrize("text", ['{\n "contacts": [{"n":1}]\n}', "id,name\n1,x\n"])
def test_what_is_neither_is_an_error_with_the_way_out(text: str) -> None:
    """One object around the contacts is not one contact."""
    for attempt in (source(text).columns, source(text).fingerprint):
        with pytest.raises(SourceError, match=r"neither an array of JSON objects nor.*jq -c"):
            attempt()
