"""NDJSON: a JSON object a line, read a block at a time.

A block in which all is well is parsed line by line in one call; only a block that shows trouble
is walked in Python. Lines end in LF (a CR before it is white space); blank lines are not records
and take no position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from .file import HeadedSource
from .json_text import mend_numbers, parse_object
from .opening import open_text
from .precision import inexact_places
from .reading import Fault, Parsed, Place, offset_of, read_chunks
from .source import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .blocks import Sizes
    from .ranges import Ranges
    from .source import Chunk, Fingerprint, Mark, Rejection

__all__ = ("NdjsonParser", "NdjsonSource")


@dataclass(slots=True, kw_only=True, eq=False)
class NdjsonSource(HeadedSource):
    """A file of JSON lines (or stdin). Picklable before `chunks`."""

    def fingerprint(self) -> Fingerprint:
        """Recognise the content; raises SourceError if it cannot be read."""
        codec = self._found_head().codec or "utf-8"
        return replace(self.origin.fingerprint(self.name), reading=f"ndjson, {codec}")

    def columns(self) -> None:
        """None: every record names its own fields. Raises SourceError if it cannot be read."""
        self._found_head()

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield every record whose position is not in `after`, reading from `start` on."""
        head = self._found_head()
        offset = offset_of(start, head.bom_bytes)
        parser = NdjsonParser(
            source=self.name, sizes=self.sizes, lines=start.lines if start.position else 0
        )
        with open_text(self.origin, codec=head.codec, offset=offset) as stream:
            yield from read_chunks(
                stream,
                parser,
                after=after,
                position=start.position,
                offset=offset,
                sizes=self.sizes,
            )


class NdjsonParser:
    """Parses blocks of UTF-8. `lines` is how many came before the first block, if known."""

    columns: ClassVar[None] = None
    line_ends: ClassVar[tuple[bytes, ...]] = (b"\n",)

    def __init__(self, *, source: str, sizes: Sizes, lines: int | None) -> None:
        self.source = source
        self._sizes = sizes
        self.lines = lines

    def parse(self, block: bytes, position: int, *, final: bool) -> Parsed:
        """Parse all lines of `block`; see `reading.Parser`."""
        lines = block.removesuffix(b"\n").split(b"\n")
        parsed = self._parse_whole(block, lines, position) or self._walk(block, lines, position)
        if self.lines is not None:
            self.lines += len(lines)

        return parsed

    def _parse_whole(self, block: bytes, lines: list[bytes], position: int) -> Parsed | None:
        """Parse lines of which every one is an object; None if one is not."""
        if len(block) > self._sizes.line_bytes:
            return None

        try:
            records = list(map(orjson.loads, lines))
            if set(map(type, records)) != {dict}:
                return None

            if places := list(inexact_places(block)):
                starts = [0, *accumulate(len(line) + 1 for line in lines)]
                mend_numbers(records, lines, starts=starts, places=places)
        except ValueError:
            return None

        positions = range(position + 1, position + 1 + len(records))
        return Parsed(
            positions=positions,
            records=records,
            rejected=[],
            count=len(records),
            consumed=len(block),
        )

    def _walk(self, block: bytes, lines: list[bytes], position: int) -> Parsed:
        """Parse lines one by one, and reject those that are no objects."""
        place = Place(source=self.source, position=position, lines=self.lines)
        positions: list[int] = []
        records: list[Any] = []
        rejected: list[Rejection] = []
        for number, line in enumerate(lines):
            if not line.strip(b" \t\r"):
                continue

            count = len(records) + len(rejected) + 1
            record = self._object(line)
            if isinstance(record, Fault):
                rejected.append(place.reject(line, record, count=count, line=number))
            else:
                records.append(record)
                positions.append(position + count)

        return Parsed(
            positions=positions,
            records=records,
            rejected=rejected,
            count=len(records) + len(rejected),
            consumed=len(block),
        )

    def _object(self, line: bytes) -> dict[str, Any] | Fault:
        if len(line) > self._sizes.line_bytes:
            return Fault("line_too_long", f"is longer than {self._sizes.line_bytes} bytes")

        return parse_object(line)
