"""Exact: JSON that says what the value says, or a refusal.

orjson is fast and mostly exact, with four gaps: integers beyond 64 bits and Decimals it refuses,
NaN and the infinities it writes as null without a word, and a lone surrogate costs it the whole
payload. `number_hook` and `holds_no_number` guard the fast path, `encode` is the careful one.
"""

from __future__ import annotations

import math
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from .refused import Refused, cut

if TYPE_CHECKING:
    from .contacts import ContactShape

__all__ = ("encode", "encode_record", "holds_no_number", "number_hook")

_WIDEST = 2**63


def _digits(number: Decimal) -> orjson.Fragment:
    if not number.is_finite():
        raise Refused("not_a_number", f"value {number} is no number JSON can carry")

    # Without an exponent as long as that stays short: not every reader knows them.
    plain = -40 < number.adjusted() < 40 and len(number.as_tuple().digits) < 80
    return orjson.Fragment(format(number, "f") if plain else str(number))


def number_hook(value: Any) -> Any:
    """Give orjson's `default` a Decimal's own digits; anything else stays refused."""
    if isinstance(value, Decimal):
        return _digits(value)

    raise TypeError(f"{type(value).__name__} cannot be sent")


def holds_no_number(value: Any) -> bool:
    """Whether a float inside the value is NaN or infinite."""
    if isinstance(value, float):
        return not math.isfinite(value)

    if isinstance(value, dict):
        return any(map(holds_no_number, value.values()))

    return isinstance(value, list | tuple) and any(map(holds_no_number, value))


def _exact(value: Any, depth: int) -> Any:  # noqa: PLR0911  # one return a type
    if value is None or isinstance(value, bool | date | time | UUID):
        return value

    if isinstance(value, str):
        return _text(value)

    if isinstance(value, int):
        return value if -_WIDEST <= value < _WIDEST else orjson.Fragment(_long(value))

    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _digits(Decimal(value))

    if isinstance(value, Decimal):
        return _digits(value)

    if depth > 200:
        raise Refused("nested_too_deeply", "the value is nested more than 200 levels deep")

    if isinstance(value, dict):
        return {_name(key): _exact(inner, depth + 1) for key, inner in value.items()}

    if isinstance(value, list | tuple):
        return [_exact(inner, depth + 1) for inner in value]

    raise Refused("unsupported_value", f"a value of type {type(value).__name__} cannot be sent")


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        detail = f"text {cut(text)} holds a lone surrogate at character {error.start + 1}"
        raise Refused("invalid_text", detail) from None

    return str(text)


def _long(number: int) -> str:
    try:
        return str(number)
    except ValueError:
        detail = f"a number of about {number.bit_length() // 3} digits is too long"
        raise Refused("not_a_number", detail) from None


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise Refused("unsupported_value", f"{cut(key)} is not the name of a field")

    return _text(key)


def encode(key: str, data: dict[str, Any], *, shape: ContactShape) -> bytes:
    """Write one contact as JSON, digit for digit; Refused names the field that cannot be sent."""
    exact: dict[str, Any] = {}
    try:
        contact_key = _text(key)
    except Refused as refused:
        raise Refused(refused.reason, f"contact key: {refused.detail}") from None

    for name, value in data.items():
        try:
            exact[_name(name)] = _exact(value, 1)
        except Refused as refused:
            detail = f"field {cut(name)}: {refused.detail}"
            raise Refused(refused.reason, detail, contact_key=key) from None

    try:
        return orjson.dumps(shape.filled(contact_key, exact))
    except TypeError as error:  # what is left: a time of day with a zone
        raise Refused("unsupported_value", str(error), contact_key=key) from None


def encode_record(record: dict[str, Any]) -> bytes:
    """Write a record as JSON, digit for digit; Refused says what cannot be written."""
    try:
        body = orjson.dumps(record, number_hook)
        if not (b"null" in body and holds_no_number(record)):
            return body
    except TypeError:
        pass

    try:
        return orjson.dumps(_exact(record, 0))
    except TypeError as error:
        raise Refused("unsupported_value", str(error)) from None
