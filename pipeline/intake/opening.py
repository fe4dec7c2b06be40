"""Opening: from stored bytes to a stream of UTF-8, at any place of it.

gzip and Zstandard are opened as such: by the name's ending, and without one by the first bytes.
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import SourceError
from .compression import compression_of, damages, decompressor_of
from .encoding import UTF8_BOM, Transcoder, codec_of, transcode
from .recognised import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .compression import Compression
    from .encoding import Stream
    from .origin import Origin

__all__ = (
    "Head",
    "is_compressed",
    "open_stored",
    "open_text",
    "peek",
)

_NO_TEXT = {b"PK\x03\x04": "a zip archive or a spreadsheet", b"PAR1": "a Parquet file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The beginning of a source's text: enough for its encoding and header."""

    text: bytes  # UTF-8, up to 64 KiB or a little more
    codec: str | None  # what it was decoded from; None for UTF-8
    whole: bool  # there is no more than this

    @property
    def bom_bytes(self) -> int:
        """Length of the byte-order mark that `text` begins with, or 0."""
        return len(UTF8_BOM) if self.text.startswith(UTF8_BOM) else 0


def peek(origin: Origin, encoding: str | None) -> Head:
    """Look at the beginning; nothing of it is used up, not even of standard input.

    Raises SourceError where not even the first byte can be read.
    """
    with open_stored(origin, preview=True) as stream:
        data, whole = _gather(stream)

    for magic, kind in _NO_TEXT.items():
        if data.startswith(magic):
            raise SourceError(
                f"{origin.label} is {kind}, and would be read as text. Nothing was sent. "
                "Give the file the ending of what it is, or mend [source] format."
            )

    codec = codec_of(data, encoding)
    text = data if codec is None else transcode(data, codec, whole=whole)
    return Head(text=text, codec=codec, whole=whole)


@contextmanager
def open_text(origin: Origin, *, codec: str | None, offset: int) -> Iterator[Stream]:
    """Open the stream of UTF-8 at byte `offset` of it."""
    with open_stored(origin, preview=False) as stored:
        stream: Stream = stored if codec is None else Transcoder(stored, codec)
        stream.skip(offset)
        yield stream


def is_compressed(origin: Origin) -> bool:
    """Whether its bytes are stored compressed. That they lie in an archive does not count."""
    return _compression(origin) is not None


def _compression(origin: Origin) -> Compression | None:
    with origin.preview() as first:
        return compression_of(origin.label, _first_bytes(first))


@contextmanager
def open_stored(origin: Origin, *, preview: bool) -> Iterator[_Stored]:
    """Open what is stored, uncompressed where it is compressed, from its first byte."""
    compression = _compression(origin)
    with ExitStack() as stack:
        raw = stack.enter_context(origin.preview() if preview else origin.open())
        if compression is None:
            yield _Stored(origin, raw, raw.read)
        else:
            decompressor = decompressor_of(raw, compression)
            stack.callback(decompressor.close)
            yield _Stored(origin, raw, decompressor.read1)


class _Stored:
    """Stored bytes, uncompressed where they are compressed. `read` gives at least one byte."""

    __slots__ = ("_origin", "_plain", "_raw", "_read", "_size")

    def __init__(
        self, origin: Origin, raw: io.RawIOBase, read: Callable[[int], bytes | None]
    ) -> None:
        self._origin = origin
        self._raw = raw
        self._read = read
        self._size = origin.size
        self._plain = read == raw.read

    def read(self, size: int) -> bytes:
        try:
            data = self._read(size) or b""
        except damages() as error:
            raise SourceError(
                f"{self._origin.label} is damaged or cut off near byte {self._raw.tell()} as "
                f"stored: {error}. Everything before was read; fetch the file again for the rest."
            ) from error

        if not data and self._plain:
            self._refuse_half_a_line()

        return data

    def _refuse_half_a_line(self) -> None:
        """Raise SourceError where a file that has grown since ended inside a line.

        Whoever writes it had not finished: what there is of the record is not the record.
        """
        if not (isinstance(self._raw, io.FileIO) and self._size):
            return

        descriptor = self._raw.fileno()
        grown = os.fstat(descriptor).st_size > self._size
        if grown and os.pread(descriptor, 1, self._size - 1) not in b"\r\n":
            raise SourceError(
                f"{self._origin.label} is being written to: its last record was not complete when "
                "the run began. All before it was read; wait until the file is complete, and put "
                "new records into a file of their own"
            )

    def skip(self, count: int) -> None:
        if self._raw.seekable() and self._plain:
            self._raw.seek(count)
            return

        while count and (data := self.read(min(count, 256 * 1024))):
            count -= len(data)

    def idle(self) -> bool:
        return self._origin.idle()

    def share(self) -> float | None:
        if self._size is None:
            return None

        return min(1.0, self._raw.tell() / self._size) if self._size else 1.0


def _first_bytes(raw: io.RawIOBase) -> bytes:
    head = b""
    while len(head) < 4 and (piece := raw.read(4 - len(head))):
        head += piece

    return head


def _gather(stream: Stream) -> tuple[bytes, bool]:
    """Read the head, and whether it is all; damage behind its first byte is met by the reader."""
    pieces: list[bytes] = []
    size = 0
    while size < HEAD_BYTES:
        try:
            piece = stream.read(HEAD_BYTES - size)
        except SourceError:
            if not pieces:
                raise

            break

        if not piece:
            return b"".join(pieces), True

        pieces.append(piece)
        size += len(piece)

    return b"".join(pieces), False
