"""One result file: its descriptor, how far it is written, and how it is put aside.

It is put aside in two steps: `turn`, within the transaction that writes down what it was, and
`turned`, once that is on disk. In between it counts as empty, as the file that comes next is.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

from .schema import sync_directory, translated

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("PIECE_BYTES", "AlteredError", "ResultFile", "crc_of", "holds", "opened")

PIECE_BYTES = 1 << 20
"""How much of a file is held at once."""

_NO_FILE = {errno.ELOOP, errno.ENXIO}
"""What the opening of a link, or of a socket, ends with."""


class AlteredError(Exception):
    """What lies there is not what was written."""


@dataclass(slots=True)
class ResultFile:
    """A file that lines are appended to; nothing may be before `open`."""

    path: Path
    descriptor: int = -1
    written: int = 0
    seq: int = 0
    crc: int = 0
    waiting: list[bytes] = field(default_factory=list)
    newest: int = 0
    turning: tuple[Path | None, int, int] | None = None
    """Where what was written is to lie (None: nowhere), its bytes and its CRC."""

    def open(self) -> None:
        """Open it, made where it is not there, whatever it holds."""
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
        self.descriptor = os.open(self.path, flags, 0o600)

    def close(self) -> None:
        """Closing again does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def displaced(self) -> bool:
        """Whether what lies at its place is not what was written: deleted, replaced, cut."""
        if self.descriptor < 0:
            return False

        try:
            there = self.path.stat()
        except OSError:
            return True

        here = os.fstat(self.descriptor)
        return (there.st_dev, there.st_ino, here.st_size) != (
            here.st_dev,
            here.st_ino,
            self.written,
        )

    def flush(self) -> None:
        """Append what waits, after what was written is put aside where it is to be."""
        if self.turning is not None:
            self.turned()

        if not self.waiting:
            return

        with translated(self.path):
            data = memoryview(b"".join(self.waiting))
            while data:
                count = os.write(self.descriptor, data)
                self.written += count
                self.crc = crc32(data[:count], self.crc)
                data = data[count:]

        self.seq = self.newest
        self.waiting.clear()

    def discard(self) -> None:
        """Forget what waits, and what was to be put aside."""
        self.waiting.clear()
        if self.turning is not None:
            _, self.written, self.crc = self.turning
            self.turning = None

    def turn(self, target: Path) -> tuple[int, int]:
        """What was written is to lie at `target`: its bytes, -1 where it is not there, and CRC."""
        whole = not self.displaced()
        if whole:
            with translated(self.path):
                os.fsync(self.descriptor)

        self.turning = (target if whole else None, self.written, self.crc)
        told = (self.written, self.crc) if whole else (-1, 0)
        self.written = self.crc = 0
        return told

    def turned(self) -> None:
        """Do it: the next line is the first of a new file. Durable when this returns."""
        target = self.turning[0] if self.turning else None
        self.turning = None
        with translated(self.path):
            if target is not None:
                self.path.rename(target)

            self.close()
            self.open()
            if target is None:  # what lies there is not ours
                os.ftruncate(self.descriptor, 0)

            sync_directory(self.path.parent)


def holds(path: Path, written: int, crc: int, *, sync: bool = False) -> bool:
    """Whether the file is these bytes, and no more; and, where asked for, durable.

    One that cannot be read is not: whoever asks can write it anew.
    """
    try:
        descriptor = opened(path, written, crc)
    except (AlteredError, OSError):
        return False

    try:
        if sync:
            os.fsync(descriptor)

        return True
    finally:
        os.close(descriptor)


def opened(path: Path, written: int, crc: int) -> int:
    """A descriptor at the beginning of a file that is these bytes, and no more.

    Raises AlteredError where something else lies there, and OSError, FileNotFoundError among them.
    """
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # no link, no pipe
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise AlteredError from error

        raise

    whole = False
    try:
        there = os.fstat(descriptor)
        of_size = stat.S_ISREG(there.st_mode) and there.st_size == written
        whole = of_size and crc_of(descriptor, written) == crc
    finally:
        if not whole:
            os.close(descriptor)

    if not whole:
        raise AlteredError

    return descriptor


def crc_of(descriptor: int, length: int) -> int | None:
    """The CRC-32 of a file's first bytes; None where it has not so many."""
    crc = place = 0
    while place < length:
        piece = os.pread(descriptor, min(PIECE_BYTES, length - place), place)
        if not piece:
            return None

        crc = crc32(piece, crc)
        place += len(piece)

    return crc if place == length else None
