"""Guessing what columns hold, from their names and first values; a person has the last word."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..intake.grammar import ADDRESS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("contact_key", "email_column", "rule_for")

_KEY_NAMES = (  # without blanks and punctuation; the likelier, the earlier
    "contactkey",
    "subscriberkey",
    "customerid",
    "customerkey",
    "customernumber",
    "customerno",
    "contactid",
    "subscriberid",
    "memberid",
    "userid",
    "personid",
    "clientid",
    "crmid",
    "uuid",
    "guid",
    "id",
    "key",
)
_NUMBERS = (
    # Of nine digits: what is longer fits no Number, which has 32 bits.
    (re.compile(r"-?(0|[1-9]\d{0,8})"), {"type": "number"}),
    (re.compile(r"-?((0|[1-9]\d{0,8})(\.\d+)?|[1-9]\d{0,14}\.\d+)"), {"type": "decimal"}),
    (
        re.compile(r"-?(0|[1-9]\d{0,2}(\.\d{3})+|[1-9]\d*),\d+"),
        {"type": "decimal", "decimal": ",", "thousands": "."},
    ),
)
_WORDS = {"true", "false", "yes", "no"}
_DAYS = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y")
_DATES = tuple(f"{day}{time}" for day in _DAYS for time in ("", " %H:%M", " %H:%M:%S"))


def contact_key(samples: Mapping[str, Sequence[Any]]) -> str:
    """The column that most likely holds the contact key: by its name, else by its values."""
    named = sorted(
        (_KEY_NAMES.index(_letters(name)), name) for name in samples if _letters(name) in _KEY_NAMES
    )
    likely = [name for _, name in named]
    unique = [name for name in samples if _is_unique(samples[name])]
    both = [name for name in likely if name in unique]
    return next(iter(both + likely + unique), next(iter(samples)))


def email_column(samples: Mapping[str, Sequence[Any]]) -> str | None:
    """The column of the contact's e-mail address, if there is one."""
    holding = [name for name in samples if _all(samples[name], ADDRESS)]
    named = [name for name in samples if "mail" in _letters(name) and not _texts(samples[name])]
    # A column of this very name may hold some that are none.
    exact = [name for name in samples if _letters(name) in {"emailaddress", "email"}]
    return next(iter(exact + holding + named), None)


def rule_for(column: str, values: Sequence[Any]) -> dict[str, str] | None:
    """The rule a column may want beyond its name; None where its text can travel as it is."""
    texts = _texts(values)
    options = _options(values, texts) if texts else None
    return None if options is None else {"column": column, **options}


def _options(values: Sequence[Any], texts: Sequence[str]) -> dict[str, str] | None:
    if all(text.lower() in _WORDS for text in texts):
        return {"type": "boolean"}

    if all(len(text) == 8 and _is_date(text, "%Y%m%d") for text in texts):
        return {"type": "date", "format": "%Y%m%d"}

    for pattern, options in _NUMBERS:
        if _all(values, pattern):
            return dict(options)

    if _all(values, ADDRESS):  # with blanks around it an address is none
        padded = any(isinstance(value, str) and value != value.strip() for value in values)
        return {"transform": "trim"} if padded else None

    return _date_options(texts)


def _date_options(texts: Sequence[str]) -> dict[str, str] | None:
    if all(_is_iso_date(text) for text in texts):
        return {"type": "date"}

    fitting = [form for form in _DATES if all(_is_date(text, form) for text in texts)]
    if len(fitting) != 1:  # none, or nobody can tell the days from the months
        return None

    return {"type": "date", "format": fitting[0]}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _texts(values: Sequence[Any]) -> list[str]:
    """What is text and not empty."""
    return [value.strip() for value in values if isinstance(value, str) and value.strip()]


def _all(values: Sequence[Any], pattern: re.Pattern[str]) -> bool:
    texts = _texts(values)
    return bool(texts) and all(pattern.fullmatch(text) for text in texts)


def _is_unique(values: Sequence[Any]) -> bool:
    """Whether each value is there, and none twice."""
    shown = [str(value) for value in values if value not in (None, "")]
    return len(shown) == len(values) == len(set(shown)) and bool(shown)


def _is_iso_date(text: str) -> bool:
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        return False

    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False

    return True


def _is_date(text: str, form: str) -> bool:
    try:
        year = datetime.strptime(text, form).year  # noqa: DTZ007  # only a look at it
    except ValueError:
        return False

    return 1900 < year < 2100
