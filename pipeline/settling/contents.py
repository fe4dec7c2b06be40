"""What lies in a run directory.

    run.lock, watch.lock         who works here (lock.py)
    journal.db                   the truth (journal.py), with SQLite's -wal and -shm beside it
    journal.db-count             how much the journal must hold at least (witness.py)
    accepted.ndjson …            derived from it (results.py)
    accepted-2026-11-29.ndjson   those of days that are over, where a run lives on (rotation.py)
    summary.json                 written when a leg of the run ends
    samples.ndjson, report.html  what the run did from minute to minute; drawn by `report`
    verify.db                    what a `verify` that is going on was told (evidence.py)
    live.json, orders.json       how a run that is going on is looked at and steered (live.py)
    watch-live.json, …           the same for a worker that watches a folder
    previous/<run_id>/           the same files of an earlier run that was put aside
    injected.db                  what all of those were of, by which it is known again (injected.py)
    injected.db-count            which of them it must know at least (roll.py)

What is replaced as a whole is written beside it first, as `<name>.new` (whole.py).

Nothing is written outside the directory: where one of these names is a symbolic link, or anything
else than a file, somebody planted it, and the directory is refused before it is touched.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError
from .live import LIVE_NAMES
from .lock import LOCK_NAME, WATCH_LOCK_NAME
from .results import NAMES
from .schema import sync_directory, translated
from .store import FILE_NAME
from .witness import ENDING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = (
    "EVIDENCE_NAME",
    "INJECTED_NAME",
    "PREVIOUS",
    "bring_back",
    "clear",
    "directories",
    "refuse_planted",
    "to_be_moved",
)

PREVIOUS = "previous"
INJECTED_NAME = "injected.db"
EVIDENCE_NAME = "verify.db"

MOVED = (
    *(f"{name}.ndjson" for name in NAMES),
    "summary.json",
    "samples.ndjson",
    "report.html",
    FILE_NAME + ENDING,
    FILE_NAME,
)
"""What is put aside with a run, the journal last; the result files of days that are over first."""

OF_A_DAY = re.compile(
    rf"(?:{'|'.join(NAMES)})-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:-[0-9]+)?\.ndjson"
)

_OF_A_RUN = frozenset(
    {
        *MOVED,
        *(f"{FILE_NAME}{end}" for end in ("-wal", "-shm", "-journal", ".new", ".new-journal")),
        *(f"{name}.new" for name in ("summary.json", "report.html", *LIVE_NAMES)),
        *(f"{EVIDENCE_NAME}{end}" for end in ("", "-journal")),
        *(*LIVE_NAMES, LOCK_NAME, WATCH_LOCK_NAME),
    }
)
"""The names of files that are written for a run, SQLite's and drafts among them."""

_KEPT = frozenset(f"{INJECTED_NAME}{end}" for end in ("", "-journal", ENDING, f"{ENDING}.new"))
"""Those that are kept when its run is removed: runs were put aside here, too, and are known."""


def refuse_planted(directory: Path) -> None:
    """Raise RunDirectoryError where writing in `directory` would write somewhere else."""
    with os.scandir(directory) as entries:
        for entry in entries:
            as_it_should = (
                entry.is_dir(follow_symlinks=False)
                if entry.name == PREVIOUS
                else entry.is_file(follow_symlinks=False)
                or not (_of_a_run(entry.name) or entry.name in _KEPT)
            )
            if not as_it_should:
                kind = "a symbolic link" if entry.is_symlink() else "not a file of ours"
                raise RunDirectoryError(
                    f"{directory / entry.name} is {kind}: nothing was written. Move it away, or "
                    "name another run.directory"
                )


def to_be_moved(directory: Path) -> list[str]:
    """The names of the files there that belong to its run, the journal last."""
    return _days(directory) + [name for name in MOVED if (directory / name).exists()]


def bring_back(directory: Path, run_id: str) -> None:
    """Take back the files of days of a run that a process died in putting aside.

    The journal that is here may not have their contacts any more.
    """
    aside = directory / PREVIOUS / run_id
    if not aside.is_dir() or (aside / FILE_NAME).exists():
        return

    with translated(aside):
        for name in _days(aside):
            if not (directory / name).exists():
                (aside / name).replace(directory / name)

        sync_directory(directory)


def directories(path: Path) -> set[str]:
    """The names of the directories in `path`, if that is one itself; no link is followed."""
    if path.is_symlink():
        return set()

    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
        return {entry.name for entry in entries if entry.is_dir(follow_symlinks=False)}

    return set()


def clear(directory: Path) -> None:
    """Remove the run's files, the journal first; the directory too if nothing else is in it."""
    with translated(directory):
        names = sorted(path.name for path in directory.iterdir())
        for name in sorted(names, key=lambda name: (name != FILE_NAME, name == LOCK_NAME)):
            if _of_a_run(name):
                (directory / name).unlink(missing_ok=True)

        for emptied in (directory / PREVIOUS, directory):
            with suppress(OSError):  # not empty: what is there is not ours; or not there
                emptied.rmdir()


def _of_a_run(name: str) -> bool:
    return name in _OF_A_RUN or OF_A_DAY.fullmatch(name.removesuffix(".new")) is not None


def _days(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if OF_A_DAY.fullmatch(path.name))
