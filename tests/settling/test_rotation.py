"""Result files are put aside day by day, whatever happens on the way."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConservationError
from pipeline.settling import result_file, schema
from pipeline.settling.directory import RunDirectory
from pipeline.settling.parts import read_parts
from pipeline.settling.retrying import RetryOrder
from pipeline.settling.rotation import day_of, file_name, next_day, over
from pipeline.settling.schema import opened_to_read
from pipeline.settling.view import viewed
from tests.fakes.living import Life
from tests.fakes.runs import (
    DAY,
    REFUSED,
    identity_of,
    lines_of,
    resumed,
    settlement,
    survivors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMES = st.floats(0, 4e9)
A_DAY = 86_400.0


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    directory = tmp_path / "run"
    directory.mkdir()
    made = Life(directory)
    yield made
    made.store.close()


@given(oldest=TIMES, lasting=st.floats(0, 1e7), later=st.floats(0, 1e7))
def test_lines_are_put_aside_once_their_day_is_over(
    oldest: float, lasting: float, later: float
) -> None:
    """Not before; and under a day that is over, which is that of the last line where it can be."""
    newest, now = oldest + lasting, oldest + lasting + later
    day = over(oldest, newest, now=now)
    if day is None:
        assert day_of(oldest) == day_of(now)
    else:
        assert day_of(oldest) <= day < day_of(now)
        assert day == day_of(newest) or day_of(newest) == day_of(now)


@given(oldest=TIMES, back=st.floats(0, 1e7))
def test_a_clock_that_goes_back_puts_nothing_aside(oldest: float, back: float) -> None:
    """What is of a day that has not come is of today."""
    assert over(oldest, oldest, now=max(0.0, oldest - back)) is None


@given(now=TIMES)
def test_a_day_ends_at_midnight_utc(now: float) -> None:
    """At its first moment it is the next day, and not before; it is never more than a day away."""
    end = next_day(now)
    assert day_of(end) == day_of(now) + timedelta(days=1)
    assert 0 < end - now <= A_DAY
    assert datetime.fromtimestamp(end, UTC).time() == datetime.min.time()


@given(taken=st.sets(st.sampled_from(["", "-2", "-3", "-4"])))
def test_no_file_takes_the_place_of_another(taken: set[str]) -> None:
    """A name is that of nobody, and the plain one where it may be."""
    names = {f"accepted-2026-11-29{end}.ndjson" for end in taken}
    name = file_name("accepted", date(2026, 11, 29), taken=names.__contains__)
    assert name not in names
    assert name == "accepted-2026-11-29.ndjson" or "" in taken


def test_a_day_that_is_over_lies_beside_today(life: Life) -> None:
    """Each outcome that there was has a file of the day; today's keep their names."""
    life.accept(3)
    life.reject(2)
    assert life.rotate() == []
    life.now = next_day(life.now)
    assert life.rotate() == ["accepted-2026-11-23.ndjson", "rejected-2026-11-23.ndjson"]
    life.accept(1)
    life.check()
    assert [line["first"] for line in lines_of(life.directory, "accepted-2026-11-23")] == [1]
    assert [line["first"] for line in lines_of(life.directory, "accepted")] == [6]
    assert lines_of(life.directory, "rejected") == []
    assert not (life.directory / "unknown-2026-11-23.ndjson").exists()
    assert life.rotate() == []


def test_what_comes_between_midnight_and_the_rotation(life: Life) -> None:
    """It does not keep the day that is over from being put aside, and is in its file."""
    life.accept(1)
    life.now = next_day(life.now) + 0.5
    life.accept(1)
    assert life.rotate() == ["accepted-2026-11-23.ndjson"]
    assert len(lines_of(life.directory, "accepted-2026-11-23")) == 2


def test_a_worker_that_was_away_for_days(life: Life) -> None:
    """What nobody put aside at its time is as soon as one lives, by the day of its last line."""
    life.accept(1)
    life.now += 2 * A_DAY
    life.accept(1)
    life.come_back(life.directory)
    life.now += 7 * A_DAY
    assert life.rotate() == ["accepted-2026-11-25.ndjson"]
    life.check()


def test_the_same_transaction_brings_more(life: Life) -> None:
    """Lines of a group in which it is rotated are the first of the new file."""
    life.accept(1)
    life.now = next_day(life.now)
    batch = life.dispatched(2)
    with life.store.transaction():
        life.settle(batch)
        life.store.rotation.rotate(life.now)

    life.check()
    assert [line["first"] for line in lines_of(life.directory, "accepted")] == [2]


def test_a_group_that_fails_puts_nothing_aside(life: Life) -> None:
    """What is rolled back has not happened, to the files either."""
    life.accept(1)
    life.now = next_day(life.now)
    with suppress(ZeroDivisionError), life.store.transaction():
        assert life.store.rotation.rotate(life.now)
        raise ZeroDivisionError

    life.come_back(life.directory)  # a store that failed is of no more use
    assert life.files() == {"accepted.ndjson"}
    life.check()


def test_a_group_whose_books_do_not_balance(life: Life) -> None:
    """The store is of use after that, and so is the file that was not put aside."""
    life.accept(1)
    batch = life.dispatched(1)
    life.now = next_day(life.now)

    def unbalanced() -> None:
        with life.store.transaction():
            life.store.rotation.rotate(life.now)
            life.store.settle([settlement(batch), settlement(batch)], (), {})

    with pytest.raises(ConservationError):
        unbalanced()

    whole = (life.directory / "accepted.ndjson").stat()
    assert life.rotate() == ["accepted-2026-11-23.ndjson"]
    moved = (life.directory / "accepted-2026-11-23.ndjson").stat()
    assert (moved.st_ino, moved.st_size) == (whole.st_ino, whole.st_size)
    with life.store.transaction():
        life.settle(batch)

    life.check()


def test_killed_at_every_step(life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the process did last, no line is lost and none is there twice."""
    life.accept(2)
    life.reject(1)
    life.now = next_day(life.now)
    copies: list[Path] = []

    def die() -> None:
        copies.append(survivors(life.directory, tmp_path / str(len(copies))))

    def watched(work: Any) -> Any:
        def instead(*arguments: Any, **options: Any) -> Any:
            die()
            result = work(*arguments, **options)
            die()
            return result

        return instead

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", watched(Path.rename))
        patch.setattr(result_file, "sync_directory", watched(schema.sync_directory))
        patch.setattr(os, "fsync", watched(os.fsync))
        patch.setattr(result_file.ResultFile, "open", watched(result_file.ResultFile.open))
        with life.store.transaction():
            batch = life.dispatched(2, alone=False)
            life.settle(batch)
            life.store.rotation.rotate(life.now)
            die()

    committed = 0
    assert len(copies) > 12
    for copy in copies:
        store, replayed = resumed(copy)
        store.close()
        settled = replayed.counts.settled
        committed += settled == 5
        life.check(copy, settled=range(1, settled + 1))

    assert 0 < committed < len(copies)


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_part_is_written_anew_while_the_journal_has_it(life: Life, damage: str) -> None:
    """As the newest file is: nothing but the journal is the truth."""
    life.accept(5)
    life.reject(2)
    life.now = next_day(life.now)
    files = life.rotate()
    before = {file: (life.directory / file).read_bytes() for file in files}
    for file in files:
        if damage == "gone":
            (life.directory / file).unlink()
        else:
            os.truncate(life.directory / file, 40)

    life.come_back(life.directory)
    assert {file: (life.directory / file).read_bytes() for file in files} == before
    life.check()


def test_todays_file_was_taken_away(life: Life) -> None:
    """Who moves the newest file loses nothing: the day's is written from the journal."""
    life.accept(3)
    (life.directory / "accepted.ndjson").rename(life.directory / "mine.ndjson")
    (life.directory / "accepted.ndjson").write_text("something else\n")
    life.now = next_day(life.now)
    assert life.rotate() == ["accepted-2026-11-23.ndjson"]
    life.accept(1)
    life.now += 1.0
    life.compact(0)
    life.check()


def test_a_retry_overtakes_what_is_put_aside(life: Life) -> None:
    """Who is accepted in the end is rejected in no file."""
    life.fail(3, REFUSED)
    life.now = next_day(life.now)
    assert life.rotate() == ["rejected-2026-11-23.ndjson"]
    life.store.close()
    life.store, replayed = resumed(life.directory, retry=RetryOrder(outcome="rejected"))
    assert replayed.retry is not None
    assert replayed.retry.contacts == 3
    batch = life.made([1, 2])
    with life.store.transaction():
        life.store.dispatched(batch, 1)
        life.settle(batch)

    life.store.close()
    life.check()
    assert [line["position"] for line in lines_of(life.directory, "rejected-2026-11-23")] == [3]
    with closing(opened_to_read(life.directory / "journal.db")) as connection:
        (part,) = read_parts(connection)

    assert part.bytes == (life.directory / part.file).stat().st_size


def test_run_again_takes_the_days_along(life: Life) -> None:
    """The files of a run that is put aside are its own."""
    life.accept(1)
    life.now = next_day(life.now)
    life.rotate()
    life.store.close()
    with RunDirectory(life.directory, clock=lambda: life.now) as directory:
        opened = directory.open(identity_of(), endpoint="events", again=True)

    aside = opened.put_aside
    assert aside is not None
    assert (aside / "accepted-2026-11-23.ndjson").exists()
    assert life.files() == {"accepted.ndjson"}


def test_killed_while_it_was_put_aside(life: Life) -> None:
    """A run whose days were moved away, and its journal not, has them back."""
    life.accept(4)
    life.now = next_day(life.now)
    life.rotate()
    life.now += 1.0
    life.compact(0)
    life.store.close()
    aside = life.directory / "previous" / "20261123-164312-3f9a"
    aside.mkdir(parents=True)
    (life.directory / "accepted-2026-11-23.ndjson").rename(aside / "accepted-2026-11-23.ndjson")
    with RunDirectory(life.directory) as directory:
        directory.open(identity_of(), endpoint="events")

    with viewed(life.directory) as view:
        assert view.left_out() == []
        assert len(list(view.accepted())) == 4


def test_a_planted_day_is_refused(life: Life) -> None:
    """Nothing is written through a link that lies where a day's file is to be."""
    life.store.close()
    (life.directory / "accepted-2026-11-23.ndjson").symlink_to("/dev/null")
    with pytest.raises(Exception, match="is a symbolic link"), RunDirectory(life.directory):
        pass


def test_days_are_named_by_utc(life: Life) -> None:
    """Whatever the zone that sends, a file's name is of the journal's own time."""
    assert day_of(DAY) == date(2026, 11, 23)
    assert day_of(datetime(2026, 11, 24, 0, 30, tzinfo=UTC).timestamp()) == date(2026, 11, 24)
