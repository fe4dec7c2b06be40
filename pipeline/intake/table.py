"""Tables: the rows of a block that gives no trouble, kept as lines until somebody wants cells.

Most of what a row costs is making its cells, and text of each. Who takes whole columns
(mapping/columns.py) needs no text and no row, only the bytes; who takes rows gets rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Final, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .grammar import Grammar

__all__ = ("Table", "TableReader")

_MASK: Final = b"\x01"  # a delimiter inside a cell; no such byte comes into a table otherwise
_LINE_END: Final = (b"\n", b"\r")


class Table(Sequence[list[str]]):
    """Rows of text, `width` cells in each.

    No cell holds a quotation mark, a backslash or a control character, so JSON writes each as it
    stands. Where a cell holds the delimiter, its bytes have a mask instead, until `unmasked`.
    """

    __slots__ = ("_delimiter", "_lines", "_masked", "width")

    def __init__(self, lines: list[bytes], *, delimiter: bytes, width: int, masked: bool) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._masked = masked
        self.width = width

    def cells(self) -> list[bytes]:
        """Every cell, row after row, as UTF-8 with masks: of column i, `cells[i::width]`."""
        return self._delimiter.join(self._lines).split(self._delimiter)

    @property
    def widest(self) -> int:
        """The bytes of the longest row: no cell has more."""
        return max(map(len, self._lines))

    def unmasked(self, cells: bytes) -> bytes:
        """The bytes of cells, or what was put together from them, without masks."""
        return cells.replace(_MASK, self._delimiter) if self._masked else cells

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> list[str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[list[str]]: ...
    def __getitem__(self, index: int | slice) -> list[str] | list[list[str]]:
        if isinstance(index, slice):
            return self._rows(self._lines[index])

        return self._rows([self._lines[index]])[0]

    def __iter__(self) -> Iterator[list[str]]:
        return iter(self._rows(self._lines))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    def __repr__(self) -> str:
        return f"<Table of {len(self)} rows>"

    def _rows(self, lines: list[bytes]) -> list[list[str]]:
        # Lines are decoded singly: one character beyond Latin-1 would make a whole block of text
        # wide, and slow to cut.
        delimiter = self._delimiter.decode()
        rows = [line.split(delimiter) for line in map(bytes.decode, lines)]
        if self._masked:
            mask = _MASK.decode()
            for index, line in enumerate(lines):
                if _MASK in line:
                    rows[index] = [cell.replace(mask, delimiter) for cell in rows[index]]

        return rows


class TableReader:
    """Makes tables of blocks in which all is well."""

    __slots__ = ("_delimiter", "_edges", "_fit", "_harmless", "_maskable", "_quote", "_width")

    def __init__(self, grammar: Grammar, width: int) -> None:
        delimiter, quote = grammar.delimiter, grammar.quote
        self._maskable = delimiter.isascii() and delimiter.isprintable()
        # A line of one empty quoted cell must not look like a blank one.
        self._fit = width > 1 and quote.isascii() and (self._maskable or delimiter == "\t")
        self._fit = self._fit and delimiter not in '"\\' and quote != "\\"
        self._delimiter, self._quote = delimiter.encode(), quote.encode()
        self._width = width
        self._edges = (self._delimiter, *_LINE_END)
        text = bytes(byte for byte in range(0x20, 0x100) if byte not in b'"\\')
        self._harmless = text + b"\r\n" + self._delimiter + self._quote

    def read(self, block: bytes) -> tuple[Table, int] | None:
        """The table and how many lines `block` has; None where it is none.

        Raises UnicodeDecodeError where the block is not UTF-8.
        """
        block.decode()
        if not self._fit or block.translate(None, self._harmless):
            return None

        quoted = bool(self._quote) and self._quote in block
        plain = self._unquoted(block) if quoted else block
        if plain is None:
            return None

        lines = plain.splitlines()  # at LF, CRLF and CR, as csv.reader
        count = len(lines)
        if quoted and plain.endswith(_LINE_END) and not block.endswith(_LINE_END):
            return None  # the last line was a quoted cell

        if b"" in lines:
            if quoted:  # what is blank now may have been a quoted cell
                return None

            lines = list(filter(None, lines))

        if set(map(bytes.count, lines, repeat(self._delimiter))) != {self._width - 1}:
            return None

        masked = quoted and _MASK in plain
        return Table(lines, delimiter=self._delimiter, width=self._width, masked=masked), count

    def _unquoted(self, block: bytes) -> bytes | None:
        """Take the quotes away and mask the delimiters between them.

        None where a quote is inside a cell or a line end inside quotes, or a quote stands open;
        or where an empty cell alone keeps a CR and a LF from being one line end.
        """
        pieces = block.split(self._quote)
        if len(pieces) % 2 == 0 or b"\r" + self._quote * 2 + b"\n" in block:
            return None

        edges = self._edges
        first, *between, last = pieces[::2]
        if (first and not first.endswith(edges)) or (last and not last.startswith(edges)):
            return None

        if not all(each.startswith(edges) and each.endswith(edges) for each in between):
            return None

        inside = self._quote.join(pieces[1::2])
        if any(end in inside for end in _LINE_END):
            return None

        if self._delimiter in inside:
            if not self._maskable:
                return None

            pieces[1::2] = inside.replace(self._delimiter, _MASK).split(self._quote)

        return b"".join(pieces)
