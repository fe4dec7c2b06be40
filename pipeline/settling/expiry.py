"""Expiry: runs that were put aside and ended long ago leave `previous/`.

What was injected with them is known as before, by their rows in `injected.db`. A run is removed in
two steps:

1. Its locks are taken, its journal is read once more, and its row says that it is removed. That is
   on disk before anything else is done.
2. The files that we wrote are removed, the journal first, then the directory, unless there is
   something in it that is not ours.

Killed in between, the next removal goes on with it. Whoever calls holds the run directory's lock.

Where `--again` begins another run in such a place, the one that was there is put aside in the
place's own `previous/`. It leaves as well, from however deep it lies: its row is that of a run of
the place.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError
from .contents import PREVIOUS, clear, directories
from .known import look
from .lock import WATCH_LOCK_NAME, locked
from .noted import is_noted, note, note_removed, removed_at
from .store import FILE_NAME

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from .known import Known
    from .noted import Key

__all__ = ("Expiry",)


class Expiry:
    """Removes up to `most` runs from `previous` that ended before then.

    Only what is finished, or of which nothing was read: an unfinished one can be gone on with.
    What is worked on is left for the next time. `remember` is called with runs that were noted and
    were not before.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        previous: Path,
        *,
        before: float,
        now: float,
        most: int,
        remember: Callable[[Collection[Key]], None],
    ) -> None:
        self._connection = connection
        self._previous = previous
        self._before = before
        self._now = now
        self._most = most
        self._remember = remember
        self.removed = 0

    def work(self) -> None:
        """Do all of it, once."""
        there = directories(self._previous)
        for place in sorted(there):
            if (self._previous / place / PREVIOUS).is_dir():
                with suppress(RunDirectoryError), _alone_in(self._previous / place):
                    self._remove_below(place, self._previous / place)

        for place in sorted(there & self._gone()):
            self._go_on(place)

        for place, run_id in self._due():
            if place in there and self.removed < self._most:
                with suppress(RunDirectoryError), _alone_in(self._previous / place):
                    self._remove(place, run_id)

    def _remove_below(self, place: str, directory: Path) -> None:
        """Remove what is due of the runs that were put aside in `directory`, whose locks are held,
        and below."""
        for name in sorted(directories(directory / PREVIOUS)):
            below = directory / PREVIOUS / name
            gone = removed_at(self._connection, (place, name)) is not None
            if not gone and not any((below / each).exists() for each in (FILE_NAME, PREVIOUS)):
                continue  # it is about to be put aside, or not ours

            with suppress(RunDirectoryError), _alone_in(below):
                self._remove_below(place, below)
                if not (below / FILE_NAME).exists():
                    if gone:
                        clear(below)
                elif self.removed < self._most:
                    self._remove_from_below(place, look(below))

    def _remove_from_below(self, place: str, known: Known) -> None:
        key = (place, known.run.run_id)
        if not is_noted(self._connection, key):  # what is begun further below is told nobody above
            note(self._connection, place, known, removed_at=None)
            self._remember([key])

        if known.over_before(self._before):
            at = removed_at(self._connection, key)
            self._let_go(place, known, at=self._now if at is None else at)

    def _go_on(self, place: str) -> None:
        """Go on with a removal in which a process died, unless the place is somebody's since."""
        directory = self._previous / place
        with suppress(RunDirectoryError), _alone_in(directory):
            if not (directory / FILE_NAME).exists():
                clear(directory)
                return

            known = look(directory)
            at = removed_at(self._connection, (place, known.run.run_id))
            if at is not None:  # another run there is not the one that was removed
                self._let_go(place, known, at=at)

    def _remove(self, place: str, run_id: str) -> None:
        """Remove a run, unless it was gone on with, or lies further below and cannot leave yet."""
        directory = self._previous / place
        known = look(directory) if (directory / FILE_NAME).exists() else None
        if known is not None and known.run.run_id == run_id:
            self._let_go(place, known, at=self._now)
        elif next(directory.glob(f"{PREVIOUS}/**/{FILE_NAME}"), None) is None:
            note_removed(self._connection, (place, run_id), at=self._now)

    def _let_go(self, place: str, known: Known, *, at: float) -> None:
        """Remove a run whose locks are held, if it is over; write down what it is either way."""
        goes = known.over_before(self._before)
        note(self._connection, place, known, removed_at=at if goes else None)
        if goes:
            clear(known.directory)
            self.removed += 1

    def _gone(self) -> set[str]:
        """The places of runs that were removed."""
        query = "SELECT place FROM run WHERE removed_at IS NOT NULL"
        return {place for (place,) in self._connection.execute(query)}

    def _due(self) -> list[Key]:
        query = (
            "SELECT place, run_id FROM run WHERE removed_at IS NULL AND (finished OR untouched)"
            " AND coalesce(ended_at, started_at) < ? ORDER BY started_at"
        )
        return self._connection.execute(query, (self._before,)).fetchall()


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Nobody works on its run, and no worker waits there for files. Raises RunDirectoryError."""
    with locked(directory), locked(directory, WATCH_LOCK_NAME):
        yield
