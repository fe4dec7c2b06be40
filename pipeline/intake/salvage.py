"""Salvage: the records of a block of CSV in which something is wrong, one by one.

One bad record costs one record:

- A record with too few or too many fields, or with bytes that are no text, is rejected whole.
- Where strict parsing fails, the first line of that record is rejected, and reading goes on with
  the second: a stray quote never swallows the good records behind it.
- The same where a quoted field ends neither within `Sizes.quote_bytes` nor with the file, and
  where a record of the wrong width reaches over a line that is a record by itself.
"""

from __future__ import annotations

import csv
from itertools import accumulate, islice
from typing import TYPE_CHECKING

from .reading import Fault, Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .blocks import Sizes
    from .grammar import Grammar
    from .reading import Place
    from .source import Rejection

__all__ = ("Salvager",)

_NO_TEXT = Fault("invalid_encoding", "holds bytes that are not text in its encoding")
_UNTERMINATED = Fault("unterminated_quote", "opens a quote that is never closed")
_MALFORMED = Fault("malformed_csv", "has a quote where none belongs, or one that is not closed")


class Salvager:
    """Walks the lines of one block. The records it has passed end before line `_start`."""

    def __init__(
        self, block: bytes, width: int, *, grammar: Grammar, sizes: Sizes, place: Place
    ) -> None:
        self._lines = block.splitlines(keepends=True)
        self._ends = list(accumulate(map(len, self._lines), initial=0))
        self._texts, self._no_text = _decoded(self._lines)
        self._width = width
        self._grammar = grammar
        self._sizes = sizes
        self._place = place
        self._start = 0
        self._ran_out = False  # the reader asked for more lines than there were
        self._count = 0
        self._positions: list[int] = []
        self._records: list[list[str]] = []
        self._rejected: list[Rejection] = []

    def salvage(self, *, final: bool) -> tuple[Parsed, int]:
        """Take records up to `Sizes.chunk_records`; return them, and how many lines they were.

        A record that is still open at the end of the block is left, unless the block is `final`.
        """
        while self._start < len(self._lines) and self._count < self._sizes.chunk_records:
            if self._size(self._start, self._start + 1) > self._sizes.line_bytes:
                detail = f"is longer than {self._sizes.line_bytes} bytes"
                self._reject(self._start + 1, Fault("line_too_long", detail))
            elif not self._take_records() and not self._reject_first_line(final=final):
                break

        parsed = Parsed(
            positions=self._positions,
            records=self._records,
            rejected=self._rejected,
            count=self._count,
            consumed=self._ends[self._start],
        )
        return parsed, self._start

    def _take_records(self) -> bool:
        """Take records while they parse; False where the record at `_start` does not."""
        first = self._start
        reader = self._grammar.reader(self._feed())
        try:
            for row in reader:
                if not self._take(row, first + reader.line_num):
                    return False

                if self._count >= self._sizes.chunk_records:
                    break
        except csv.Error:
            return False

        return True

    def _feed(self) -> Iterator[str]:
        """Lines for a reader, up to what the record at `_start` may hold."""
        self._ran_out = False
        if self._ends[-1] <= self._sizes.quote_bytes:  # then so is every record
            yield from islice(self._texts, self._start, None)
            self._ran_out = True
            return

        for number in range(self._start, len(self._lines)):
            size = self._size(self._start, number + 1)
            if size > self._sizes.quote_bytes and (
                number > self._start or size > self._sizes.line_bytes
            ):
                break

            yield self._texts[number]

        self._ran_out = True

    def _take(self, row: list[str], end: int) -> bool:
        """Take the record from `_start` to line `end`, as a record or a rejection."""
        if self._no_text and not self._no_text.isdisjoint(range(self._start, end)):
            self._reject(end, _NO_TEXT)
        elif len(row) == self._width:
            self._count += 1
            self._positions.append(self._place.position + self._count)
            self._records.append(row)
            self._start = end
        elif not row:
            self._start = end
        elif end > self._start + 1 and self._is_record(self._start + 1):
            return False
        else:
            detail = f"has {len(row)} fields instead of {self._width}"
            self._reject(end, Fault("ragged_row", detail))

        return True

    def _is_record(self, number: int) -> bool:
        """Whether one line, by itself, is a record of the right width (and not of one field)."""
        try:
            rows = list(self._grammar.reader([self._texts[number]]))
        except csv.Error:
            return False

        return self._width > 1 and [len(row) for row in rows] == [self._width]

    def _reject_first_line(self, *, final: bool) -> bool:
        """Reject the line at `_start`, whose record does not parse; False to wait for more."""
        open_bytes = self._size(self._start, len(self._lines))
        if self._ran_out and not final and open_bytes <= self._sizes.quote_bytes:
            return False

        fault = _UNTERMINATED if self._ran_out else _MALFORMED
        self._reject(self._start + 1, _NO_TEXT if self._start in self._no_text else fault)
        return True

    def _reject(self, end: int, fault: Fault) -> None:
        """Reject the lines from `_start` to `end` as one record."""
        self._count += 1
        raw = b"".join(self._lines[self._start : end])
        rejection = self._place.reject(raw, fault, count=self._count, line=self._start)
        self._rejected.append(rejection)
        self._start = end

    def _size(self, start: int, end: int) -> int:
        return self._ends[end] - self._ends[start]


def _decoded(lines: list[bytes]) -> tuple[list[str], set[int]]:
    """The lines as text, and the numbers of those that are none."""
    texts = []
    no_text = set()
    for number, line in enumerate(lines):
        try:
            texts.append(line.decode())
        except UnicodeDecodeError:
            texts.append(line.decode("utf-8", "surrogateescape"))
            no_text.add(number)

    return texts, no_text
