"""Accepted contacts that a file alone tells of: whatever lies there, nobody is made up or lost."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson
import pytest

from pipeline.errors import RunDirectoryError
from pipeline.settling.accepted import accepted_batches, left_out
from pipeline.settling.result_file import holds
from pipeline.settling.rotation import next_day
from pipeline.settling.verdicts import Verdict, read_verified, write_verification
from pipeline.settling.view import viewed
from pipeline.verbs.listing import ensure_all
from tests.fakes.living import Life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.settling.verdicts import Verified

FIRST, SECOND = "accepted-2026-11-23.ndjson", "accepted-2026-11-24.ndjson"


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Two days of two batches of three, put aside."""
    (tmp_path / "run").mkdir()
    made = Life(tmp_path / "run")
    made.live_days(2, batches=2)
    yield made
    made.store.close()


def keys_of(life: Life, settled: dict[str, bool] | None = None) -> list[str]:
    batches = accepted_batches(life.store.connection, settled=settled)
    return [key for batch in batches for key in orjson.loads(batch.keys)]


def verify(life: Life, *verdicts: Verdict) -> Verified:
    with life.store.transaction():
        write_verification(life.store, verdicts, told=dict, entered=(), absent=())

    found = read_verified(life.store.connection)
    assert found is not None
    return found


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """The process may open nothing more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_verdicts_stand_while_a_day_leaves_the_journal(life: Life) -> None:
    """Also of its batches that are in the tables still: their file is gone, nobody asks for them.

    Of whoever can be asked about, the new verdict counts alone.
    """
    places = life.accepted_places()
    outcomes = dict(zip(places, ("entered", "missing", "entered", "missing"), strict=True))
    first = [
        Verdict(batch_id=number, outcome=outcome, reason="r", detail="", places=places[number])
        for number, outcome in outcomes.items()
    ]
    before = verify(life, *first)
    assert (before.entered, before.missing) == (6, 6)
    assert life.begin_to_compact(0)
    assert life.compact_step(1) == 1
    (life.directory / FIRST).unlink()
    found = verify(life, first[2])  # about the last batch nothing is found any more
    assert (found.entered, found.missing) == (6, 3)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", ["pipe", "socket", "link", "directory"])
def test_what_is_no_file_is_not_what_was_written(life: Life, what: str, tmp_path: Path) -> None:
    """It is seen at once, though nobody writes into a pipe; also where no file is read."""
    life.compact(0)
    path = life.directory / FIRST
    size = path.stat().st_size
    path.rename(tmp_path / "away")
    if what == "pipe":
        os.mkfifo(path)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.fspath(path))
    elif what == "link":
        path.symlink_to(tmp_path / "away")
    else:
        path.mkdir()

    assert not holds(path, size, 0)
    for by_size in (False, True):
        (missed,) = left_out(life.store.connection, by_size=by_size)
        assert str(missed).startswith(f"{FIRST} is not what was written: ")

    with viewed(life.directory) as view, pytest.raises(RunDirectoryError, match="is not what was"):
        ensure_all(view, "accepted")


def test_what_cannot_be_read_is_told_as_that(life: Life) -> None:
    """It may be whole: nobody is told to put it back, and nothing is told without it."""
    life.compact(0)
    with no_descriptor_left():
        missed = left_out(life.store.connection)
        with pytest.raises(RunDirectoryError, match=rf"{FIRST} cannot be read \(Too many open"):
            keys_of(life)

    assert [str(each).partition(":")[0] for each in missed] == [
        f"{file} cannot be read (Too many open files)" for file in (FIRST, SECOND)
    ]
    assert "let it be read" in str(missed[0])
    assert "put it back" not in str(missed[0])
    assert len(keys_of(life)) == 12


@pytest.mark.parametrize("damage", ["cut", "edited"])
def test_a_file_that_changes_while_it_is_read(life: Life, damage: str) -> None:
    """It is an error that names it, and not an end."""
    with life.store.transaction():  # more than is read at once
        for _ in range(400):
            life.settle(life.dispatched(30, alone=False))

    life.now = next_day(life.now)
    life.rotate()
    life.now += 1.0
    life.compact(0)
    path = life.directory / "accepted-2026-11-25.ndjson"
    batches = accepted_batches(life.store.connection)
    seen = [next(batches) for _ in range(5)]
    if damage == "cut":
        os.truncate(path, path.stat().st_size - 1_000)
    else:
        with path.open("r+b") as file:
            file.seek(-20, os.SEEK_END)
            file.write(b"9")

    with pytest.raises(RunDirectoryError, match=f"{path.name} was changed"):
        seen.extend(batches)

    assert len(seen) > 300


def test_a_file_that_is_deleted_while_it_is_read(life: Life) -> None:
    """It is read to its end."""
    life.compact(0)
    expected = keys_of(life)
    batches = accepted_batches(life.store.connection)
    seen = [next(batches)]
    (life.directory / FIRST).unlink()
    seen.extend(batches)
    assert [key for batch in seen for key in orjson.loads(batch.keys)] == expected


def test_who_reads_twice_reads_the_same(life: Life, tmp_path: Path) -> None:
    """A file that was taken away or put back in between is an error that names it."""
    life.compact(0)
    settled: dict[str, bool] = {}
    expected = keys_of(life, settled)
    assert keys_of(life, settled) == expected
    (life.directory / FIRST).rename(tmp_path / "away")
    with pytest.raises(RunDirectoryError, match=f"{FIRST} was changed, taken away"):
        keys_of(life, settled)

    settled = {}
    assert keys_of(life, settled) == expected[6:]
    assert keys_of(life, settled) == expected[6:]
    (tmp_path / "away").rename(life.directory / FIRST)
    with pytest.raises(RunDirectoryError, match=f"{FIRST} was changed, taken away or put back"):
        keys_of(life, settled)

    assert keys_of(life) == expected


def test_a_number_that_is_given_anew(life: Life) -> None:
    """A later batch of the same number does not say where the contacts of the earlier one are."""
    life.compact(0)
    assert not life.store.connection.execute("SELECT * FROM batch WHERE batch_id = 1").fetchall()
    life.next_batch_id = 1
    life.accept(3)
    life.check()
