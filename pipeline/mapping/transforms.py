"""Transforms: what a rule may do to a text before it is typed and sent.

trim        white space at both ends goes
collapse    white space runs become one space, and none is left at the ends
lower, upper
title       Each Word Capitalised, also after a hyphen; O'Neil, but They're
digits      only 0-9 stay
truncate:n  at most n characters stay
pad:n       zeros on the left, up to n characters (what a spreadsheet took from a postcode)
null:text   a cell that is exactly this text counts as empty ("null:N/A")
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from .refused import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("TRANSFORMS", "Transform", "parse_transform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """One transform, ready to apply.

    `inline` is the same as an expression over `{}`, where one exists that needs no call of ours;
    it never holds text of a user.
    """

    written: str
    apply: Callable[[str], str]
    inline: str | None = None


_NOT_DIGITS = re.compile(r"[^0-9]+")
_AFTER_APOSTROPHE = re.compile(r"(?<=['\u2019])[^\W\d_]{1,2}(?![^\W\d_])")


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _digits(text: str) -> str:
    return _NOT_DIGITS.sub("", text)


def _title(text: str) -> str:
    titled = text.title()
    if "'" in titled or "\u2019" in titled:
        return _AFTER_APOSTROPHE.sub(lambda found: found[0].lower(), titled)

    return titled


def _truncate(length: int, text: str) -> str:
    return text[:length]


def _pad(length: int, text: str) -> str:
    return text.rjust(length, "0") if text else text  # nothing stays nothing


def _null(stand_in: str, text: str) -> str:
    return "" if text == stand_in else text


_PLAIN: dict[str, tuple[Callable[[str], str], str | None]] = {
    "trim": (str.strip, "{}.strip()"),
    "collapse": (_collapse, "' '.join({}.split())"),
    "lower": (str.lower, "{}.lower()"),
    "upper": (str.upper, "{}.upper()"),
    "title": (_title, None),
    "digits": (_digits, None),
}
_COUNTED = {"truncate": _truncate, "pad": _pad}

TRANSFORMS = (*_PLAIN, *(f"{name}:n" for name in _COUNTED), "null:text")


def parse_transform(written: str) -> Transform:
    """Read one transform as it stands in a rule; ValueError names what is wrong with it."""
    name, colon, argument = written.partition(":")
    if name == "null" and colon:
        return Transform(written=written, apply=partial(_null, argument))

    if name in _COUNTED:
        if not (argument.isascii() and argument.isdigit() and 0 < int(argument[:6]) < 100_000):
            raise ValueError(f"transform {written!r} needs a number, as in '{name}:50'")

        length = int(argument[:6])
        inline = f"{{}}[:{length}]" if name == "truncate" else None
        return Transform(written=written, apply=partial(_COUNTED[name], length), inline=inline)

    if name in _PLAIN and not colon:
        apply, inline = _PLAIN[name]
        return Transform(written=written, apply=apply, inline=inline)

    if name in _PLAIN:
        raise ValueError(f"transform {name!r} takes nothing after it, not {written!r}")

    if name == "null":
        raise ValueError("transform 'null' needs the text that means empty, as in 'null:N/A'")

    known = (*_PLAIN, *_COUNTED, "null")
    raise ValueError(
        f"unknown transform {written!r}{nearest(name, known)} (known: {', '.join(TRANSFORMS)})"
    )
