"""Formulas: cells that a spreadsheet would compute, made harmless and made what they were again.

`results` writes tables that people open, mend and inject anew. A cell that a spreadsheet would run
as a formula gets an apostrophe in front (OWASP, "CSV injection"), and one that already looks so
gets one more. A table that begins with the columns of `results` is read without them: a phone
number "+49 30 …" that was exported is sent as "+49 30 …".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("EXPORTED", "harmless", "is_exported", "restored")

EXPORTED: Final = ("contact_key", "source", "position")
"""The first columns of every table that `results` writes."""

_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_MARK: Final = "'"


def is_exported(columns: Sequence[str]) -> bool:
    """Whether a table with these columns is one of ours."""
    return tuple(columns[: len(EXPORTED)]) == EXPORTED


def harmless(text: str) -> str:
    """The cell's text, with an apostrophe in front where a spreadsheet would compute it.

    A plain number keeps its sign.
    """
    marked = text.startswith(_MARK)
    if not text.lstrip(_MARK).startswith(_STARTS) or (not marked and _is_number(text)):
        return text

    return _MARK + text


def restored(text: str) -> str:
    """What `harmless` was given."""
    if text.startswith(_MARK) and text.lstrip(_MARK).startswith(_STARTS):
        return text[1:]

    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False

    return text[1:2].isdigit() and "_" not in text
