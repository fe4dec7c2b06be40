"""Conversions: the types a rule may give a value, and what each takes for one.

Every converter takes one value that is not empty and gives back what is sent, or raises Refused
with a sentence that begins with the value.
"""

from __future__ import annotations

import math
import re
from datetime import date, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .dates import date_reader
from .refused import Refused, cut, if_trimmed
from .strict import strict_email, strict_phone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .rules import FieldRule

__all__ = ("EMAIL", "FALSE_WORDS", "TRUE_WORDS", "as_text", "converter_of")

TRUE_WORDS = ("true", "t", "yes", "y", "on", "1")
FALSE_WORDS = ("false", "f", "no", "n", "off", "0")

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0*)?")
# Two digits of exponent: more would only serve to fill the memory with zeros.
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
FRACTION = 'not a whole number; type = "decimal" takes fractions'
_ATOM = r"[^\s@<>()\[\],;:\\\".]+"
EMAIL = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:[\w-]+\.)+(?:[^\W\d_]{{2,}}|xn--[a-zA-Z0-9-]+)")
_PHONE = re.compile(r"\+?[0-9 ()./\-\u00a0]{3,40}(?:(?:x|ext\.?) ?[0-9]{1,6})?", re.IGNORECASE)


def as_text(value: Any) -> str:
    """Write a value out as text: 12, 1.5, true, 2024-05-21; a nested value is no text."""
    if isinstance(value, str):
        return value

    if isinstance(value, bool):
        return "true" if value else "false"

    if isinstance(value, int | float | Decimal):
        return str(value)

    if isinstance(value, date | time):
        return value.isoformat()

    raise Refused("not_text", f"value {cut(value)} is not text")


def _normaliser(decimal: str, thousands: str | None) -> Callable[[str], str]:
    """Take out thousands separators and put a dot for the decimal mark.

    Groups must be groups: with `thousands = "."`, "1.5" is no number rather than 15.
    """
    if thousands is None and decimal == ".":
        return str.strip

    marks = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}
    group = marks.get(thousands or "", re.escape(thousands or ""))
    grouped = re.compile(rf"[+-]?[0-9]{{1,3}}(?:{group}[0-9]{{2,3}})*{group}[0-9]{{3}}")
    separator = re.compile(group)

    def normalise(text: str) -> str:
        whole, mark, rest = text.strip().partition(decimal)
        if decimal != "." and "." in rest:
            return ""  # a dot behind the decimal mark

        if thousands is not None and grouped.fullmatch(whole):
            whole = separator.sub("", whole)
        elif decimal != "." and "." in whole:
            return ""

        return f"{whole}.{rest}" if mark else whole

    return normalise


def _number(rule: FieldRule) -> Callable[[Any], int]:
    normalise = _normaliser(rule.decimal, rule.thousands)

    def convert(value: Any) -> int:
        if isinstance(value, str):
            text = normalise(value)
            if _INTEGER.fullmatch(text):
                try:
                    return int(text.partition(".")[0])
                except ValueError:  # more digits than Python converts
                    pass
            elif _DECIMAL.fullmatch(text):
                raise Refused("not_a_number", f"value {cut(value)} is {FRACTION}")
        elif isinstance(value, int) and not isinstance(value, bool):
            return value
        elif isinstance(value, float | Decimal) and math.isfinite(value) and value % 1 == 0:
            return int(value)
        elif isinstance(value, float | Decimal) and math.isfinite(value):
            raise Refused("not_a_number", f"value {cut(value)} is {FRACTION}")

        raise Refused("not_a_number", f"value {cut(value)} is not a number")

    return convert


def _decimal(rule: FieldRule) -> Callable[[Any], Decimal]:
    normalise = _normaliser(rule.decimal, rule.thousands)

    def convert(value: Any) -> Decimal:
        if isinstance(value, bool):
            pass
        elif isinstance(value, str):
            text = normalise(value)
            if _DECIMAL.fullmatch(text):
                return Decimal(text)
        elif isinstance(value, int | float | Decimal):
            number = Decimal(str(value))
            if number.is_finite():
                return number

        raise Refused("not_a_decimal", f"value {cut(value)} is not a decimal")

    return convert


def _words(words: str | Iterable[str]) -> list[str]:
    return [words.casefold()] if isinstance(words, str) else [word.casefold() for word in words]


def _boolean(rule: FieldRule) -> Callable[[Any], bool]:
    meaning = dict.fromkeys(_words(rule.false or FALSE_WORDS), False)
    meaning.update(dict.fromkeys(_words(rule.true or TRUE_WORDS), True))

    def convert(value: Any) -> bool:
        if isinstance(value, bool):
            return value

        if isinstance(value, str | int):
            found = meaning.get(str(value).strip().casefold())
            if found is not None:
                return found

        raise Refused("not_a_boolean", f"value {cut(value)} is not a boolean")

    return convert


def _text(_: FieldRule) -> Callable[[Any], str]:
    return as_text


def _date(rule: FieldRule) -> Callable[[Any], str]:
    return date_reader(rule.format, timezone=rule.timezone, to_timezone=rule.to_timezone)


def _email(rule: FieldRule) -> Callable[[Any], str]:
    if rule.strict:
        return strict_email()

    def convert(value: Any) -> str:
        if isinstance(value, str) and len(value) <= 254 and EMAIL.fullmatch(value):
            return value

        mend = if_trimmed(value, EMAIL.fullmatch)
        raise Refused("not_an_email", f"value {cut(value)} is not an e-mail address{mend}")

    return convert


def _phone(rule: FieldRule) -> Callable[[Any], str]:
    if rule.strict:
        return strict_phone(rule.region)

    def convert(value: Any) -> str:
        text = str(value) if type(value) is int else value
        if isinstance(text, str) and len(text) <= 50 and _PHONE.fullmatch(text.strip()):
            return text

        raise Refused("not_a_phone", f"value {cut(value)} is not a phone number")

    return convert


_CONVERTERS: dict[str, Callable[[FieldRule], Callable[[Any], Any]]] = {
    "text": _text,
    "number": _number,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "email": _email,
    "phone": _phone,
}


def converter_of(rule: FieldRule) -> Callable[[Any], Any] | None:
    """Compile a rule's type; MappingError where it asks for a library that is not installed."""
    return None if rule.type is None else _CONVERTERS[rule.type](rule)
