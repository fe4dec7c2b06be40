"""Columns: the contacts of a whole table at once.

Where every field is a column as it stands, or a constant text, the JSON of a thousand contacts is
their cells, and between them the same pieces of JSON again and again:

    {"ContactKey":" 001 ","Data":{"Email":" a@b.c ","City":" Lyon "}},{"ContactKey":" 002 ","Data…

So the cells of a column are put into every so-manieth place of one list, and the list is joined:
no text, no dict and no line of Python a contact. A table holds only what JSON writes as it stands;
all that must be escaped, and every type, is orjson's.

A row that may not be what it looks like (no key, a text that may be too long, an address that is
none at first sight) is the plan's to decide, as on the way by rows. Where those are many, rows are
the better way.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field, replace
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Final

import orjson

from .glances import glance_of
from .plan import LEFT_OUT, MAX_KEY_LENGTH
from .refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..intake.table import Table
    from .compiler import Mend
    from .contacts import ContactShape
    from .glances import Glance
    from .plan import FieldPlan, Plan

__all__ = ("ColumnEncoder", "Encoded", "column_encoder")

_CLOSING: Final = b'"}}'
_ODD_AT_MOST: Final = 0.125  # of a table's rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """A part of every contact: JSON, and behind it a column's cell.

    `before` closes the cell before and opens this one. A constant has no `place`: its text stands
    in `before`. Where a cell is empty, `default` stands for it; without a default, the field is
    left out. A row is odd if its cell has more than `longest` bytes, if it does not pass at a
    `glance`, or if it is empty and must not be.
    """

    before: bytes
    place: int | None = None
    default: bytes | None = None
    odd_if_empty: bool = False
    longest: int | None = None
    glance: Glance | None = None


class _Column:
    """A field and its cells in one table."""

    __slots__ = ("cells", "field", "full")

    def __init__(self, of: _Field, cells: Sequence[bytes]) -> None:
        self.field = of
        self.cells = cells
        self.full = all(cells)

    def odd(self, widest: int) -> Iterator[int]:
        """The rows that may not be what they look like. What is passed over is certain.

        No cell has more than `widest` bytes.
        """
        cells, longest, glance = self.cells, self.field.longest, self.field.glance
        if self.field.odd_if_empty and not self.full:
            yield from (row for row, cell in enumerate(cells) if not cell)

        if longest is not None and widest > longest and max(map(len, cells)) > longest:
            yield from (row for row, cell in enumerate(cells) if len(cell) > longest)

        if glance is None:
            return

        some = cells if self.full else list(filter(None, cells))
        if some and not glance.all(some):
            yield from (row for row, cell in enumerate(cells) if cell and not glance.one(cell))

    def fill(self, parts: list[bytes], at: int, *, stride: int, rows: slice) -> None:
        """Put the cells of `rows` into every `stride`-th of `parts`, from `at` + 1 on."""
        cells, default = self.cells[rows], self.field.default
        if not self.full and default is not None:
            cells = [cell or default for cell in cells]
        elif not self.full:
            parts[at::stride] = [self.field.before if cell else b"" for cell in cells]

        if cells:  # a constant has none
            parts[at + 1 :: stride] = cells


@dataclass(slots=True)
class Encoded:
    """Contacts, as `Contacts` holds them but for the commas between `pieces`.

    `lost` are the rows that were rejected.
    """

    keys: list[str] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    lengths: array[int] = field(default_factory=lambda: array("I"))
    lost: list[int] = field(default_factory=list)

    def add(self, keys: list[str], piece: bytes, lengths: Sequence[int]) -> None:
        """Add contacts; `piece` is the JSON of all."""
        if keys:
            self.keys += keys
            self.pieces.append(piece)
            self.lengths.extend(lengths)


class ColumnEncoder:
    """Makes the contacts of tables of one header. The first of `fields` is the contact key."""

    def __init__(self, fields: Sequence[_Field], *, opening: bytes, max_bytes: int) -> None:
        self._fields = fields
        self._opening = opening
        self._template = [part for each in fields for part in (each.before, b"")]
        self._max_bytes = max_bytes

    def encode(self, table: Table, mend: Mend) -> Encoded | None:
        """The table's contacts; None, and nothing mended, where it is better taken by rows."""
        cells, width = table.cells(), table.width
        columns = [
            _Column(each, () if each.place is None else cells[each.place :: width])
            for each in self._fields
        ]
        widest = table.widest
        odd = sorted({row for column in columns for row in column.odd(widest)})
        if len(odd) > _ODD_AT_MOST * len(table):
            return None

        spans = [slice(row + 1, end) for row, end in pairwise((-1, *odd, len(table)))]
        runs = [self._run(columns, table, rows=span) for span in spans]
        if any(lengths and max(lengths) > self._max_bytes for _, lengths in runs):
            return None

        made = Encoded()
        keys = table.unmasked(b"\n".join(columns[0].cells)).decode().split("\n")
        for span, run, row in zip_longest(spans, runs, odd):
            made.add(keys[span], *run)
            if row is not None:
                _take(made, row, mend(row, table[row]))

        return made

    def _run(
        self, columns: Sequence[_Column], table: Table, *, rows: slice
    ) -> tuple[bytes, list[int]]:
        """The contacts of consecutive rows, none of them odd, and the length of each."""
        count = rows.stop - rows.start
        if not count:
            return b"", []

        parts = self._template * count
        for number, column in enumerate(columns):
            column.fill(parts, 2 * number, stride=len(self._template), rows=rows)

        between = parts[0]
        parts[0] = b""  # before the first is nothing to close
        inner = table.unmasked(b"".join(parts))
        around = len(self._opening) + len(_CLOSING)
        # In no text is a quotation mark that is not escaped, so this is where contacts meet.
        lengths = [len(each) + around for each in inner.split(between)]
        return b"".join((self._opening, inner, _CLOSING)), lengths


def _take(made: Encoded, row: int, mended: tuple[str, bytes] | None) -> None:
    if mended is None:
        made.lost.append(row)
    else:
        key, body = mended
        made.add([key], body, (len(body),))


def column_encoder(
    plan: Plan, header: tuple[str, ...], *, shape: ContactShape, max_bytes: int
) -> ColumnEncoder | None:
    """The encoder for a plan; None for a plan that makes more of a column than its text."""
    places = {column: place for place, column in enumerate(header)}
    known = {each.name for each in plan.fields or ()}
    required = set(plan.checks.required if plan.checks else ())
    if not known or required - known or not plan.key.plain:
        return None

    try:
        opening = b"{" + orjson.dumps(shape.key) + b':"'
        before = _CLOSING + b"," + opening
        place = places[plan.key.columns[0]]
        fields = [_Field(before=before, place=place, odd_if_empty=True, longest=MAX_KEY_LENGTH)]
        fixed = b"".join(orjson.dumps(dict((member,)))[1:-1] + b"," for member in shape.fixed)
        before = b'",' + fixed + orjson.dumps(shape.data) + b":{"
        for each in plan.fields or ():
            fields.append(_field(each, places, before=before + orjson.dumps(each.name) + b':"'))
            before = b'",'
    except (TypeError, Refused):  # text that cannot be sent, or a rule that wants rows
        return None

    if fields[1].default is None:
        fields[1] = replace(fields[1], odd_if_empty=True)  # the next would begin with a comma

    return ColumnEncoder(fields, opening=opening, max_bytes=max_bytes)


def _field(plan: FieldPlan, places: Mapping[str, int], *, before: bytes) -> _Field:
    """Raises Refused for a field that is more than a column or a constant text."""
    rule, check = plan.rule, plan.check
    if rule.value is not None:
        return _Field(before=before + _text(plan.held(rule.value)))

    if rule.column is None or plan.transforms or plan.convert:
        raise Refused("not_plain", "the column's text is not what is sent")

    default, odd_if_empty = None, False
    try:
        empty = plan.empty("")
    except Refused:
        odd_if_empty = True
    else:
        default = None if empty is LEFT_OUT else _text(empty)

    return _Field(
        before=before,
        place=places[rule.column],
        default=default,
        odd_if_empty=odd_if_empty,
        longest=None if check is None else check.max_length,
        glance=None if check is None else glance_of(check),
    )


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise Refused("not_plain", "the value is no text")

    return orjson.dumps(value)[1:-1]
