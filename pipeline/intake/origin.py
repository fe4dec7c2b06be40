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
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from ..errors import SourceError
from .recognised import HEAD_BYTES, RecognisedFile, beginnings_of, digest_of, read_up_to
from .source import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from _typeshed import WriteableBuffer

    from .recognised import Content

__all__ = ("Growing", "Origin", "PathOrigin", "StdinOrigin")

_PATIENCE_SECONDS: Final = 0.05  # how long a half-filled block waits for more of a live stdin


class Origin(Protocol):
    """Stored bytes, as they lie on disk or come through a pipe. Picklable before `open`."""

    @property
    def label(self) -> str:
        """What messages call it."""

    @property
    def size(self) -> int | None:
        """Bytes as stored; None where that cannot be known."""

    @property
    def is_distant(self) -> bool:
        """Whether the next byte may be long in coming: it comes from elsewhere."""

    def preview(self) -> io.RawIOBase:
        """Open from the first byte, to look: nothing read here is lost to `open`."""

    def open(self) -> io.RawIOBase:
        """Open from the first byte, to read through."""

    def idle(self) -> bool:
        """Whether a reader would have to wait for the next byte."""

    def fingerprint(self, name: str) -> Fingerprint:
        """Recognise what it holds; `name` is the source's."""


@runtime_checkable
class Growing(Protocol):
    """An origin to which something may have been appended since it was recognised."""

    def beginnings(self, sizes: Iterable[int]) -> Iterator[Content]:
        """What it was when it had so many bytes, for each of the sizes that are less than it has.

        It is opened once for all of them. Raises SourceError where it cannot be read.
        """


class PathOrigin:
    """A regular file. Once it was recognised, it is read as long as it is that file.

    What is appended to it from then on is not read any more.
    """

    __slots__ = ("_digest", "_path", "_size")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size: int | None = None
        self._digest = ""

    @property
    def label(self) -> str:
        return str(self._path)

    @property
    def size(self) -> int:
        if self._size is not None:
            return self._size

        try:
            return self._path.stat().st_size
        except OSError as error:
            raise self._unreadable(error) from error

    @property
    def is_distant(self) -> bool:
        return False

    def open(self) -> io.RawIOBase:
        try:
            file = RecognisedFile(self._path, self._size)
            try:
                if self._size is not None:
                    file.hold_against(self._digest)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise self._unreadable(error) from error

        return file

    def preview(self) -> io.RawIOBase:
        return self.open()

    def idle(self) -> bool:
        return False

    def fingerprint(self, name: str) -> Fingerprint:
        found = self.now(name)
        self._size, self._digest = found.size, found.digest
        return found

    def now(self, name: str) -> Fingerprint:
        """What it holds now, and is still read only as far as it was recognised before."""
        try:
            with io.FileIO(self._path) as raw:
                size = raw.seek(0, os.SEEK_END)
                return Fingerprint(name=name, size=size, digest=digest_of(raw, size))
        except OSError as error:
            raise self._unreadable(error) from error

    def beginnings(self, sizes: Iterable[int]) -> Iterator[Content]:
        """What it was when it had so many bytes, for each of the sizes that are less than it has
        now."""
        try:
            with io.FileIO(self._path) as raw:
                yield from beginnings_of(raw, sizes)
        except OSError as error:
            raise self._unreadable(error) from error

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

    @property
    def is_distant(self) -> bool:
        return True

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
