"""Injected: what was injected from a run directory before, found without opening every journal.

    injected.db      run       a row for each run that was put aside
                     content   what each of its sources was, by which it is known again

A run is in here once it lies in `previous/`: whoever asks reads those first that lie there and are
not in here yet, or were not finished when they were read. So it does not matter when a process is
killed, and where the file is gone it is made anew from the journals that are there. Where it knew
more than those, nothing is begun (roll.py).

Where runs are removed after a while (a watched folder), this file alone knows them: a row of each
stays for good, so that nothing is sent a second time (expiry.py). Whoever calls holds the run
directory's lock.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from ..errors import RunDirectoryError
from .alike import alike
from .contents import INJECTED_NAME, PREVIOUS, directories
from .known import look
from .lock import locked
from .noted import (
    APPLICATION_ID,
    TABLES,
    UPGRADES,
    VERSION,
    is_noted,
    note,
    noted,
    removed_at,
)
from .roll import call_the_roll
from .schema import sync_directory, translated
from .store import FILE_NAME
from .witness import ENDING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    from ..intake.holdings import Holdings
    from .identity import Identity
    from .known import Known
    from .noted import Key

__all__ = ("Injected",)


class Injected:
    """The runs that were put aside in a run directory."""

    def __init__(self, directory: Path) -> None:
        self._previous = directory / PREVIOUS
        self._path = directory / INJECTED_NAME

    def like(
        self, wanted: Identity, holdings: Holdings, *, held: Container[Path] = ()
    ) -> list[Known]:
        """The runs that have a source in common with `wanted`, or one of which is the beginning of
        what is wanted, or looks like the whole of it; the newest first.

        `held` are run directories that who asks has locked, with no link in their names. Raises
        RunDirectoryError, and JournalInUseError where somebody else goes on with such a run.
        """
        witness = self._path.with_name(self._path.name + ENDING)
        if not any(path.exists() for path in (self._previous, self._path, witness)):
            return []

        with self._opened() as connection:
            self._catch_up(connection)
            keys = alike(connection, wanted, holdings)
            newest_first = sorted(keys, key=lambda key: key[::-1], reverse=True)
            return [self._known(connection, key, held) for key in newest_first]

    def begin_anew(self, known: Known) -> None:
        """Another run is about to be begun in the place of this one, which was put aside to it.

        Raises RunDirectoryError.
        """
        with self._opened() as connection:
            self._catch_up(connection)
            note(connection, known.directory.name, known, removed_at=None)
            query = "INSERT OR IGNORE INTO begun_anew VALUES (?)"
            connection.execute(query, (known.directory.name,))

    def remove(self, *, before: float, now: float, most: int) -> int:
        """Remove up to so many runs that ended before then (expiry.py); how many there were."""
        if not self._previous.is_dir():
            return 0

        from .expiry import Expiry  # for a watched folder alone

        with self._opened() as connection:
            self._catch_up(connection)
            expiry = Expiry(
                connection,
                self._previous,
                before=before,
                now=now,
                most=most,
                remember=lambda new: call_the_roll(connection, self._path, new=new),
            )
            expiry.work()
            return expiry.removed

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """Read the journals that are not in here as they are.

        Raises RunDirectoryError where a run was known that is not any more.
        """
        new: list[Key] = []
        anew = {place for (place,) in connection.execute("SELECT place FROM begun_anew")}
        for place in sorted(directories(self._previous) - (_lying(connection) - anew)):
            if (self._previous / place / FILE_NAME).exists():
                known = look(self._previous / place)
                key = (place, known.run.run_id)
                if not is_noted(connection, key):
                    new.append(key)

                if removed_at(connection, key) is None:
                    note(connection, place, known, removed_at=None)

        call_the_roll(connection, self._path, new=new)

    def _known(self, connection: sqlite3.Connection, key: Key, held: Container[Path]) -> Known:
        """What its journal says; where that is gone, or another run's by now, what was noted."""
        place, run_id = key
        directory = self._previous / place
        if (directory / FILE_NAME).exists():
            known = look(directory)
            if known.run.run_id == run_id:
                return known if known.run.finished else _left(known, held)

        return noted(connection, directory, run_id)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file, made where it is not there; raises RunDirectoryError."""
        with translated(self._path):
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                self._recognise(connection)
                yield connection

    def _recognise(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (mark, version, tables) == (0, 0, 0):
            connection.executescript(f"BEGIN IMMEDIATE; {TABLES} COMMIT")
            sync_directory(self._path.parent)
        elif mark == APPLICATION_ID and version in UPGRADES:
            connection.executescript(f"BEGIN IMMEDIATE; {UPGRADES[version]} COMMIT")
        elif (mark, version) != (APPLICATION_ID, VERSION):
            raise RunDirectoryError(
                f"{self._path} is of another program, or of a later journey-pipeline: it was not "
                "touched; update the program, or name another run.directory"
            )


def _left(known: Known, held: Container[Path]) -> Known:
    """An unfinished run, once nobody goes on with it. Raises JournalInUseError."""
    if known.directory.resolve() in held:
        return known

    with locked(known.directory):
        return look(known.directory)


def _lying(connection: sqlite3.Connection) -> set[str]:
    """The finished runs that are known, and were not removed."""
    rows = connection.execute("SELECT place FROM run WHERE removed_at IS NULL AND finished")
    return {place for (place,) in rows}
