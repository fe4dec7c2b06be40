"""Glances: whether the cells of a column certainly fit its field, asked of all of them at once.

A yes is certain. A no says nothing: then each cell is looked at alone, and one that does not pass
at first sight either is the plan's to decide. Cells are bytes as a table holds them, never empty;
a mask in one (see Table) passes nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Final

from .checks import BOOLEAN_WORDS, PLAIN_DOMAIN, PLAIN_EMAIL, is_date
from .refused import Refused
from .target import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from .checks import FieldCheck

__all__ = ("Glance", "glance_of")

KNOWN_AT_MOST: Final = 8_192


@dataclass(frozen=True, slots=True)
class Glance:
    """Two ways to look: at one cell, and at all of a column. Lengths are another's business."""

    one: Callable[[bytes], object]
    all: Callable[[Sequence[bytes]], bool]


def glance_of(check: FieldCheck) -> Glance | None:
    """How a field's cells are looked at; None where any text will do, be it not too long.

    Raises Refused for a field the data extension does not have.
    """
    if check.reason == "unknown_field":
        raise Refused(check.reason, check.what)

    match check.field.type:
        case FieldType.NUMBER:
            return Glance(_NUMBER.fullmatch, _each_a_line(_NUMBER))
        case FieldType.BOOLEAN:
            return Glance(_BOOLEANS.__contains__, _BOOLEANS.issuperset)
        case FieldType.DATE:
            return Glance(_is_date, _Recalled(_are_dates))
        case FieldType.EMAIL:
            return Glance(_EMAIL.fullmatch, _Addresses())
        case FieldType.DECIMAL:
            return _decimals(check)
        case _:
            return None


def _each_a_line(cell: re.Pattern[bytes]) -> Callable[[Collection[bytes]], bool]:
    """Whether every cell is what `cell` describes, which takes no line end."""
    lines = re.compile(rb"(?:(?:%b)\n)*+" % cell.pattern)
    return lambda cells: lines.fullmatch(b"\n".join((*cells, b""))) is not None


_NUMBER: Final = re.compile(rb"-?[0-9]{1,9}")
_BOOLEANS: Final = frozenset(word.encode() for word in BOOLEAN_WORDS)
_EMAIL: Final = re.compile(PLAIN_EMAIL.encode())
_PLAIN_DATE: Final = re.compile(
    rb"[12][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30))"
    rb"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?Z?)?"
)
_plain_dates: Final = _each_a_line(_PLAIN_DATE)
_plain_domains: Final = _each_a_line(re.compile(PLAIN_DOMAIN.encode()))


def _is_date(cell: bytes) -> bool:
    return is_date(cell.decode())


def _are_dates(cells: Collection[bytes]) -> bool:
    return _plain_dates(cells) or all(map(_is_date, cells))


def _decimals(check: FieldCheck) -> Glance:
    """Those with few digits before the point, else what the check itself says of each."""
    field = check.field
    whole = 15 if field.precision is None else field.precision - (field.scale or 0)

    def one(cell: bytes) -> bool:
        return check.holds(cell.decode())

    if whole < 1:
        return Glance(one, lambda cells: all(map(one, cells)))

    plain = _each_a_line(re.compile(rb"-?[0-9]{1,%d}(?:\.[0-9]+)?" % whole))
    return Glance(one, lambda cells: plain(cells) or all(map(one, cells)))


class _Recalled:
    """A look at what comes again and again: what passed once is only looked up."""

    def __init__(self, test: Callable[[Collection[bytes]], bool]) -> None:
        self._test = test
        self._known: set[bytes] = set()

    def __call__(self, cells: Sequence[bytes]) -> bool:
        if self._known.issuperset(cells):
            return True

        new = set(cells) - self._known
        if not self._test(new):
            return False

        if len(self._known) + len(new) > KNOWN_AT_MOST:
            self._known.clear()

        self._known |= new
        return True


class _Addresses:
    """A look at e-mail addresses: each is a mailbox, `@` and a domain, and domains are few.

    The cells are joined with `@.` and cut at each `@`. No domain begins with a point, so where
    every second piece is a domain, the pieces that begin with a point that was put in are exactly
    the mailboxes but the first: no cell has two `@`, and another none.
    """

    def __init__(self) -> None:
        self._domains = _Recalled(_plain_domains)

    def __call__(self, cells: Sequence[bytes]) -> bool:
        pieces = b"@.".join(cells).split(b"@")
        if len(pieces) != 2 * len(cells) or not self._domains(pieces[1::2]):
            return False

        mailboxes = b".%b." % b"".join(pieces[::2])
        # The points put in stand between mailboxes: two in a row are an empty one, or part of one.
        return b".." not in mailboxes and not mailboxes.translate(None, _MAILBOX)


_MAILBOX: Final = (ascii_letters + digits + "_+-.").encode()
