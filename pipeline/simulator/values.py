"""What a field's type asks of a value: one check for a value, one for a column of them."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import Field

    ValueCheck = Callable[[Any], str]
    ColumnCheck = Callable[[list[Any]], bool]

__all__ = ("column_check", "value_check")

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+\Z")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}\Z")
_DECIMAL: Final = re.compile(r"[+-]?([0-9]*)(?:\.([0-9]+))?\Z")
_ISO_DATE: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:?\d\d)?)?\Z"
)
_OTHER_DATE: Final = re.compile(
    r"(?:(?P<y>\d{4})/(?P<m>\d\d?)/(?P<d>\d\d?)|(?P<mm>\d\d?)/(?P<dd>\d\d?)/(?P<yy>\d{4}))"
    r"(?:[ T](?P<h>\d\d?):(?P<min>\d\d)(?::\d\d)?(?: ?[AaPp][Mm])?)?\Z"
)
_BOOLEANS: Final = frozenset({"true", "false", "yes", "no", "t", "f", "y", "n", "1", "0"})
_INT32: Final = 2**31


def value_check(field: Field) -> ValueCheck:
    """A function of a value that is not null: the cause for which it is dropped, or ""."""
    length = field.length
    match field.type.value:
        case "Number":
            return _number
        case "Decimal":
            digits = (length or 18) - field.scale
            return lambda value: _decimal(value, digits)
        case "Boolean":
            return _boolean
        case "Date":
            return _date
        case "EmailAddress":
            return lambda value: _email(value, length or 254)
        case _:
            return lambda value: _text(value, length)


def _text(value: object, length: int | None) -> str:
    if isinstance(value, dict | list):
        return "not_text"

    text = value if isinstance(value, str) else str(value)
    return "too_long" if length is not None and len(text) > length else ""


def _email(value: object, length: int) -> str:
    if not isinstance(value, str) or not _EMAIL.match(value):
        return "not_an_email"

    return "too_long" if len(value) > length else ""


def _number(value: object) -> str:
    if isinstance(value, str):
        value = int(value) if _INTEGER.match(value) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)

    good = isinstance(value, int) and not isinstance(value, bool) and -_INT32 <= value < _INT32
    return "" if good else "not_a_number"


def _decimal(value: object, digits: int) -> str:
    if isinstance(value, str):
        found = _DECIMAL.match(value)
        whole = found[1].lstrip("0") if found and (found[1] or found[2]) else None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        whole = "" if abs(value) < 1 else f"{abs(value):.0f}"
    else:
        whole = None

    if whole is None:
        return "not_a_decimal"

    return "too_long" if len(whole) > digits else ""


def _boolean(value: object) -> str:
    if isinstance(value, bool):
        return ""

    spelled = isinstance(value, str | int) and str(value).lower() in _BOOLEANS
    return "" if spelled else "not_a_boolean"


def _date(value: object) -> str:
    if not isinstance(value, str):
        return "not_a_date"

    try:
        if _ISO_DATE.match(value):
            datetime.fromisoformat(value)
            return ""

        if found := _OTHER_DATE.match(value):
            year, month, day = found["y"] or found["yy"], found["m"] or found["mm"], found["d"]
            numbers = (int(year), int(month), int(day or found["dd"]))
            datetime(*numbers, int(found["h"] or 0), int(found["min"] or 0))  # noqa: DTZ001  # proves that the day exists
            return ""
    except ValueError:
        pass

    return "not_a_date"


def column_check(field: Field) -> ColumnCheck:
    """A function of a column: True when every value is in order, cheaply; False proves nothing."""
    length = field.length or sys.maxsize
    match field.type.value:
        case "Boolean":
            return lambda values: set(map(type, values)) <= {bool}
        case "Date":
            return _all_iso_dates
        case "Number":
            return _all_int32
        case "Decimal":
            check = value_check(field)
            return lambda values: not any(map(check, values))
        case "EmailAddress":
            return lambda values: _all_texts(values, length) and all(map(_EMAIL.match, values))
        case _:
            return lambda values: _all_texts(values, length)


def _all_texts(values: list[Any], length: int) -> bool:
    return set(map(type, values)) <= {str} and max(map(len, values), default=0) <= length


def _all_iso_dates(values: list[Any]) -> bool:
    if not _all_texts(values, 40) or not all(map(_ISO_DATE.match, values)):
        return False

    try:
        # A list only to run the loop in C: an impossible day raises.
        list(map(datetime.fromisoformat, values))
    except ValueError:
        return False

    return True


def _all_int32(values: list[Any]) -> bool:
    kinds = set(map(type, values))
    if kinds == {str}:
        if not all(map(_INTEGER.match, values)):
            return False

        values = list(map(int, values))
    elif kinds != {int}:
        return not values

    return bool(min(values) >= -_INT32 and max(values) < _INT32)
