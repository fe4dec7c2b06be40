"""Recognised files: read as far as they were recognised, and as long as they are what they were.

A file is recognised by its size and by a digest of its head and its tail.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

__all__ = (
    "HEAD_BYTES",
    "Beginnings",
    "Content",
    "RecognisedFile",
    "beginnings_of",
    "digest_of",
    "read_up_to",
)

HEAD_BYTES: Final = 64 * 1024

Content = tuple[int, str]
"""By which what a file holds is recognised: its size, and the digest of its head and its tail."""

Beginnings = Callable[[Iterable[int]], Iterable[Content]]
"""Told sizes, it tells what sources were if they had so many bytes and something was appended."""


class RecognisedFile(io.FileIO):
    """A file of which `size` bytes are read, whatever has been appended since; None: all of it.

    Raises SourceError at the end of a file that has become shorter.
    """

    def __init__(self, path: Path, size: int | None) -> None:
        super().__init__(path)
        self._bound = size

    def hold_against(self, digest: str) -> None:
        """Raise SourceError unless it still is, as far as it is read, what has this digest.

        Positions would mean other records, and what is sent would stand under another's name.
        """
        bound = self._bound or 0
        if os.fstat(self.fileno()).st_size < bound:
            raise self._shorter("since it was looked at", "Nothing of it was read since")

        if digest_of(self, bound) != digest:
            raise SourceError(
                f"{self.name} is not the file it was when it was looked at: it was replaced or "
                "written to. Nothing of it was read since; put it back as it was to go on with it, "
                "or start anew with what it is now"
            )

        self.seek(0)

    def read(self, size: int | None = -1, /) -> bytes:
        if self._bound is None:
            return super().read(size)

        room = max(0, self._bound - self.tell())
        wanted = room if size is None or size < 0 else min(size, room)
        data = super().read(wanted)
        if wanted and not data:
            raise self._shorter()

        return data

    def readall(self) -> bytes:
        return super().readall() if self._bound is None else self.read()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END and self._bound is not None:
            return super().seek(self._bound + offset)

        return super().seek(offset, whence)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._bound is None:
            return super().readinto(buffer)

        room = max(0, self._bound - self.tell())
        view = memoryview(buffer)[:room]
        count = super().readinto(view)
        if view and not count:
            raise self._shorter()

        return count

    def _shorter(
        self, when: str = "while it was read", reached: str = "Nothing behind that was read"
    ) -> SourceError:
        now = os.fstat(self.fileno()).st_size
        return SourceError(
            f"{self.name} has shrunk {when}, from {self._bound:,} bytes to {now:,}. {reached}; put "
            "the whole file back to go on"
        )


def digest_of(raw: io.RawIOBase, size: int) -> str:
    """Of head and tail of the first `size` bytes."""
    digest = hashlib.blake2b(digest_size=20)
    for begin, end in ((0, min(HEAD_BYTES, size)), (max(0, size - HEAD_BYTES), size)):
        raw.seek(begin)
        digest.update(read_up_to(raw, end - begin))

    return digest.hexdigest()


def beginnings_of(raw: io.RawIOBase, sizes: Iterable[int]) -> Iterator[Content]:
    """What an open file was when it had so many bytes, for each of the sizes that are less than it
    has now, ascending: the digest is what `digest_of` gives, however many are asked for.

    Each byte is read once at most, and the head hashed once; what no tail needs is not read.
    """
    end = raw.seek(0, os.SEEK_END)
    wanted = {size for size in sizes if 0 < size < end}
    if not wanted:
        return

    head, tail, at = hashlib.blake2b(digest_size=20), bytearray(), raw.seek(0)
    for size in sorted(wanted | {HEAD_BYTES}):  # the whole head before anything is leapt over
        if size - HEAD_BYTES > at:
            at = raw.seek(size - HEAD_BYTES)
            tail.clear()

        piece = read_up_to(raw, size - at)
        head.update(piece[: max(0, HEAD_BYTES - at)])
        tail += piece
        del tail[:-HEAD_BYTES]
        at += len(piece)
        if at < size:  # it has been cut meanwhile
            return

        if size in wanted:
            whole = head.copy()
            whole.update(tail)
            yield size, whole.hexdigest()


def read_up_to(raw: io.RawIOBase, size: int) -> bytes:
    """Read `size` bytes, fewer only where the end comes first."""
    pieces = []
    while size and (piece := raw.read(size)):
        pieces.append(piece)
        size -= len(piece)

    return b"".join(pieces)
