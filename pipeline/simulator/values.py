"""What a field's type asks of a value: one check for a value, one for a column of them."""

from __future__ import annotations

import re
import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .fields import Field

    ValueCheck = Callable[[Any], str]
    ColumnCheck = Callable[[Sequence[Any]], bool]

__all__ = ("column_check", "value_check")

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+\Z")
# Possessive, and with plain sets: a column of ordinary addresses in half the time.
_EMAIL_LINES: Final = re.compile(
    r"(?:[A-Za-z0-9._%+'-]++@(?:[A-Za-z0-9-]++\.)++[A-Za-z0-9-]++\n)*+\Z"
)
_INTEGER_LINES: Final = re.compile(r"(?:[+-]?[0-9]{1,9}\n)*\Z")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}\Z")
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z")
_OTHER_DATE: Final = re.compile(
    r"(?:(?P<y>\d{4})[-/](?P<m>\d\d?)[-/](?P<d>\d\d?)|(?P<mm>\d\d?)/(?P<dd>\d\d?)/(?P<yy>\d{4}))"
    r"(?:[ T](?P<h>\d\d?):(?P<min>\d\d)(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?"
    r" ?(?:Z|[+-]\d\d(?::?\d\d)?)?)?\Z"
)
_BOOLEANS: Final = frozenset(
    ["true", "false", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0"]
)
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
        text = value.strip()
        value = int(text) if _INTEGER.match(text) else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)

    good = isinstance(value, int) and not isinstance(value, bool) and -_INT32 <= value < _INT32
    return "" if good else "not_a_number"


def _decimal(value: object, digits: int) -> str:
    text = value.strip() if isinstance(value, str) else str(value)
    if isinstance(value, bool) or not _DECIMAL.match(text):
        return "not_a_decimal"

    number = Decimal(text)
    return "too_long" if number and number.adjusted() >= digits else ""


def _boolean(value: object) -> str:
    if isinstance(value, bool):
        return ""

    spelled = isinstance(value, str | int) and str(value).strip().lower() in _BOOLEANS
    return "" if spelled else "not_a_boolean"


def _date(value: object) -> str:
    if not isinstance(value, str):
        return "not_a_date"

    text = value.strip()
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return "" if _other_date(text) else "not_a_date"

    return ""


def _other_date(value: str) -> bool:
    """Whether it is a day of the calendar, written otherwise than in ISO 8601."""
    found = _OTHER_DATE.match(value)
    if found is None:
        return False

    year, month, day = found["y"] or found["yy"], found["m"] or found["mm"], found["d"]
    numbers = (int(year), int(month), int(day or found["dd"]))
    try:
        datetime(*numbers, int(found["h"] or 0), int(found["min"] or 0))  # noqa: DTZ001  # proves that the day exists
    except ValueError:
        return False

    return True


def column_check(field: Field) -> ColumnCheck:
    """A function of a column: True when every value is in order, cheaply; False proves nothing."""
    length = field.length or sys.maxsize
    match field.type.value:
        case "Boolean":
            return lambda values: set(map(type, values)) <= {bool}
        case "Date":
            return _all_dates
        case "Number":
            return _all_int32
        case "Decimal":
            check = value_check(field)
            return lambda values: not any(map(check, values))
        case "EmailAddress":
            return lambda values: _all_emails(values) and _longest(values) <= length
        case _:
            return lambda values: _all_texts(values) and _longest(values) <= length


def _longest(values: Sequence[Any]) -> int:
    return max(map(len, values), default=0)


def _all_texts(values: Sequence[Any]) -> bool:
    try:
        "".join(values)  # the quickest way to ask whether all of them are strings
    except TypeError:
        return False

    return True


def _all_lines(lines: re.Pattern[str], values: Sequence[Any]) -> bool:
    """Whether each value is a line of this kind: one match, rather than one for each value."""
    try:
        joined = "\n".join(values) + "\n"
    except TypeError:
        return False

    # A value with a line break of its own would pass as two.
    return joined.count("\n") == len(values) and lines.match(joined) is not None


def _all_emails(values: Sequence[Any]) -> bool:
    if _all_lines(_EMAIL_LINES, values):
        return True

    return _all_texts(values) and all(map(_EMAIL.match, values))


def _all_dates(values: Sequence[Any]) -> bool:
    try:
        # Every datetime is true: all() only runs the loop in C, and what is no date raises.
        return all(map(datetime.fromisoformat, values))
    except (TypeError, ValueError):
        return False


def _all_int32(values: Sequence[Any]) -> bool:
    if set(map(type, values)) == {int}:
        return bool(min(values) >= -_INT32 and max(values) < _INT32)

    return _all_lines(_INTEGER_LINES, values)
