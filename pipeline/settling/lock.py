"""Lock: one process at a time works in a run directory.

`run.lock` holds the process id of whoever has it, as text and a newline. What locks is `flock`,
which ends with the process however it ends; the number in it only tells a person whom to look
for. Readers take no lock.

A lock's file is removed with its directory's run, by who holds it (contents.py). So who has locked
a file looks whether that still lies there: it may have been opened before, and would keep nobody
out.

Who watches a folder holds `watch.lock` as long as it lives, and `run.lock` while it sends a file:
in between others may work on the run of the last one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import JournalInUseError
from .schema import translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("LOCK_NAME", "WATCH_LOCK_NAME", "holder", "locked")

LOCK_NAME = "run.lock"
WATCH_LOCK_NAME = "watch.lock"


@contextmanager
def locked(directory: Path, name: str = LOCK_NAME) -> Iterator[None]:
    """Hold the directory's lock; raises JournalInUseError, naming the process that has it."""
    path = directory / name
    held = False
    while not held:
        with translated(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

        try:
            held = _take(descriptor, path)
            if held:
                try:
                    yield
                finally:
                    with suppress(OSError):  # a full disk: what was done stands as it was told
                        os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


def holder(directory: Path, name: str = LOCK_NAME) -> int | None:
    """The process that works in the directory, as far as its number tells; takes no lock."""
    process = _written(directory / name)
    if process is None:
        return None

    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return process  # alive, and another user's

    return process


def _take(descriptor: int, path: Path) -> bool:
    """Lock the file; False where it does not lie at `path` any more."""
    with translated(path):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            process = _written(path)
            raise JournalInUseError(
                f"{path.parent} is in use by process {process or 'unknown'}: let it end or stop "
                "it, or name another run.directory"
            ) from error

        if not _lies_at(path, os.fstat(descriptor)):
            return False

        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True


def _lies_at(path: Path, known: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.lstat(), known)
    except FileNotFoundError:
        return False


def _written(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii")) or None
    except (OSError, ValueError):
        return None
