"""Mending: what is derived from the journal of a finished run is held against it, and written anew.

A run that goes on completes its result files itself (store.py). A finished one does not go on; but
its files may have been deleted, cut or edited since, or its process may have died after the last
word of the journal and before that of the summary.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError
from .result_file import holds
from .store import JournalStore
from .view import viewed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .summary import Summary

__all__ = ("SUMMARY_NAME", "mend")

SUMMARY_NAME = "summary.json"


def mend(directory: Path, *, clock: Callable[[], float]) -> list[str]:
    """Write anew what does not say what the journal says; the names of these files.

    Where the directory cannot be written nothing is mended: what is asked for needs none of it.
    """
    with suppress(RunDirectoryError):
        with viewed(directory) as view:
            summary = view.summary()
            broken = [
                f"{name}.ndjson"
                for name, written, _, crc in view.files()
                if not holds(directory / f"{name}.ndjson", written, crc)
            ]

        if broken:
            with closing(JournalStore(directory, clock=clock)) as store:
                store.catch_up()

        if not _told(directory, summary):
            summary.write(directory / SUMMARY_NAME)
            broken.append(SUMMARY_NAME)

        return broken

    return []


def _told(directory: Path, summary: Summary) -> bool:
    try:
        return (directory / SUMMARY_NAME).read_text(encoding="utf-8") == summary.to_json() + "\n"
    except (OSError, UnicodeDecodeError):
        return False
