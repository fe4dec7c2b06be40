"""Plain: what a source holds uncompressed, by which it is recognised however it was compressed.

Beside size and digest, as of any content, there is a ladder: the digests of its beginnings of 8 KiB
and of twice, four, eight times as much, up to its size. Of two sources the shorter one looks like
the beginning of the longer one where the highest rung of the one is the other's, too. Whoever has
the shorter one alone can tell by it, although the place where that ends was not foreseen. There is
no rung below 8 KiB, and one inside the first line does not count: a header alone makes nothing
alike.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import TYPE_CHECKING, Final

from .recognised import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .recognised import Content

__all__ = ("RUNG_BYTES", "Gauge", "Plain", "header_of", "rungs_of")

RUNG_BYTES: Final = 8 * 1024


def rungs_of(size: int) -> list[int]:
    """The sizes of the beginnings that are known of so many bytes, ascending."""
    return list(takewhile(lambda rung: rung <= size, _rungs()))


def _rungs() -> Iterator[int]:
    return (RUNG_BYTES << step for step in count())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """What a source holds uncompressed. `checksum`, a CRC-32, where all of it was read.

    Of what is damaged or cut off, which is not `whole`, it is as much as can be read. `header`, the
    length of its first line, is told where it might matter, and not kept.
    """

    size: int
    digest: str
    rungs: tuple[str, ...] = ()
    checksum: int | None = None
    whole: bool = True
    header: int = field(default=0, compare=False)

    @property
    def content(self) -> Content:
        """By which it is recognised where nobody has compressed it."""
        return self.size, self.digest

    @property
    def head(self) -> str | None:
        """Its lowest rung, if it has one: what has another one is no beginning of it."""
        return self.rungs[0] if self.rungs else None

    def equals(self, other: Plain) -> bool:
        """Whether both are the same, as far as is known of them."""
        if (self.content, self.rungs) != (other.content, other.rungs):
            return False

        return None in (self.checksum, other.checksum) or self.checksum == other.checksum

    def looks_begun(self, whole: Plain) -> bool:
        """Whether it looks like the beginning of another one, which is longer."""
        step = len(self.rungs)
        if not 0 < step <= len(whole.rungs) or self.size >= whole.size:
            return False

        return self.rungs[-1] == whole.rungs[step - 1] and self.header < rungs_of(self.size)[-1]


class Gauge:
    """Measures a text that is fed to it piece by piece: its ladder, and beginnings of other sizes.

    The digests are what `digest_of` gives. Beginnings no longer than the head need not be asked for
    before; it keeps that, and as much of the end.
    """

    def __init__(self, sizes: Iterable[int] = ()) -> None:
        self.size = 0
        self._asked = sorted({size for size in sizes if size > 0}, reverse=True)
        self._rungs = _rungs()
        self._rung = next(self._rungs)
        self._found: dict[int, str] = {}
        self._head = b""
        self._tail = b""
        self._begun = hashlib.blake2b(digest_size=20)
        self._crc32 = _crc32()
        self._checksum = 0

    def feed(self, piece: bytes) -> None:
        """The next piece of the text."""
        self._checksum = self._crc32(piece, self._checksum)
        view = memoryview(piece)
        while (left := self._edge() - self.size) <= len(view):
            self._take(view[:left])
            view = view[left:]
            self._reach()

        self._take(view)

    def _edge(self) -> int:
        """The next size of which a beginning is wanted."""
        return min([self._rung, *self._asked[-1:]])

    def _take(self, piece: memoryview) -> None:
        if len(self._head) < HEAD_BYTES:
            begin = bytes(piece[: HEAD_BYTES - len(self._head)])
            self._begun.update(begin)
            self._head += begin

        if len(piece) < HEAD_BYTES:
            self._tail = (self._tail + bytes(piece))[-HEAD_BYTES:]
        else:
            self._tail = bytes(piece[-HEAD_BYTES:])

        self.size += len(piece)

    def _reach(self) -> None:
        self._found[self.size] = self._digest()
        if self.size == self._rung:
            self._rung = next(self._rungs)

        if self._asked[-1:] == [self.size]:
            self._asked.pop()

    def _digest(self) -> str:
        whole = self._begun.copy()
        whole.update(self._tail)
        return whole.hexdigest()

    @property
    def plain(self) -> Plain:
        """What was fed so far."""
        return Plain(
            size=self.size,
            digest=self._digest(),
            rungs=tuple(self._found[rung] for rung in rungs_of(self.size)),
            checksum=self._checksum,
            header=header_of(self._head),
        )

    def beginning(self, size: int) -> str | None:
        """The digest of the first `size` bytes; None where they were not asked for, or are not
        there."""
        if not 0 < size <= self.size:
            return None

        if size <= len(self._head):
            begin = self._head[:size]
            return hashlib.blake2b(begin + begin, digest_size=20).hexdigest()

        return self._found.get(size)


def header_of(head: bytes) -> int:
    """The length of the first line, which begins a text; 0 where that has no end."""
    ends = [end for end in (head.find(b"\n"), head.find(b"\r")) if end >= 0]
    return min(ends, default=-1) + 1


def _crc32() -> Callable[[bytes, int], int]:
    try:
        from isal.isal_zlib import crc32  # noqa: PLC0415  # optional, and several times as fast
    except ImportError:
        from zlib import crc32  # noqa: PLC0415

    return crc32
