"""Inflating: an answer's body as it was before it was compressed, piece by piece.

Sans-IO. A few bytes may inflate to very many, so what comes out is cut into slices; and a stream
that ends too early is no end, which only whoever inflates it can see.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Inflater",)

SLICE_BYTES: Final = 1 << 18
_GZIP: Final = 16 + zlib.MAX_WBITS


class Inflater:
    """Inflates a body with this `Content-Encoding`. Raises ValueError where it is none it knows."""

    def __init__(self, encoding: str) -> None:
        self._stream = _stream(encoding)
        self._empty = True

    @property
    def whole(self) -> bool:
        """Whether the body may end here."""
        return self._stream is None or self._stream.eof or self._empty

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield what the piece inflates to. Raises ValueError where it was not compressed so."""
        if self._stream is None:
            yield piece
            return

        self._empty = self._empty and not piece
        try:
            while piece:
                if self._stream.eof:  # another member may follow the first
                    self._stream = zlib.decompressobj(_GZIP)

                if inflated := self._stream.decompress(piece, SLICE_BYTES):
                    yield inflated

                piece = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise ValueError(f"the answer's compression is broken ({error})") from None


def _stream(encoding: str) -> zlib._Decompress | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip":
            return zlib.decompressobj(_GZIP)
        case other:
            raise ValueError(f"the answer is compressed as {other[:20]!r}, which was not asked for")
