"""Appending: lines that are added to a file of the run directory on which nothing depends."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("append_lines",)


def append_lines(path: Path, lines: bytes) -> None:
    """Add whole lines at the end of `path`, which is made for its owner alone where it is missing.

    In one write and unsynced; no link is followed. Raises OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, lines)
    finally:
        os.close(descriptor)
