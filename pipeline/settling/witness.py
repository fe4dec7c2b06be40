"""The witness: how many transactions the journal has committed, kept outside of it.

`journal.db-count` holds that number as text. It is written after each commit and not synced, so it
is never ahead of what the disk was given, whatever kills the process or the machine. A journal that
counts fewer has lost its last transactions: its write-ahead log was deleted, cut or damaged (SQLite
passes over a damaged end in silence), or an older copy was put in its place. Batches that were
sent would be sent once more, so such a journal is refused.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("ENDING", "Witness")

ENDING = "-count"
DIGITS = 20


class Witness:
    """Holds the count of the journal at `path` against its own, and keeps it from then on."""

    def __init__(self, path: Path, committed: int) -> None:
        """`committed` is what the journal counts. Raises RunDirectoryError where that is less."""
        place = path.with_name(path.name + ENDING)
        self._descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        self.committed = committed
        known = _number(os.pread(self._descriptor, DIGITS, 0))
        if known > committed:
            self.close()
            raise RunDirectoryError(
                f"{path} has lost its last {known - committed:,} transactions: its log "
                f"({path.name}-wal) was deleted or damaged, or it is an older copy. Going on would "
                "send contacts twice: put both files back as they were, or use --again, which "
                "sends everything anew"
            )

    def note(self) -> None:
        """One more was committed. A witness that cannot be written costs the run nothing."""
        self.committed += 1
        with suppress(OSError):
            os.pwrite(self._descriptor, f"{self.committed:0{DIGITS}}".encode(), 0)

    def close(self) -> None:
        """Closing again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
