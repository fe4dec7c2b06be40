"""Origins: where stored bytes come from, and how what they hold is recognised again.

A file can be opened as often as one likes. Standard input can be read only once, so what a
preview took from it is kept, travels with the origin when that is pickled, and comes first when
the origin is opened.
"""

from __future__ import annotations

import hashlib
import io
import os
import select
from typing import TYPE_CHECKING, Final, Protocol

from ..errors import SourceError
from .source import Fingerprint

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import WriteableBuffer

__all__ = ("HEAD_BYTES", "Origin", "PathOrigin", "StdinOrigin", "read_up_to")

HEAD_BYTES: Final = 64 * 1024
_PATIENCE_SECONDS: Final = 0.05  # how long a half-filled block waits for more of a live stdin


class Origin(Protocol):
    """Stored bytes, as they lie on disk or come through a pipe. Picklable before `open`."""

    @property
    def label(self) -> str:
        """What messages call it."""

    @property
    def size(self) -> int | None:
        """Bytes as stored; None where that cannot be known."""

    def preview(self) -> io.RawIOBase:
        """Open from the first byte, to look: nothing read here is lost to `open`."""

    def open(self) -> io.RawIOBase:
        """Open from the first byte, to read through."""

    def idle(self) -> bool:
        """Whether a reader would have to wait for the next byte."""

    def fingerprint(self, name: str) -> Fingerprint:
        """Recognise what it holds; `name` is the source's."""


class PathOrigin:
    """A regular file."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def label(self) -> str:
        return str(self._path)

    @property
    def size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error

    def open(self) -> io.RawIOBase:
        try:
            return io.FileIO(self._path)
        except OSError as error:
            raise self._unreadable(error) from error

    def preview(self) -> io.RawIOBase:
        return self.open()

    def idle(self) -> bool:
        return False

    def fingerprint(self, name: str) -> Fingerprint:
        digest = hashlib.blake2b(digest_size=20)
        with self.open() as raw:
            try:
                digest.update(read_up_to(raw, HEAD_BYTES))
                size = raw.seek(0, os.SEEK_END)
                raw.seek(max(0, size - HEAD_BYTES))
                digest.update(read_up_to(raw, HEAD_BYTES))
            except OSError as error:
                raise self._unreadable(error) from error

        return Fingerprint(name=name, size=size, digest=digest.hexdigest())

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            f"{self._path} cannot be read: {error.strerror or error}. "
            "Check the path in [source] url and the file's permissions."
        )

    def __repr__(self) -> str:
        return f"PathOrigin({str(self._path)!r})"


class StdinOrigin:
    """Standard input, or whatever else is open for reading as `descriptor`."""

    __slots__ = ("_descriptor", "_kept", "_opened")

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        self._opened = False

    @property
    def label(self) -> str:
        return "standard input"

    @property
    def size(self) -> None:
        return None

    def preview(self) -> io.RawIOBase:
        return _Replay(self._descriptor, self._kept, keep=True)

    def open(self) -> io.RawIOBase:
        if self._opened:
            raise SourceError(
                "standard input can be read only once. Put the data in a file to read it again."
            )

        self._opened = True
        return _Replay(self._descriptor, self._kept, keep=False)

    def idle(self) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], _PATIENCE_SECONDS)
        return not ready

    def fingerprint(self, name: str) -> Fingerprint:
        with self.preview() as raw:
            head = read_up_to(raw, HEAD_BYTES)

        digest = hashlib.blake2b(head, digest_size=20).hexdigest()
        return Fingerprint(name=name, size=None, digest=digest)

    def __repr__(self) -> str:
        return f"<StdinOrigin {self._descriptor} with {len(self._kept)} bytes kept>"


class _Replay(io.RawIOBase):
    """What was kept of a descriptor, then what still comes from it.

    While previewing (`keep`), what comes is kept as well.
    """

    def __init__(self, descriptor: int, kept: bytearray, *, keep: bool) -> None:
        self._descriptor = descriptor
        self._kept = kept
        self._keep = keep
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer)
        data = bytes(self._kept[self._position : self._position + len(target)])
        if not data and target:
            data = self._fetch(len(target))

        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch(self, size: int) -> bytes:
        try:
            data = os.read(self._descriptor, size)
        except OSError as error:
            raise SourceError(
                f"standard input cannot be read: {error.strerror}. "
                "Pipe the data in, or name a file in [source] url."
            ) from error

        if self._keep:
            self._kept += data

        return data


def read_up_to(raw: io.RawIOBase, size: int) -> bytes:
    """Read `size` bytes, fewer only where the end comes first."""
    pieces = []
    while size and (piece := raw.read(size)):
        pieces.append(piece)
        size -= len(piece)

    return b"".join(pieces)
