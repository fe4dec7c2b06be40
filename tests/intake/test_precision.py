from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.intake.precision import check_text, inexact_places, loads_exactly

NUMBER = st.from_regex(
    r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@given(NUMBER, st.integers(0, 8))
@example("1e-400", 0)
@example("-1.5E-320", 1)
@example("18446744073709551616", 2)
@example("-9223372036854775809", 3)
def test_a_number_that_orjson_changes_is_never_missed(number: str, shift: int) -> None:
    """Wherever a number stands in the block, it is found if orjson does not keep its value."""
    block = b" " * shift + f'{{"a":{number}}}'.encode()
    try:
        value = orjson.loads(block)["a"]
    except orjson.JSONDecodeError:
        return

    kept = Decimal(repr(value)) == Decimal(number)
    assert kept or any(0 <= place < len(block) for place in inexact_places(block))


@pytest.mark.parametrize(
    "harmless",
    [
        b'{"id":"12345678901234567890"}',
        b'{"id":123456789012345678}',
        b'{"lat":52.520006599999995,"lon":13.404953999999975}',
        b'{"at":"2026-01-15T10:11:12.123456Z","mail":"e-mail@x.y"}',
        b'{"dots":"....................1"}',
    ],
)
def test_common_long_digits_cost_no_second_parsing(harmless: bytes) -> None:
    """Ids in strings, 18-digit integers and coordinates that round-trip are left alone."""
    assert list(inexact_places(harmless)) == []


def test_loads_exactly_is_strict() -> None:
    """What is no JSON, or no text, is a ValueError, whatever Python's json would allow."""
    for text in (b"NaN", b"-Infinity", b"[" * 100_000, b"\xff", b"1e-9" + b"9" * 30):
        with pytest.raises(ValueError):  # noqa: PT011  # the parser's own sentences differ
            loads_exactly(text)

    with pytest.raises(UnicodeEncodeError):
        check_text(loads_exactly(b'"\\ud800"'))
