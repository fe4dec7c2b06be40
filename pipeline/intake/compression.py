"""Compression: which stored bytes are compressed, and what uncompresses them.

By the name's ending, and without one by the first bytes.
"""

from __future__ import annotations

import gzip
import sys
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from .archive import DAMAGES

if TYPE_CHECKING:
    import io

__all__ = ("Compression", "Decompressor", "compression_of", "damages", "decompressor_of")


class Compression(Enum):
    """How stored bytes are compressed: the name's ending, and the first bytes."""

    GZIP = (".gz", b"\x1f\x8b\x08")
    ZSTD = (".zst", b"\x28\xb5\x2f\xfd")

    @property
    def ending(self) -> str:
        return self.value[0]

    @property
    def magic(self) -> bytes:
        return self.value[1]


def compression_of(name: str, head: bytes) -> Compression | None:
    """Tell the compression of what is called `name` and begins with `head`.

    An empty file is not compressed, whatever it is called.
    """
    if not head:
        return None

    for compression in Compression:
        if name.lower().endswith(compression.ending) or head.startswith(compression.magic):
            return compression

    return None


class Decompressor(Protocol):
    """What the libraries for compressed files have in common."""

    def read1(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


def decompressor_of(raw: io.RawIOBase, compression: Compression) -> Decompressor:
    if compression is Compression.GZIP:
        return _gzip(raw)

    return _zstd(raw)


def _gzip(raw: io.RawIOBase) -> Decompressor:
    try:
        from isal.igzip import IGzipFile  # noqa: PLC0415  # optional, and three times as fast
    except ImportError:
        return gzip.GzipFile(fileobj=raw)

    file = IGzipFile(fileobj=raw)  # type: ignore[no-untyped-call]  # isal's class has no types
    return _Careful(file, raw) if raw.seekable() else file


class _Careful:
    """isal's reader up to any damage, Python's own from there.

    Where a file is cut off, isal loses what it has uncompressed of the piece it was asked for.
    """

    def __init__(self, fast: Decompressor, raw: io.RawIOBase) -> None:
        self._file = fast
        self._raw = raw
        self._position = 0
        self._damaged = False

    def read1(self, size: int, /) -> bytes:
        try:
            data = self._file.read1(size)
        except damages():
            if self._damaged:
                raise

            data = self._slowly(size)

        self._position += len(data)
        return data

    def _slowly(self, size: int) -> bytes:
        self._damaged = True
        self._raw.seek(0)
        file = gzip.GzipFile(fileobj=self._raw)
        file.seek(self._position)
        self._file = file
        return file.read1(size)

    def close(self) -> None:
        self._file.close()


def _zstd(raw: io.RawIOBase) -> Decompressor:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdFile  # noqa: PLC0415  # only where a file needs it
    else:
        from backports.zstd import ZstdFile  # noqa: PLC0415  # only where a file needs it

    return ZstdFile(raw)


def damages() -> tuple[type[Exception], ...]:
    """Whatever reading raises where bytes are damaged, cut off, or cannot be fetched.

    NotImplementedError is isal's for a gzip header that it does not know.
    """
    modules = [("isal.igzip_lib", "IsalError"), ("backports.zstd", "ZstdError")]
    modules.append(("compression.zstd", "ZstdError"))
    loaded = (getattr(sys.modules.get(module), name, None) for module, name in modules)
    return (*DAMAGES, NotImplementedError, *filter(None, loaded))
