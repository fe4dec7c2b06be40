"""Whole: a file of the run directory that is replaced as one, whatever lies under its name."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("drafted", "write_whole")


def write_whole(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Put `content` at `path`, readable by its owner alone; a link there is replaced, not followed.

    Who reads it meanwhile sees all of the one or all of the other; where it is `synced`, so does
    who reads it after the machine has lost its power. Raises OSError.
    """
    with drafted(path, synced=synced) as file:
        file.write(content)


@contextmanager
def drafted(path: Path, *, synced: bool = False) -> Iterator[IO[bytes]]:
    """A file that lies at `path` once it is left, as `write_whole` puts it there."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())

        draft.replace(path)
    except BaseException:  # half of it is of no use, and takes room on a disk that may be full
        draft.unlink(missing_ok=True)
        raise
