"""JSON: a file that is one array of objects, or of objects a line.

A file called .json whose objects stand one a line, without an array around them, is read as NDJSON.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import SourceError
from .file import HeadedSource
from .json_array import BLANK, BLANKS, JsonArrayParser
from .json_text import parse_object
from .ndjson import NdjsonSource
from .opening import open_text
from .reading import offset_of, read_chunks
from .source import START

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .opening import Head
    from .ranges import Ranges
    from .source import Chunk, Fingerprint, Mark

__all__ = ("JsonSource",)


@dataclass(slots=True, kw_only=True, eq=False)
class JsonSource(HeadedSource):
    """A file that is an array of objects, or of objects a line. Picklable before `chunks`."""

    def fingerprint(self) -> Fingerprint:
        """Recognise the content; raises SourceError if it cannot be read."""
        if lines := self._lines():
            return lines.fingerprint()

        codec = self._found_head().codec or "utf-8"
        return replace(self.origin.fingerprint(self.name), reading=f"json array, {codec}")

    def columns(self) -> None:
        """None: every record names its own fields. Raises SourceError if it cannot be read."""
        self._lines()

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield every record whose position is not in `after`, reading from `start` on."""
        if lines := self._lines():
            yield from lines.chunks(after, start)
            return

        head = self._found_head()
        offset = offset_of(start, _array_of(head))
        parser = JsonArrayParser(source=self.name, sizes=self.sizes)
        with open_text(self.origin, codec=head.codec, offset=offset) as stream:
            chunks = read_chunks(
                stream,
                parser,
                after=after,
                position=start.position,
                offset=offset,
                sizes=self.sizes,
            )
            yield from _last_together(chunks, parser)

    def _lines(self) -> NdjsonSource | None:
        """What reads the file where it is no array. Raises SourceError where it is neither."""
        head = self._found_head()
        text = head.text[head.bom_bytes :].lstrip(BLANKS)
        if not text or text.startswith(b"["):
            return None

        first, end, _ = text.partition(b"\n")
        if (end or head.whole) and isinstance(parse_object(first), dict):
            return NdjsonSource(
                name=self.name, origin=self.origin, policy=self.policy, sizes=self.sizes
            )

        raise SourceError(
            f"{self.origin.label} is neither an array of JSON objects nor an object a line. "
            "Nothing was sent. Take the array out of what is around it, as with "
            "jq -c '.contacts[]', and name the file .ndjson."
        )


def _array_of(head: Head) -> int:
    """The byte at which the array opens."""
    blank = BLANK.match(head.text, head.bom_bytes)
    return blank.end() if blank else 0


def _last_together(chunks: Iterator[Chunk], parser: JsonArrayParser) -> Iterator[Chunk]:
    """Hand out what comes once the array has ended as one: no reading may start behind its end."""
    last: Chunk | None = None
    for chunk in chunks:
        if not parser.ended:
            yield chunk
        elif last is None:
            last = chunk
        else:
            last.rejected += chunk.rejected
            last.mark, last.share = chunk.mark, chunk.share

    if last is not None:
        yield last
