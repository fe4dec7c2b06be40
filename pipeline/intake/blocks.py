"""Blocks: a stream cut where lines end, in bounded memory.

A block ends at a line end, at the end of the stream, or inside a line that is longer than
`Sizes.line_bytes`: then the parser rejects that line and the rest of it is passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SourceError

if TYPE_CHECKING:
    from .encoding import Stream

__all__ = ("Blocks", "Sizes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What bounds a reader's memory. What is read does not depend on the first two."""

    chunk_records: int = 1_000
    """Records in a chunk, about."""

    block_bytes: int = 512 * 1024
    """Bytes read at once, at most: larger blocks fall out of the processor's cache."""

    quote_bytes: int = 1024 * 1024
    """Bytes of a record that goes over several lines: beyond it, its quote was never closed."""

    line_bytes: int = 4 * 1024 * 1024
    """Bytes of a line."""

    def __post_init__(self) -> None:
        if not 0 < self.block_bytes <= self.quote_bytes <= self.line_bytes:
            raise ValueError("block_bytes, quote_bytes and line_bytes ascend from 1")

    def next_block(self, consumed: int, records: int) -> int:
        """Bytes to read next, where `consumed` bytes have just held `records` records."""
        wanted = consumed * self.chunk_records // max(1, records)
        return min(self.block_bytes, max(16 * 1024, wanted))


class Blocks:
    """Takes blocks from a stream; each `take` is followed by `done`.

    `consumed` counts the bytes that are done with. Damage in the stream is raised by the `take`
    that finds no complete line before it.
    """

    __slots__ = (
        "_block",
        "_data",
        "_held",
        "_line_ends",
        "_sizes",
        "_stopped",
        "_stream",
        "_torn",
        "_trouble",
        "consumed",
    )

    def __init__(self, stream: Stream, sizes: Sizes, line_ends: tuple[bytes, ...]) -> None:
        self._stream = stream
        self._sizes = sizes
        # b"\n", and b"\r" where it may stand alone; none: a block may end anywhere
        self._line_ends = line_ends
        self._data = b""
        self._block = b""
        self._held = 0  # bytes of _data that hold no complete record
        self._torn = False  # the block ends inside a line
        self._stopped = False
        self._trouble: SourceError | None = None
        self.consumed = 0

    @property
    def ended(self) -> bool:
        """Whether the stream ends, undamaged, where the block taken last ends."""
        return self._stopped and not self._data and self._trouble is None

    def take(self, size: int) -> bytes:
        """Return about `size` bytes up to a line end, or b"" at the end.

        Where nothing of the last block was consumed, it comes again with at least a line more.
        """
        want = self._held + size
        self._fill(want)
        while not self._has_block(want):
            want = max(want, len(self._data)) + size
            self._fill(want)

        return self._block

    def done(self, consumed: int) -> None:
        """Say how many bytes of the block need not be seen again."""
        rest = self._block[consumed:]
        self.consumed += consumed
        self._data = rest + self._data
        self._held = 0 if consumed else len(rest)
        if self._torn and not rest:
            self._pass_over_line()

    def _has_block(self, want: int) -> bool:
        """Cut the next block, of at most `want` bytes, if one can be cut."""
        cut = self._line_end(min(want, len(self._data)))
        self._torn = False
        if cut <= self._held:
            if want < len(self._data):
                return False

            if self._trouble is not None:
                raise self._trouble

            if not (self._stopped or self._is_overlong()):
                return False

            cut = len(self._data)
            self._torn = not self._data.endswith(self._line_ends)

        self._block, self._data = self._data[:cut], self._data[cut:]
        self._held = 0
        return True

    def _is_overlong(self) -> bool:
        """Whether what is at hand is part of a line that is too long.

        Not while it ends in what may be half of a line end: the other half would be a line more.
        """
        if b"\r" in self._line_ends and self._data.endswith(b"\r"):
            return False

        return len(self._data) - self._held > self._sizes.line_bytes

    def _line_end(self, limit: int) -> int:
        """One past the last line end before `limit`, or 0.

        A carriage return at the limit itself may be half of a line end, and is left out.
        """
        if not self._line_ends:
            return limit

        cut = self._data.rfind(b"\n", 0, limit) + 1
        if cut <= self._held and b"\r" in self._line_ends:
            return self._data.rfind(b"\r", self._held, max(limit - 1, self._held)) + 1

        return cut

    def _fill(self, want: int) -> None:
        """Read until `want` bytes are at hand, or no more can be had without waiting."""
        pieces = [self._data]
        missing = want - len(self._data)
        while missing > 0 and not self._stopped:
            pieces.append(self._read(missing))
            missing -= len(pieces[-1])
            if self._stream.idle():
                break

        self._data = b"".join(pieces) if len(pieces) > 1 else self._data

    def _read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except SourceError as error:
            self._trouble = error
            data = b""

        self._stopped = not data
        return data

    def _pass_over_line(self) -> None:
        while self._data or not self._stopped:
            data = self._data or self._read(64 * 1024)
            ends = [place for end in self._line_ends if (place := data.find(end)) >= 0]
            cut = min(ends) + 1 if ends else len(data)
            self.consumed += cut
            self._data = data[cut:]
            if ends:
                self._pass_over_line_feed(data[cut - 1])
                return

    def _pass_over_line_feed(self, end: int) -> None:
        """Where a line was passed over up to a carriage return, its line feed belongs to it."""
        if end == ord("\r"):
            self._data = self._data or self._read(64 * 1024)
            rest = self._data.removeprefix(b"\n")
            self.consumed += len(self._data) - len(rest)
            self._data = rest
