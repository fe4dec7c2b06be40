"""Removal: runs of a watched folder that were put aside leave the run directory after a while.

Each file that is taken leaves a directory in `previous/`. Whoever lives for months would else have
thousands of them, and people's addresses for ever. What was injected is known as before
(injected.py).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ..errors import RunDirectoryError
from .contents import PREVIOUS
from .directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("Removal",)

EVERY_SECONDS: Final = 3_600.0
MOST: Final = 25
"""At once: a file that has come in the meantime is not to wait for long."""


class Removal:
    """Removes from a run directory what ended `keep_seconds` ago. Between two runs: it locks it."""

    def __init__(
        self, directory: Path, *, keep_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._due_at = 0.0

    def once(self) -> int:
        """Do some of what is due; returns how many runs were removed. Blocks on files.

        Looks once an hour, and at once where something was left. Where somebody else works in the
        directory, or it is not as it should be, nothing is done: the next run tells of it.
        """
        now = self._clock()
        if self._due_at - EVERY_SECONDS <= now < self._due_at:
            return 0

        removed = 0
        try:
            if (self._directory / PREVIOUS).is_dir():
                with RunDirectory(self._directory, clock=self._clock) as directory:
                    removed = directory.forget(before=now - self._keep_seconds, most=MOST)
        except RunDirectoryError:
            pass

        self._due_at = now if removed == MOST else now + EVERY_SECONDS
        return removed

    def __repr__(self) -> str:
        return f"<Removal {self._directory}, due at {self._due_at:.0f}>"
