"""Refused: one value that cannot be sent, with a stable word and a sentence for a person."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("Refused", "cut", "if_trimmed", "nearest")


class Refused(Exception):  # noqa: N818  # a verdict on a record, not an error of the program
    """A record breaks a rule; it costs this record and no other.

    `reason` is the stable word of a rejected line, `detail` its sentence.
    """

    def __init__(self, reason: str, detail: str, *, contact_key: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.contact_key = contact_key


def cut(value: Any, limit: int = 80) -> str:
    """Show a value in a sentence: printable, and never longer than about `limit` characters."""
    try:
        if isinstance(value, Decimal | date | time):
            shown = str(value)
        else:
            shown = repr(value[: limit + 1] if isinstance(value, str) else value)
    except Exception:  # noqa: BLE001  # an int of 4301 digits, a bottomless list, one of the user's
        return f"<{type(value).__name__}>"

    return shown if len(shown) <= limit + 2 else f"{shown[:limit]}…"


def if_trimmed(value: Any, holds: Callable[[str], object]) -> str:
    """Say what mends a value that the blanks around it alone make wrong; or nothing."""
    padded = isinstance(value, str) and value != value.strip() and holds(value.strip())
    return '; transform = "trim" takes the blanks around it off' if padded else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant: `; did you mean 'email'?`, or nothing."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
