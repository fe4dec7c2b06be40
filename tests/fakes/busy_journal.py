"""A journal that another process is busy with, so that to open it takes a while."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pipeline.settling.store import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("busy",)


@contextmanager
def busy(directory: Path) -> Iterator[None]:
    """Nobody writes into the journal meanwhile: who wants to waits, for some seconds at most."""
    with closing(sqlite3.connect(directory / FILE_NAME, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
