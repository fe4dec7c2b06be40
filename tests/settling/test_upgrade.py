"""A journal of an earlier format is brought up to date when it is opened, and loses nothing."""

from __future__ import annotations

import sqlite3
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import RunDirectoryError
from pipeline.settling.directory import RunDirectory
from pipeline.settling.known import look
from pipeline.settling.lock import locked
from pipeline.settling.schema import opened_to_write
from pipeline.settling.tables import UPGRADES, VERSION
from pipeline.settling.view import viewed
from tests.fakes.batches import BatchMaker
from tests.fakes.runs import (
    ACCEPTED,
    UNHEARD,
    begun,
    identity_of,
    lines_of,
    resumed,
    settlement,
    survivors,
    unwritable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWER = {
    **dict.fromkeys(("result_part", "compacted", "compacted_range", "compacted_batch"), 5),
    "plain": 7,
    "arrival": 6,
    "message": 4,
    "written": 3,
    **dict.fromkeys(("verification", "verdict", "absent"), 2),
}
"""Tables, and the last format that had them not."""
TO_ONE = """
ALTER TABLE run ADD COLUMN round INTEGER NOT NULL DEFAULT 0;
ALTER TABLE contact DROP COLUMN round;
ALTER TABLE result_file DROP COLUMN crc;
DROP TABLE retry;
DROP TABLE overtaken;
"""


def written_by(version: int, directory: Path) -> None:
    """A run of three accepted and two unknown contacts, as that format had it."""
    store, batches = begun(directory), BatchMaker()
    for contacts, outcome in ((3, ACCEPTED), (2, UNHEARD)):
        batch = batches.make(contacts)
        with store.transaction():
            store.dispatched(batch, 1)

        with store.transaction():
            store.settle([settlement(batch, outcome)], [], {})

    store.close()
    (directory / "journal.db-count").unlink()
    with closing(sqlite3.connect(directory / "journal.db")) as connection:
        newer = [name for name, last in NEWER.items() if version <= last]
        connection.executescript("".join(f"DROP TABLE {name};" for name in newer))
        if version == 1:
            connection.executescript(TO_ONE)

        connection.execute(f"PRAGMA user_version = {version}")


def version_of(directory: Path) -> int:
    with closing(sqlite3.connect(directory / "journal.db")) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


def tables_of(directory: Path) -> set[tuple[str, str]]:
    """(table, column) of everything."""
    with closing(sqlite3.connect(directory / "journal.db")) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            (name, column[1])
            for (name,) in names
            for column in connection.execute(f"PRAGMA table_info({name})")
        }


@pytest.mark.parametrize("version", UPGRADES)
def test_an_earlier_journal_is_gone_on_with(tmp_path: Path, version: int) -> None:
    """Its tables are those of a new one, its contacts where they were."""
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new):
        directory.mkdir()

    begun(new).close()
    written_by(version, old)
    store, replay = resumed(old)
    store.close()
    assert (replay.counts.accepted, replay.counts.unknown) == (3, 2)
    assert version_of(old) == VERSION
    assert tables_of(old) == tables_of(new)
    assert len(lines_of(old, "unknown")) == 2
    (line,) = lines_of(old, "accepted")
    assert line["contact_keys"] == ["k1", "k2", "k3"]


@pytest.mark.parametrize("version", UPGRADES)
def test_an_earlier_journal_is_read(tmp_path: Path, version: int) -> None:
    """By those who only look, and by those who are about to verify."""
    written_by(version, tmp_path)
    with viewed(tmp_path) as view:
        assert view.summary().accepted == 3
        assert view.absent() == 0

    with RunDirectory(tmp_path) as directory:
        identity = identity_of()
        store = directory.reopen(
            event_definition_key=identity.event_definition_key, host=identity.rest_host
        )
        assert store.summary().unknown == 2


def test_the_program_that_is_at_work_keeps_its_format(tmp_path: Path) -> None:
    """Its tables are not changed under it; what can be told without the new ones is told."""
    written_by(2, tmp_path)
    with locked(tmp_path):
        with viewed(tmp_path) as view:
            assert view.summary().accepted == 3

        assert version_of(tmp_path) == 2

    with viewed(tmp_path) as view:
        assert view.summary().accepted == 3

    assert version_of(tmp_path) == VERSION


def test_one_too_old_to_be_read_beside_its_program_is_refused(tmp_path: Path) -> None:
    """With a sentence, not an error of SQLite's."""
    written_by(1, tmp_path)
    with (
        locked(tmp_path),
        pytest.raises(RunDirectoryError, match="still at work"),
        viewed(tmp_path),
    ):
        pass


@pytest.mark.parametrize("version", UPGRADES)
def test_opened_by_several_at_the_same_moment(tmp_path: Path, version: int) -> None:
    """One of them brings it up to date, and none is told of what another one did."""
    written_by(version, tmp_path)
    together = Barrier(4)

    def read(_: int) -> int:
        together.wait()
        with viewed(tmp_path) as view:
            return view.summary().accepted

    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(read, range(4))] == [3] * 4

    assert version_of(tmp_path) == VERSION


def test_brought_up_to_date_and_killed(tmp_path: Path) -> None:
    """What has that in its log alone is read by others beside the one that is at work, and refused
    by a program that does not know the format."""
    written_by(1, tmp_path)
    with closing(opened_to_write(tmp_path / "journal.db")) as connection:
        with locked(tmp_path), viewed(tmp_path) as view:
            assert view.summary().accepted == 3

        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        left = survivors(tmp_path, tmp_path / "left")

    with pytest.raises(RunDirectoryError, match=f"later journey-pipeline .format {VERSION + 1},"):
        resumed(survivors(left, tmp_path / "gone on with"))

    with pytest.raises(RunDirectoryError, match="later journey-pipeline"), viewed(left):
        pass

    assert version_of(left) == VERSION + 1


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A directory that others are let into."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


@pytest.mark.parametrize("version", UPGRADES)
def test_read_where_nothing_may_be_written(elsewhere: Path, version: int) -> None:
    """As it is, where it can be told so; else it is said what to do, as of a log beside it."""
    written_by(version, elsewhere)
    with unwritable(elsewhere):
        if version > 1:
            with viewed(elsewhere) as view:
                assert view.summary().accepted == 3
        else:
            with pytest.raises(RunDirectoryError, match="copy the directory"), viewed(elsewhere):
                pass

    (elsewhere / "journal.db-wal").write_bytes(b"what was written last")
    with (
        unwritable(elsewhere),
        pytest.raises(RunDirectoryError, match="copy the whole directory"),
        viewed(elsewhere),
    ):
        pass


@pytest.mark.parametrize("version", UPGRADES)
def test_read_where_it_cannot_be_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """As where the disk is full, which is when somebody asks how the run stands."""
    monkeypatch.setattr("pipeline.settling.schema.BUSY_SECONDS", 0.01)
    written_by(version, tmp_path)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        if version > 1:
            with viewed(tmp_path) as view:
                assert view.summary().accepted == 3
                assert view.absent() == 0

            assert look(tmp_path).counts.accepted == 3
        else:
            with pytest.raises(RunDirectoryError, match="is locked"), viewed(tmp_path):
                pass

        other.execute("ROLLBACK")
        assert version_of(tmp_path) == version
