"""Parquet: rows of typed values, a row group after the other, in memory that stays flat.

A position is a row's number in the file; the footer says which row group it lies in, so that
reading starts at any row group without those before it, and those that are done are passed over.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from ..errors import SourceError
from .arrow import Unreadable, pyarrow, readers_of
from .file import FileSource
from .grammar import check_names
from .reading import Parsed, leave_out, offset_of
from .recognised import HEAD_BYTES
from .source import START, Chunk, Mark, Rejection, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .arrow import Reader
    from .ranges import Ranges
    from .source import Fingerprint

__all__ = ("ParquetSource",)

BUFFER_BYTES: Final = 1 << 20
"""What is read at once of each column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Footer:
    """What the end of the file says about it."""

    columns: tuple[str, ...]
    rows: tuple[int, ...]  # of each row group


@dataclass(slots=True, kw_only=True, eq=False)
class ParquetSource(FileSource):
    """A Parquet file. Picklable before `chunks`. Offsets of marks are its row numbers."""

    _footer: _Footer | None = field(default=None, init=False, repr=False)

    def fingerprint(self) -> Fingerprint:
        """Recognise the content; raises SourceError if it cannot be read."""
        self._found_footer()
        return replace(self.origin.fingerprint(self.name), reading="parquet")

    def columns(self) -> tuple[str, ...]:
        """The names of the columns; raises SourceError for duplicate or empty ones."""
        return self._found_footer().columns

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield every record whose position is not in `after`, reading from `start` on."""
        footer = self._found_footer()
        position, rows = offset_of(start, 0), sum(footer.rows)
        with self._opened() as file:
            for parsed in self._parsed(file, footer, position=position, after=after):
                leave_out(parsed, after, position)
                position += parsed.count
                yield Chunk(
                    source=self.name,
                    columns=footer.columns,
                    positions=parsed.positions,
                    records=parsed.records,
                    rejected=parsed.rejected,
                    mark=Mark(position, position),
                    share=position / rows,
                )

    def _parsed(
        self, file: Any, footer: _Footer, *, position: int, after: Ranges
    ) -> Iterator[Parsed]:
        """Read on from `position`; what is done of a row group to its end is not even opened."""
        readers = readers_of(file.schema_arrow)
        end = 0
        for group, rows in enumerate(footer.rows):
            begin, end = end, end + rows
            if position >= end:
                continue

            if after.covers(position + 1, end):
                count = end - position
                yield Parsed(positions=(), records=[], rejected=[], count=count, consumed=count)
                position = end
                continue

            for batch in self._batches(file, group, skip=position - begin):
                yield self._rows(batch, readers, position=position, columns=footer.columns)
                position += batch.num_rows

    def _batches(self, file: Any, group: int, *, skip: int) -> Iterator[Any]:
        size = self.sizes.chunk_records
        for batch in file.iter_batches(batch_size=size, row_groups=[group], use_threads=False):
            if skip < batch.num_rows:
                yield batch.slice(skip)

            skip = max(0, skip - batch.num_rows)

    def _rows(
        self, batch: Any, readers: list[Reader], *, position: int, columns: tuple[str, ...]
    ) -> Parsed:
        values = [read(column) for read, column in zip(readers, batch.columns, strict=True)]
        rows = list(zip(*values, strict=True))
        positions = range(position + 1, position + 1 + len(rows))
        bad = {
            index
            for column in values
            if Unreadable in set(map(type, column))
            for index, value in enumerate(column)
            if type(value) is Unreadable
        }
        if not bad:
            return Parsed(
                positions=positions, records=rows, rejected=[], count=len(rows), consumed=len(rows)
            )

        good = [index for index in range(len(rows)) if index not in bad]
        return Parsed(
            positions=[positions[index] for index in good],
            records=[rows[index] for index in good],
            rejected=[
                self._rejection(dict(zip(columns, rows[index], strict=True)), positions[index])
                for index in sorted(bad)
            ],
            count=len(rows),
            consumed=len(rows),
        )

    def _rejection(self, record: dict[str, Any], position: int) -> Rejection:
        faults = [value.fault for value in record.values() if type(value) is Unreadable]
        return Rejection(
            source=self.name,
            position=position,
            stage=Stage.INTAKE,
            reason=faults[0].reason,
            detail=f"row {position}: {'; '.join(fault.detail for fault in faults)}",
            record={
                name: value.shown if type(value) is Unreadable else value
                for name, value in record.items()
            },
        )

    def _found_footer(self) -> _Footer:
        if self._footer is None:
            with self._opened() as file:
                footer = file.metadata
                groups = range(footer.num_row_groups)
                self._footer = _Footer(
                    columns=tuple(file.schema_arrow.names),
                    rows=tuple(footer.row_group(group).num_rows for group in groups),
                )

            check_names(self._footer.columns, self.origin.label, "Write the file with such names.")

        return self._footer

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """Open the file; whatever Arrow finds wrong with it is a SourceError."""
        pa = pyarrow(what=self.origin.label)
        parquet = pyarrow("pyarrow.parquet", what=self.origin.label)
        with self.origin.open() as raw:
            if not raw.seekable():
                raise SourceError(
                    f"{self.origin.label} is a Parquet file, which is read from its end. Put it in "
                    "a file of its own."
                )

            try:
                # Without `pre_buffer` and in small pieces: memory grows with the row group else.
                # Arrow takes a short read for the end: what is buffered gives all it is asked for.
                whole = io.BufferedReader(raw, HEAD_BYTES)
                with parquet.ParquetFile(whole, pre_buffer=False, buffer_size=BUFFER_BYTES) as file:
                    yield file
            except (pa.ArrowException, OSError) as error:
                raise SourceError(
                    f"{self.origin.label} is no Parquet file, or damaged: {error}. Everything "
                    "before the damage was read; fetch the file again for the rest."
                ) from error
