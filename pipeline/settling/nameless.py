"""Nameless: temporary files that have no name, for what does not fit into memory.

Nothing is left of them, however the process ends.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from typing import IO, TYPE_CHECKING

from .schema import translated

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

__all__ = ("NamelessFiles",)


class NamelessFiles:
    """So many files in `directory` (None: where temporary files lie). A context manager.

    Raises RunDirectoryError where the disk will not take them.
    """

    def __init__(self, directory: Path | None = None, *, number: int = 1) -> None:
        self._directory = directory
        self._number = number
        self._stack = ExitStack()
        self.files: list[IO[bytes]] = []
        """There are none before `with`."""

    def __enter__(self) -> Self:
        with self.translated():
            for _ in range(self._number):
                file = TemporaryFile(dir=self._directory)  # closed with the stack
                self.files.append(self._stack.enter_context(file))

        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def translated(self) -> AbstractContextManager[None]:
        """Around what is written or read: what the disk refuses is an error for a person."""
        return translated(self._directory or Path(gettempdir()))
