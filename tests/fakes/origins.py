"""Origins held in memory: stored bytes without a disk, and without a pipe."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.intake.source import Fingerprint

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True)
class MemoryOrigin:
    """Bytes that can be opened as often as a file."""

    data: bytes
    label: str = "memory.csv"

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def is_distant(self) -> bool:
        return False

    def open(self) -> io.RawIOBase:
        return _Raw(self.data)

    def preview(self) -> io.RawIOBase:
        return self.open()

    def idle(self) -> bool:
        return False

    def fingerprint(self, name: str) -> Fingerprint:
        return Fingerprint(name=name, size=len(self.data), digest=str(hash(self.data)))


class _Raw(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._bytes = io.BytesIO(data)

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._bytes.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._bytes.seek(offset, whence)

    def tell(self) -> int:
        return self._bytes.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
