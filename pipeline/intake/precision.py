"""Precision: numbers of JSON as they stand, digit for digit.

orjson reads an integer beyond 64 bits, and a decimal longer than a double holds, as the nearest
double, and says nothing. Here the places where that happened are found, at little cost for a block
that has none, so that only their lines are read again.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("check_text", "inexact_places", "loads_exactly")

_LONG: Final = 16  # digits and points: any double holds 15 digits
_NUMERIC: Final = b"0" * _LONG
_TINY: Final = b"0e-000"  # an exponent that a double may not reach
_FLATTEN: Final = bytes.maketrans(b"123456789.E", b"0000000000e")
_NUMBER: Final = re.compile(rb"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def inexact_places(block: bytes) -> Iterator[int]:
    """Yield a byte of `block` in each line where orjson may have changed a number.

    Digits inside a string may be taken for a number; a changed number is never missed.
    """
    # Flattened once, both are plain substrings: a seventh of what a regular expression takes.
    flat = block.translate(_FLATTEN)
    place = flat.find(_NUMERIC)
    while place >= 0:
        number = _NUMBER.match(block, place)  # None where a run begins with a point: text
        if number and block[place - 1 : place] != b'"' and not _is_exact(number[0]):
            yield place

        place = flat.find(_NUMERIC, number.end() if number else place + 1)

    place = flat.find(_TINY)
    while place >= 0:
        yield place
        place = flat.find(_TINY, place + 1)


def loads_exactly(line: bytes) -> Any:
    """Parse one JSON text: integers of any size, and Decimal where a double would not do.

    Raises ValueError where it is no JSON, or holds a number past what Python's own integers and
    decimals may be read from. Lone surrogates pass: see `check_text`.
    """
    try:
        return _DECODER.decode(line.decode())
    except DecimalException as error:
        raise ValueError("a number's exponent is out of all bounds") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def check_text(value: Any) -> None:
    """Raises ValueError where a text in `value` holds a lone surrogate, as orjson does."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _is_exact(number: bytes) -> bool:
    """Whether orjson keeps an unsigned number, as a 64-bit integer or as a double."""
    if number.isdigit():
        return len(number) < 19 or int(number[:20]) < 1 << 63

    try:
        return isinstance(_decimal(number.decode()), float)
    except DecimalException:
        return False


def _decimal(text: str) -> float | Decimal:
    nearest = float(text)
    shortest = repr(nearest)
    if shortest == text:
        return nearest

    exact = Decimal(text)
    return nearest if Decimal(shortest) == exact else exact


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER: Final = json.JSONDecoder(parse_float=_decimal, parse_constant=_refuse)
