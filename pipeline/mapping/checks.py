"""Checks: whether a field of the data extension can hold a value.

What Marketing Cloud takes for a date or a boolean is not published; these take every form that
is known to have worked, so that a refusal here is certain to be one there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from .conversions import EMAIL, FALSE_WORDS, TRUE_WORDS, as_text
from .refused import Refused, cut, if_trimmed, nearest
from .target import RESERVED, Field, FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .target import Target

__all__ = (
    "BOOLEAN_WORDS",
    "PLAIN_DOMAIN",
    "PLAIN_EMAIL",
    "Checks",
    "FieldCheck",
    "field_check",
    "is_date",
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
# The everyday address, three times as fast as EMAIL, which takes all that this takes.
PLAIN_DOMAIN = r"(?:[A-Za-z0-9-]++\.)++[A-Za-z]{2,}"
PLAIN_EMAIL = r"[A-Za-z0-9_+-]++(?:\.[A-Za-z0-9_+-]++)*+@" + PLAIN_DOMAIN
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
BOOLEAN_WORDS = frozenset(
    spelt for word in TRUE_WORDS + FALSE_WORDS for spelt in (word, word.upper(), word.title())
)
_DATE = re.compile(
    r"(?:(?P<y>\d{4})(?P<mark>[-/])(?P<m>\d{1,2})(?P=mark)(?P<d>\d{1,2})"
    r"|(?P<um>\d{1,2})/(?P<ud>\d{1,2})/(?P<uy>\d{4}))"
    r"(?:[T ](?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,]\d+)?)?(?P<half> ?[AP]M)?"
    r"(?: ?(?:Z|[+-]\d{2}(?::?\d{2}){0,2}))?)?",
    re.ASCII | re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def is_date(text: str) -> bool:
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return False

    part = found.groupdict()
    year, month, day = (int(part[k] or part[f"u{k}"]) for k in "ymd")
    hour, minute, second = (int(part[k] or 0) for k in "HMS")
    if part["half"] and not 1 <= hour <= 12:
        return False

    try:
        datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # only asked whether it exists
    except ValueError:
        return False

    return True


def _holds_date(value: Any) -> bool:
    return is_date(value) if isinstance(value, str) else isinstance(value, date)


def _holds_number(value: Any) -> bool:
    if isinstance(value, str):
        text = value.strip()
        return bool(_INTEGER.fullmatch(text)) and -(2**31) <= int(text) < 2**31

    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False

    return -(2**31) <= value < 2**31 and value == int(value)


def _holds_boolean(value: Any) -> bool:
    if isinstance(value, str):
        return value in BOOLEAN_WORDS or value.strip().casefold() in BOOLEAN_WORDS

    return isinstance(value, bool) or (isinstance(value, int) and value in {0, 1})


def _holds_email(value: Any) -> bool:
    return isinstance(value, str) and bool(EMAIL.fullmatch(value))


def _holds_decimal(whole: int | None) -> Callable[[Any], bool]:
    """`whole` digits fit before the point; digits behind it are rounded by Marketing Cloud."""

    def holds(value: Any) -> bool:
        if isinstance(value, str):
            text = value.strip()
            if not _DECIMAL.fullmatch(text):
                return False

            number = Decimal(text)
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            number = Decimal(str(value))
        else:
            return False

        return number.is_finite() and (whole is None or not number or number.adjusted() < whole)

    return holds


def _anything(value: Any) -> bool:
    as_text(value)  # a nested value is refused as no text
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCheck:
    """One field's check, as a function for every value and as an expression for text.

    `inline` is written over `{}`, a variable holding text that is not empty, and over the names
    of `bindings`. It may be false, or raise, for what `accepts` takes: only its yes is certain.
    """

    field: Field
    holds: Callable[[Any], bool]
    reason: str
    what: str
    max_length: int | None
    inline: str
    bindings: dict[str, Any]

    def accepts(self, value: Any) -> bool:
        """Whether the field can hold the value; may raise Refused for what is no text."""
        if self.reason == "unknown_field":
            return False

        if value is None or (value == "" and self.reason != "not_text"):
            return not self.field.required

        if self.max_length is not None and len(as_text(value)) > self.max_length:
            return False

        return self.holds(value)

    def hold(self, value: Any) -> None:
        """Raise Refused where the field cannot hold the value."""
        if self.accepts(value):
            return

        field = self.field.name
        if self.reason == "unknown_field":
            raise Refused(self.reason, self.what)

        if value is None or value == "":
            raise Refused("missing_field", f"the data extension requires field {field}")

        if not self.holds(value):
            mend = if_trimmed(value, self.holds)
            detail = f"value {cut(value)} is not {self.what} (field {field}){mend}"
            raise Refused(self.reason, detail)

        length, most = len(as_text(value)), self.max_length
        detail = f"value {cut(value)} has {length} characters, field {field} takes {most}"
        raise Refused("text_too_long", detail)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a type is checked. `quick` is its inline form, over the value {} and `I`, `C`."""

    reason: str
    what: str
    holds: Callable[[Any], bool]
    quick: str = ""
    fast: Any = None  # what `I` stands for in `quick`
    longest: int | None = None  # characters, whatever the field says
    measured: bool = False  # whether the field's own length counts characters


_TEXT = _Kind("not_text", "text", _anything, measured=True)
_KINDS = {
    FieldType.TEXT: _TEXT,
    FieldType.PHONE: replace(_TEXT, longest=50),
    FieldType.LOCALE: replace(_TEXT, longest=5),
    FieldType.UNKNOWN: _Kind("not_text", "text", bool),
    FieldType.NUMBER: _Kind(
        "not_a_number",
        "an integer of 32 bits",
        _holds_number,
        "({}.isdigit() and {}.isascii() and len({}) < 10 or C({}))",
    ),
    FieldType.BOOLEAN: _Kind(
        "not_a_boolean", "a boolean", _holds_boolean, "({} in I or C({}))", BOOLEAN_WORDS
    ),
    FieldType.DATE: _Kind("not_a_date", "a date", _holds_date, "C({})"),
    FieldType.EMAIL: _Kind(
        "not_an_email",
        "an e-mail address",
        _holds_email,
        "(I({}) or C({}))",
        re.compile(PLAIN_EMAIL).fullmatch,
        longest=254,
        measured=True,
    ),
}


def _decimal_kind(field: Field) -> _Kind:
    if field.precision is None:
        return _Kind("not_a_decimal", "a decimal", _holds_decimal(None), "C({})")

    whole = max(field.precision - (field.scale or 0), 0)
    what = f"a decimal of at most {whole} digits before the point"
    if not whole:
        return _Kind("not_a_decimal", what, _holds_decimal(whole), "C({})")

    fast = re.compile(rf"[+-]?[0-9]{{1,{whole}}}(?:\.[0-9]+)?").fullmatch
    return _Kind("not_a_decimal", what, _holds_decimal(whole), "(I({}) or C({}))", fast)


def field_check(field: Field, slot: str) -> FieldCheck:
    """Compile a field's check; `slot` makes the names it binds its own."""
    kind = _decimal_kind(field) if field.type is FieldType.DECIMAL else _KINDS[field.type]
    lengths = (kind.longest, field.max_length if kind.measured else None)
    longest = min((length for length in lengths if length), default=None)
    holds = is_date if kind.holds is _holds_date else kind.holds  # of text, C-fast
    inline = kind.quick.replace("I", f"I{slot}").replace("C", f"C{slot}")
    if longest is not None:
        inline = f"len({{}}) <= {longest}" + (f" and {inline}" if inline else "")

    return FieldCheck(
        field=field,
        holds=kind.holds,
        reason=kind.reason,
        what=kind.what,
        max_length=longest,
        inline=inline,
        bindings={f"I{slot}": kind.fast, f"C{slot}": holds},
    )


def _unknown_check(name: str, known: Iterable[str]) -> FieldCheck:
    """The check of a field the data extension does not have: nothing may be sent in it."""
    return FieldCheck(
        field=Field(name=name),
        holds=lambda _: False,
        reason="unknown_field",
        what=f"the data extension has no field {cut(name)}{nearest(name, known)}",
        max_length=None,
        inline="False",
        bindings={},
    )


class Checks:
    """The checks of a whole data extension, each compiled once."""

    def __init__(self, target: Target) -> None:
        self.required = tuple(field.name for field in target.fields if field.required)
        self.known = {
            field.name: field_check(field, str(number))
            for number, field in enumerate(target.fields)
        }

    def of(self, name: str) -> FieldCheck | None:
        """The check of the field of this exact name; None for the one that is ignored anyway."""
        found = self.known.get(name)
        if found is None and name != RESERVED:
            return _unknown_check(name, self.known)

        return found

    def hold(self, data: Mapping[str, Any]) -> None:
        """Raise Refused for the first field of a contact that breaks the data extension's rules."""
        for name, value in data.items():
            check = self.of(name)
            if check is not None:
                check.hold(value)

        self.require(data)

    def require(self, data: Mapping[str, Any]) -> None:
        """Raise Refused where a field the data extension requires is not there."""
        for name in self.required:
            if name not in data:
                detail = f"the data extension requires field {name}, and it is not there"
                raise Refused("missing_field", detail)
