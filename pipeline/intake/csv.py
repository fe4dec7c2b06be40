"""CSV and TSV: delimited text, read a block at a time.

A block in which all is well costs no Python per record: it is decoded, parsed and measured as a
whole. Only a block that shows trouble is walked record by record (`salvage.py`).

Blank lines are not records and take no position. Quoting is strict: inside a field a quote is
doubled, and after a closing quote comes a delimiter or a line end. Lines end in LF, CRLF or CR.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from .file import FileSource
from .formulas import restored
from .grammar import read_layout
from .opening import open_text, peek
from .reading import Parsed, Place, offset_of, read_chunks
from .salvage import Salvager
from .source import START
from .table import Table, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .blocks import Sizes
    from .grammar import Grammar, Layout
    from .ranges import Ranges
    from .source import Chunk, Fingerprint, Mark

__all__ = ("CsvParser", "CsvSource")


@dataclass(slots=True, kw_only=True, eq=False)
class CsvSource(FileSource):
    """A file of delimited text (or stdin). Picklable before `chunks`."""

    _layout: Layout | None = field(default=None, init=False, repr=False)

    def fingerprint(self) -> Fingerprint:
        """Recognise the content; raises SourceError if it cannot be read."""
        layout = self._found_layout()
        return replace(self.origin.fingerprint(self.name), reading=layout.reading)

    def columns(self) -> tuple[str, ...]:
        """The header's names, () for an empty file; raises SourceError for one that is unfit."""
        return self._found_layout().columns

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield every record whose position is not in `after`, reading from `start` on."""
        layout = self._found_layout()
        if not layout.columns:
            return

        offset = offset_of(start, layout.offset)
        parser = CsvParser(
            source=self.name,
            columns=layout.columns,
            grammar=layout.grammar,
            sizes=self.sizes,
            lines=start.lines if start.position else layout.lines,
        )
        with open_text(self.origin, codec=layout.codec, offset=offset) as stream:
            chunks = read_chunks(
                stream,
                parser,
                after=after,
                position=start.position,
                offset=offset,
                sizes=self.sizes,
            )
            yield from map(_restored, chunks) if layout.exported else chunks

    def _found_layout(self) -> Layout:
        if self._layout is None:
            head = peek(self.origin, self.policy.encoding)
            self._layout = read_layout(head, self.policy, self.origin.label)

        return self._layout


def _restored(chunk: Chunk) -> Chunk:
    """A chunk of what `results` wrote, its cells as they were before."""
    chunk.records = [[restored(cell) for cell in row] for row in chunk.records]
    return chunk


class CsvParser:
    """Parses blocks of UTF-8. `lines` is how many came before the first block, if known."""

    line_ends: ClassVar[tuple[bytes, ...]] = (b"\n", b"\r")

    def __init__(
        self,
        *,
        source: str,
        columns: tuple[str, ...],
        grammar: Grammar,
        sizes: Sizes,
        lines: int | None,
    ) -> None:
        self.source = source
        self.columns = columns
        self._grammar = grammar
        self._tables = TableReader(grammar, len(columns))
        self._sizes = sizes
        self.lines = lines
        self._wary = False  # blocks have ended inside a quoted field
        self._mostly_quoted = False  # most lines of a block had quotes
        # The module's limit is one for all readers; it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), sizes.line_bytes))

    def parse(self, block: bytes, position: int, *, final: bool) -> Parsed:
        """Parse the records that lie wholly in `block`; see `reading.Parser`."""
        whole = self._parse_whole(block, position)
        parsed, lines = whole or self._salvage(block, position, final=final)
        if self.lines is not None:
            self.lines += lines

        return parsed

    def _parse_whole(self, block: bytes, position: int) -> tuple[Parsed, int] | None:
        """Parse a block in which all is well, and count its lines; None if there is trouble."""
        if self._wary:
            block = self._up_to_open_quote(block)

        if not 0 < len(block) <= self._sizes.quote_bytes:
            return None

        rows: Sequence[list[str]]
        try:
            rows, lines = self._tables.read(block) or self._rows(block)
        except (UnicodeDecodeError, csv.Error):
            return None

        if not isinstance(rows, Table) and not set(map(len, rows)) <= {len(self.columns)}:
            return None

        parsed = Parsed(
            positions=range(position + 1, position + 1 + len(rows)),
            records=rows,
            rejected=[],
            count=len(rows),
            consumed=len(block),
        )
        return parsed, lines

    def _rows(self, block: bytes) -> tuple[list[list[str]], int]:
        """The rows of `block`, blank lines left out, and the number of its lines.

        `str.split` takes half the time of csv.reader, and where no quote is, the two do the same.
        So lines are split, and only those with a quote are parsed. They are decoded singly: one
        character beyond Latin-1 would make a whole block of text wide, and slow to cut. Behind a
        block in which most lines had quotes, splitting is not tried again.

        Raises:
            csv.Error, UnicodeDecodeError: The block shows trouble.
        """
        if self._mostly_quoted:
            return self._parsed_rows(block)

        lines = list(map(bytes.decode, block.splitlines()))  # at LF, CRLF and CR, as csv.reader
        count = len(lines)
        if "" in lines:
            lines = list(filter(None, lines))

        quote, delimiter = self._grammar.quote, self._grammar.delimiter
        rows = [line.split(delimiter) for line in lines]
        if not quote or quote.encode() not in block:
            return rows, count

        quoted = [index for index, line in enumerate(lines) if quote in line]
        self._mostly_quoted = len(quoted) > count // 2
        parsed = list(self._grammar.reader([lines[index] for index in quoted]))
        if len(parsed) < len(quoted):  # a record goes over several lines
            return self._parsed_rows(block)

        for index, row in zip(quoted, parsed, strict=True):
            rows[index] = row

        return rows, count

    def _parsed_rows(self, block: bytes) -> tuple[list[list[str]], int]:
        """What `_rows` returns, all of it by csv.reader."""
        reader = self._grammar.reader(io.StringIO(block.decode(), newline=""))
        return [row for row in reader if row], reader.line_num

    def _up_to_open_quote(self, block: bytes) -> bytes:
        """Cut before the line whose quoted field goes on behind the block, by counting quotes."""
        quote = self._grammar.quote.encode()
        if block.count(quote) % 2 == 0:
            return block

        opening = block.rfind(quote)
        return block[: max(block.rfind(end, 0, opening) for end in self.line_ends) + 1]

    def _salvage(self, block: bytes, position: int, *, final: bool) -> tuple[Parsed, int]:
        place = Place(source=self.source, position=position, lines=self.lines)
        salvager = Salvager(
            block, len(self.columns), grammar=self._grammar, sizes=self._sizes, place=place
        )
        parsed, lines = salvager.salvage(final=final)
        if self._grammar.quote and parsed.consumed < len(block):
            self._wary = True

        return parsed, lines
