"""Encodings: every stream is UTF-8 by the time it is parsed.

What is UTF-8 already passes untouched. Any other codec is decoded and encoded again; bytes it
cannot decode become code points that UTF-8 does not allow (U+DC00 + byte), so that a parser meets
them as what they are: invalid text in one record.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Final, Protocol

from ..errors import SourceError

if TYPE_CHECKING:
    from codecs import IncrementalDecoder

__all__ = ("UTF8_BOM", "Stream", "Transcoder", "codec_of", "readable", "transcode")

UTF8_BOM: Final = codecs.BOM_UTF8
_MARKS: Final = (  # UTF-32's mark begins like UTF-16's: it is tried first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNDECODABLE: Final = "journey-undecodable"
_KEPT_BYTE = re.compile(rb"\xed([\xb0-\xb3])([\x80-\xbf])")


class Stream(Protocol):
    """Bytes read forward; the order of calls is skip, then read until b""."""

    def read(self, size: int) -> bytes:
        """Return at least one byte and about `size` at most, or b"" at the end.

        Raises SourceError where what is stored is damaged.
        """

    def skip(self, count: int) -> None:
        """Leave out the next `count` bytes."""

    def idle(self) -> bool:
        """Whether a reader would have to wait for the next byte."""

    def share(self) -> float | None:
        """How much of what is stored has been read, 0 to 1; None where it cannot be known."""


def codec_of(head: bytes, declared: str | None) -> str | None:
    """Name the codec of a text that begins with `head`; None where it is UTF-8 already."""
    if declared is None:
        return next((name for mark, name in _MARKS if head.startswith(mark)), None)

    name = codecs.lookup(declared).name
    return None if name in ("utf-8", "utf-8-sig") else name


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error

    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_UNDECODABLE, _keep_bytes)


class Transcoder:
    """A stream in `codec` read as UTF-8, without a byte-order mark."""

    __slots__ = ("_decoder", "_rest", "_stream")

    def __init__(self, stream: Stream, codec: str) -> None:
        self._stream = stream
        self._decoder = _decoder(codec)
        self._rest = b""

    def read(self, size: int) -> bytes:
        data, self._rest = self._rest, b""
        while not data:
            raw = self._stream.read(size)
            data = _as_utf8(self._decoder, raw, final=not raw)
            if not raw:
                break

        return data

    def skip(self, count: int) -> None:
        while count and (data := self.read(64 * 1024)):
            self._rest = data[count:]
            count -= min(count, len(data))

    def idle(self) -> bool:
        return self._stream.idle()

    def share(self) -> float | None:
        return self._stream.share()


def transcode(data: bytes, codec: str, *, whole: bool) -> bytes:
    """The beginning of a text as UTF-8; if not `whole`, a character cut at its end is left."""
    return _as_utf8(_decoder(codec), data, final=whole)


def _decoder(codec: str) -> IncrementalDecoder:
    return codecs.getincrementaldecoder(codec)(_UNDECODABLE)


def _as_utf8(decoder: IncrementalDecoder, raw: bytes, *, final: bool) -> bytes:
    try:
        return decoder.decode(raw, final).encode("utf-8", "surrogatepass")
    except UnicodeError as error:
        raise SourceError(
            f"the text cannot be decoded: {error}. "
            "Set [source] encoding to the codec it was written in."
        ) from error


def readable(raw: bytes) -> str:
    r"""Text of a record for people: what is not valid UTF-8 is written as \xNN."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _KEPT_BYTE.sub(_escaped, raw).decode("utf-8", "backslashreplace")


def _escaped(match: re.Match[bytes]) -> bytes:
    high, low = match[1][0] & 0x0F, match[2][0] & 0x3F
    return b"\\x%02x" % ((high << 6 | low) & 0xFF)
