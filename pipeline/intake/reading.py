"""Reading: the loop that every file source shares, from a stream to chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from .blocks import Blocks
from .encoding import readable
from .ranges import Ranges
from .source import Chunk, Mark, Rejection, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .blocks import Sizes
    from .encoding import Stream
    from .source import FileSource

__all__ = (
    "SHOWN_BYTES",
    "Fault",
    "Parsed",
    "Parser",
    "Place",
    "head",
    "leave_out",
    "offset_of",
    "read_chunks",
)

SHOWN_BYTES: Final = 1024  # of a line that is too long to be kept


@dataclass(slots=True, kw_only=True)
class Parsed:
    """What a parser made of a block: the first `consumed` bytes of it hold `count` records."""

    positions: Sequence[int]
    records: Sequence[Any]
    rejected: list[Rejection]
    count: int
    consumed: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one record: a stable word, and the rest of a sentence on its line."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a source was read before a block: the last position, the last line if known."""

    source: str
    position: int
    lines: int | None

    def reject(self, raw: bytes, fault: Fault, *, count: int, line: int) -> Rejection:
        """Reject the block's record number `count` (from 1), on its line `line` (from 0)."""
        position = self.position + count
        where = f"record {position}" if self.lines is None else f"line {self.lines + line + 1}"
        shown = raw[:SHOWN_BYTES] if fault.reason == "line_too_long" else raw
        return Rejection(
            source=self.source,
            position=position,
            stage=Stage.INTAKE,
            reason=fault.reason,
            detail=f"{where} {fault.detail}",
            record=readable(shown).rstrip("\r\n"),
        )


class Parser(Protocol):
    """Turns blocks into records, one after the other. A bad record is rejected, never raised."""

    @property
    def source(self) -> str:
        """The name records carry."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of a record's fields, where they are the same for all."""

    @property
    def line_ends(self) -> tuple[bytes, ...]:
        """What ends a line."""

    @property
    def lines(self) -> int | None:
        """How many lines were parsed or came before, where that is known."""

    def parse(self, block: bytes, position: int, *, final: bool) -> Parsed:
        """Parse the records that lie wholly in `block`, of which the first is `position` + 1.

        Nothing follows a `final` block, and all of it may be consumed; where a block is not final
        and holds no complete record, nothing is consumed.
        """


def read_chunks(
    stream: Stream,
    parser: Parser,
    *,
    after: Ranges,
    position: int,
    offset: int,
    sizes: Sizes,
) -> Iterator[Chunk]:
    """Yield the records of a stream but for those in `after`.

    The stream is opened at byte `offset`, where record `position` + 1 begins.
    """
    blocks = Blocks(stream, sizes, parser.line_ends)
    size = min(64 * 1024, sizes.block_bytes)
    while block := blocks.take(size):
        parsed = parser.parse(block, position, final=blocks.ended)
        blocks.done(parsed.consumed)
        if not parsed.consumed:
            continue

        size = sizes.next_block(parsed.consumed, parsed.count)
        leave_out(parsed, after, position)
        position += parsed.count
        yield Chunk(
            source=parser.source,
            columns=parser.columns,
            positions=parsed.positions,
            records=parsed.records,
            rejected=parsed.rejected,
            mark=Mark(position, offset + blocks.consumed, parser.lines),
            share=stream.share(),
        )


def offset_of(start: Mark, first: int) -> int:
    """Where to begin reading at `start`, if the first record lies at byte `first`."""
    if start.offset is None:
        raise ValueError(f"{start} counts what was read and is no place to read from")

    return max(start.offset, first)


def leave_out(parsed: Parsed, after: Ranges, position: int) -> None:
    """Take what lies in `after` out of `parsed`, whose first record is `position` + 1."""
    first, last = position + 1, position + parsed.count
    if not after.touches(first, last):
        return

    if after.covers(first, last):
        parsed.positions, parsed.records, parsed.rejected = (), [], []
        return

    kept = [index for index, place in enumerate(parsed.positions) if place not in after]
    parsed.records = [parsed.records[index] for index in kept]
    parsed.positions = [parsed.positions[index] for index in kept]
    parsed.rejected = [each for each in parsed.rejected if each.position not in after]


def head(source: FileSource, count: int) -> tuple[tuple[str, ...] | None, list[Any]]:
    """Return the columns and the first `count` readable records.

    Standard input is used up by this.
    """
    records: list[Any] = []
    chunks = source.chunks(Ranges())
    while len(records) < count and (chunk := next(chunks, None)):
        records += chunk.records

    return source.columns(), records[:count]
