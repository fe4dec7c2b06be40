"""JSON text of one record: parsed exactly, or what is wrong with it.

Of a name that an object holds twice, the last counts. Numbers arrive exactly as they stand
(`precision.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import orjson

from .precision import check_text, inexact_places, loads_exactly
from .reading import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ("mend_numbers", "parse_object")

_KINDS: Final = {
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    Decimal: "number",
    bool: "boolean",
    type(None): "null",
}


def parse_object(text: bytes) -> dict[str, Any] | Fault:
    """Parse what should be one JSON object, and say what it is if it is none."""
    try:
        value = orjson.loads(text)
        if any(True for _ in inexact_places(text)):
            value = loads_exactly(text)
    except ValueError as error:
        value = _second_opinion(text, error)

    if not isinstance(value, dict | Fault):
        return Fault("not_an_object", f"holds a JSON {_KINDS[type(value)]}, not an object")

    return value


def mend_numbers(
    records: list[Any], texts: Sequence[bytes], *, starts: Sequence[int], places: Iterable[int]
) -> None:
    """Read again those of `texts` in which orjson may have changed a number.

    Text i begins at byte `starts[i]` of the block that `places` were found in. Raises ValueError
    as `loads_exactly` does.
    """
    for number in {bisect_right(starts, place) - 1 for place in places}:
        records[number] = loads_exactly(texts[number])


def _second_opinion(text: bytes, error: ValueError) -> Any:
    """Parse what orjson refuses, or say why: a number beyond a double is JSON all the same."""
    try:
        value = loads_exactly(text)
        check_text(value)
    except UnicodeDecodeError:
        return Fault("invalid_encoding", "holds bytes that are not text in its encoding")
    except ValueError:
        return Fault("malformed_json", _sentence(error))

    return value


def _sentence(error: ValueError) -> str:
    if isinstance(error, orjson.JSONDecodeError):
        return f"is no JSON: {error.msg}, at column {error.colno}"

    return f"is no JSON: {error}"
