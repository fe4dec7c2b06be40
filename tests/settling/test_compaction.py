"""Batches leave the journal, and everything that was told before is told after."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipeline.errors import RunDirectoryError
from pipeline.events import JournalCompacted, ResultFilesRotated, ResultsMissed
from pipeline.intake.ranges import Ranges
from pipeline.settling import compaction
from pipeline.settling.compaction import FEWEST, LONGEST_SECONDS, MOST, Stride, shrink
from pipeline.settling.doubles import count_doubles
from pipeline.settling.journal import Journal
from pipeline.settling.opening import replay
from pipeline.settling.rotation import next_day
from pipeline.settling.upkeep import Upkeep
from pipeline.settling.verdicts import Verdict, missing_places, read_verified, write_verification
from pipeline.settling.view import viewed
from pipeline.verbs.listing import ensure_all
from tests.fakes.living import DAYS_A_SECOND, Life, told_in_files, told_in_journal
from tests.fakes.runs import ACCEPTED, REFUSED, UNHEARD, survivors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.events import Event
    from pipeline.sending.outcome import Outcome

ROOT = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
A_DAY = 86_400.0
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from([ACCEPTED, ACCEPTED, REFUSED, UNHEARD])


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    directory = tmp_path / "run"
    directory.mkdir()
    made = Life(directory)
    yield made
    made.store.close()


def lived(life: Life, days: int, *, batches: int = 4) -> None:
    """So many days, each put aside."""
    for _ in range(days):
        for number in range(batches):
            life.accept(3, gaps=number % 2 == 1)

        life.reject(1)
        life.fail(2, UNHEARD)
        life.now = next_day(life.now)
        life.rotate()
        life.now += 1.0


def rows_of(life: Life, table: str) -> int:
    (count,) = life.store.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(count)


class Lived(RuleBasedStateMachine):
    """Days pass, files are put aside, batches leave the journal, and the process is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        (self.root / "0").mkdir()
        self.life = Life(self.root / "0")
        self.legs = 0

    def teardown(self) -> None:
        self.life.come_back(self.life.directory)
        self.life.check()
        self.life.store.close()
        shutil.rmtree(self.root)

    @rule(count=st.integers(1, 7), gaps=st.booleans(), outcome=OUTCOMES)
    def settle(self, count: int, gaps: bool, outcome: Outcome) -> None:  # noqa: FBT001  # drawn
        self.life.fail(count, outcome, gaps=gaps)

    @rule(count=st.integers(1, 4), gaps=st.booleans())
    def dispatch(self, count: int, gaps: bool) -> None:  # noqa: FBT001  # drawn
        self.life.dispatched(count, gaps=gaps)

    @precondition(lambda self: self.life.in_flight)
    @rule(data=st.data(), outcome=OUTCOMES)
    def settle_late(self, data: st.DataObject, outcome: Outcome) -> None:
        batch = data.draw(st.sampled_from(self.life.in_flight))
        with self.life.store.transaction():
            self.life.settle(batch, outcome)

    @rule(count=st.integers(1, 3))
    def read_and_reject(self, count: int) -> None:
        self.life.reject(count)

    @rule(hours=st.integers(1, 60))
    def wait_and_rotate(self, hours: int) -> None:
        self.life.now += hours * 3_600
        self.life.rotate()

    @rule(count=st.integers(1, 7), gaps=st.booleans())
    def let_a_day_end(self, count: int, gaps: bool) -> None:  # noqa: FBT001  # drawn
        self.life.accept(count, gaps=gaps)
        self.life.now = next_day(self.life.now)
        self.life.rotate()
        self.life.now += 1.0

    @rule(keep_days=st.integers(0, 3), steps=st.lists(st.integers(1, 5), max_size=3))
    def compact(self, keep_days: int, steps: list[int]) -> None:
        """Some of a day, or all of it; the next time goes on with what is left."""
        begun = self.life.begin_to_compact(keep_days)
        taken = sum(map(self.life.compact_step, steps))
        event(f"begun to compact: {begun}, batches taken out: {'some' if taken else 'none'}")

    @rule(again=st.booleans())
    def come_back(self, again: bool) -> None:  # noqa: FBT001  # drawn
        """The process ends, or is killed."""
        directory = self.life.directory
        if again:
            self.legs += 1
            directory = survivors(directory, self.root / str(self.legs))

        self.life.come_back(directory)
        self.life.check()

    @invariant()
    def everybody_is_told_of(self) -> None:
        """The multiset of outcomes is the same, told by the files, the journal and its counts."""
        self.life.check()
        done = Ranges()
        for position in self.life.outcomes:
            done.add(position, position)

        replayed = replay(self.life.store.connection)
        assert replayed.done["contacts.csv"] == done
        assert replayed.next_batch_id == self.life.next_batch_id


TestLived = Lived.TestCase
TestLived.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@given(took=st.lists(st.floats(0, 0.1)))
def test_a_stride_never_leaves_its_bounds(took: list[float]) -> None:
    """It falls after a step that was long, and grows only after one that was short."""
    stride = Stride()
    for seconds in took:
        before = stride.batches
        stride.took(seconds)
        assert FEWEST <= stride.batches <= MOST
        if seconds > LONGEST_SECONDS:
            assert stride.batches < before or before == FEWEST
        else:
            assert stride.batches >= before


def test_what_stays_is_small(life: Life) -> None:
    """Of days long past one range, a row an hour, and those who were not accepted."""
    lived(life, 5)
    batches = life.store.summary().batches
    life.compact(0)
    life.check()
    assert life.store.summary().batches == batches
    assert rows_of(life, "batch") == rows_of(life, "settlement") == 1
    assert rows_of(life, "compacted_range") == 1
    assert rows_of(life, "compacted") == 5
    assert rows_of(life, "compacted_batch") == 10  # those with gaps
    assert rows_of(life, "contact") == sum(how != "accepted" for how in life.outcomes.values())


def test_numbers_go_on(life: Life) -> None:
    """No batch gets a number that one had which left the journal."""
    lived(life, 2)
    highest = life.next_batch_id
    life.compact(0)
    life.come_back(life.directory)
    assert life.next_batch_id == highest
    life.accept(1)
    life.check()


def test_numbers_go_on_where_the_newest_came_last(life: Life) -> None:
    """The newest settlement need not be that of the highest batch: both numbers go on."""
    batches = [life.dispatched(2) for _ in range(4)]
    for batch in batches[::-1]:
        with life.store.transaction():
            life.settle(batch)

    life.now = next_day(life.now)
    life.rotate()
    life.now += 1.0
    life.compact(0)
    assert rows_of(life, "batch") == 2
    life.come_back(life.directory)
    assert life.next_batch_id == batches[-1].batch_id + 1
    life.accept(1)
    life.check()


def test_numbers_are_not_given_twice_where_the_newest_batch_came_to_nothing(life: Life) -> None:
    """A batch that was in flight, and was given back, keeps no number that was settled free."""
    first, second = life.dispatched(3), life.dispatched(3)
    with life.store.transaction():
        life.settle(second)
        life.settle(first)

    life.now = next_day(life.now)
    life.rotate()
    third = life.dispatched(3)
    life.compact(0)
    with life.store.transaction():
        life.store.returned(third)

    assert replay(life.store.connection).next_batch_id > second.batch_id


def test_a_clock_that_was_ahead_once(life: Life) -> None:
    """A file put aside in a future that never came does not keep those behind it for ever."""
    lived(life, 1)
    today = life.now
    life.accept(3)
    life.now += 400 * A_DAY
    life.rotate()
    life.now = today
    lived(life, 3)
    life.compact(0)
    life.check()
    assert rows_of(life, "batch") <= 2


def test_younger_days_stay(life: Life) -> None:
    """What is kept is kept to the last batch."""
    lived(life, 4)
    life.compact(2.5)
    life.check()
    with viewed(life.directory) as view:
        assert len(list(view.accepted())) == 4 * 10

    query = "SELECT file FROM result_part WHERE contacts IS NOT NULL"
    gone = [file for (file,) in life.store.connection.execute(query)]
    assert gone == ["accepted-2026-11-23.ndjson", "accepted-2026-11-24.ndjson"][: len(gone)]
    assert len(gone) == 1


@pytest.mark.parametrize("damage", ["gone", "cut", "edited"])
def test_a_file_that_alone_had_them(life: Life, damage: str) -> None:
    """It is not made up: what it told of is named, and everybody else is told of as before."""
    lived(life, 3)
    life.compact(0)
    path = life.directory / "accepted-2026-11-24.ndjson"
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        os.truncate(path, 100)
    else:
        path.write_bytes(path.read_bytes().replace(b"c0", b"d0", 1))

    life.come_back(life.directory)
    what = "is gone" if damage == "gone" else "is not what was written"
    with viewed(life.directory) as view:
        (missed,) = view.left_out()
        assert missed.startswith(f"accepted-2026-11-24.ndjson {what}: ")
        assert "its 10 accepted contacts" in missed
        assert len(list(view.accepted())) == 2 * 10
        assert view.summary().accepted == 3 * 10
        ensure_all(view, "rejected")
        with pytest.raises(RunDirectoryError, match="not all of them are listed"):
            ensure_all(view, "accepted")

    with life.store.transaction():
        assert count_doubles(life.store.connection, life.directory) is None

    assert not path.exists() or path.stat().st_size != 0


def test_verdicts_outlive_the_batches(life: Life) -> None:
    """Who is missing stays missing; of those who left, what was found once stands."""
    lived(life, 2)
    places = life.accepted_places()
    batches = sorted(places)
    verdicts = [
        Verdict(batch_id=number, outcome="entered", reason="r", detail="", places=places[number])
        for number in batches[1:]
    ]
    lost = places[batches[0]]
    missing = Verdict(batch_id=batches[0], outcome="missing", reason="r", detail="", places=lost)

    def verify(some: list[Verdict]) -> None:
        with life.store.transaction():
            write_verification(life.store, some, told=dict, entered=(), absent=())

    verify([missing, *verdicts])
    life.compact(0)
    connection = life.store.connection
    assert sorted(missing_places(connection)) == sorted(lost)
    verify([missing, *verdicts])
    assert sorted(missing_places(connection)) == sorted(lost)
    with viewed(life.directory) as view:
        assert sorted(row.position for row in view.verified("missing")) == [at for _, at in lost]
        assert sum(1 for _ in view.verified("entered")) == 20 - len(lost)

    (life.directory / "accepted-2026-11-23.ndjson").unlink()
    verify([verdict for verdict in verdicts if verdict.batch_id > batches[3]])
    found = read_verified(connection)
    assert found is not None
    assert (found.missing, found.entered) == (len(lost), 20 - len(lost))


def test_the_course_keeps_its_figures(life: Life) -> None:
    """A report tells of as many as before, at about the time when it was."""
    lived(life, 3)
    with viewed(life.directory) as view:
        before = view.course()

    life.compact(0)
    with viewed(life.directory) as view:
        after = view.course()

    for name in ("accepted", "rejected", "unknown"):
        told = [sum(each.settled[name] for each in course.stretches) for course in (before, after)]
        assert told[0] == told[1] > 0

    assert after.reasons == before.reasons


def test_a_journal_that_is_half_free_is_made_smaller(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is opened; and says all that it said."""
    for _ in range(100):
        life.accept(300)

    lived(life, 1)
    life.compact(0)
    life.store.close()
    monkeypatch.setattr(compaction, "SHRUNK_BYTES", 1 << 14)
    before = (life.directory / "journal.db").stat().st_size
    life.come_back(life.directory)
    assert not shrink(life.store.connection)
    life.come_back(life.directory)
    assert (life.directory / "journal.db").stat().st_size < before / 2
    life.check()


async def test_the_upkeep_of_a_week(life: Life) -> None:
    """It does what is due when it is, tells of it, and loses nobody."""
    told: list[Event] = []
    upkeep: Upkeep
    async with Journal(life.store) as journal:
        upkeep = Upkeep(
            journal,
            life.directory,
            keep_seconds=2 * A_DAY,
            remember_seconds=2 * A_DAY,
            emit=told.append,
            clock=lambda: life.now,
        )
        for day in range(7):
            for _ in range(20):
                life.accept(2, gaps=True)

            life.message(f"m{day}")
            life.now = next_day(life.now) + 1.0
            await upkeep.once(rest_seconds=0.0)
            await upkeep.once(rest_seconds=0.0)  # nothing is due

        assert rows_of(life, "message") == 2
        assert rows_of(life, "batch") < 3 * 20 + 1

    rotated = [event for event in told if isinstance(event, ResultFilesRotated)]
    compacted = [event for event in told if isinstance(event, JournalCompacted)]
    assert len(rotated) == 7
    assert [event.file for event in compacted] == [
        f"accepted-2026-11-{day}.ndjson" for day in range(23, 27)
    ]
    assert {event.contacts for event in compacted} == {20}
    assert not [event for event in told if isinstance(event, ResultsMissed)]
    life.check()


async def test_the_upkeep_writes_a_lost_file_before_it_compacts(life: Life) -> None:
    """A day whose file was deleted has it again before its contacts leave the journal."""
    lived(life, 2)
    (life.directory / "accepted-2026-11-23.ndjson").unlink()
    async with Journal(life.store) as journal:
        upkeep = Upkeep(
            journal,
            life.directory,
            keep_seconds=0.5,
            remember_seconds=0.5,
            emit=lambda _: None,
            clock=lambda: life.now + 1.0,
        )
        await upkeep.once(rest_seconds=0.0)

    with viewed(life.directory) as view:
        assert view.left_out() == []

    life.check()


async def test_a_file_that_cannot_be_written_keeps_its_contacts_in_the_journal(life: Life) -> None:
    """It is told of, and the run goes on."""
    lived(life, 1)
    path = life.directory / "accepted-2026-11-23.ndjson"
    path.unlink()
    path.mkdir()
    told: list[Event] = []
    async with Journal(life.store) as journal:
        upkeep = Upkeep(
            journal,
            life.directory,
            keep_seconds=0.5,
            remember_seconds=0.5,
            emit=told.append,
            clock=lambda: life.now + 1.0,
        )
        await upkeep.once(rest_seconds=0.0)

    (missed,) = told
    assert isinstance(missed, ResultsMissed)
    assert str(path) in missed.detail
    path.rmdir()
    with viewed(life.directory) as view:
        assert len(list(view.accepted())) == 10


def live_and_be_killed(directory: Path, began: float, *, seconds: float) -> dict[int, str]:
    """Let a process live for so long, and kill it; what it said of each position."""
    command = [sys.executable, "-m", "tests.fakes.living", str(directory), str(began)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said: dict[int, str] = {}
        end = time.monotonic() + 30.0
        for line in process.stdout:
            if not said:
                end = time.monotonic() + seconds

            _, first, last, outcome = line.split()
            said.update(dict.fromkeys(range(int(first), int(last) + 1), outcome))
            if time.monotonic() >= end:
                process.kill()

    return said


@pytest.mark.timeout(120)
def test_killed_for_real_while_days_pass(tmp_path: Path) -> None:
    """Whenever it is killed, whoever was said to be settled is, once, in the files and out."""
    chance, began = Random(7), time.time()
    said: dict[int, str] = {}
    for _ in range(6):
        more = live_and_be_killed(tmp_path, began, seconds=chance.uniform(0.3, 1.6))
        assert not said.keys() & more.keys()
        said |= more

    Life(tmp_path).store.close()  # what was in flight at the last kill has its outcome
    told, files = told_in_journal(tmp_path), told_in_files(tmp_path)
    assert set(told.values()) == {1}
    by_position = {position: outcome for outcome, position in told}
    assert len(by_position) == told.total()
    for position, outcome in said.items():
        assert by_position[position] == outcome

    assert set(files.values()) == {1}
    assert files.total() == told.total()
    assert Counter(name for name, _ in files) == Counter(name for name, _ in told)
    with viewed(tmp_path) as view:
        assert view.left_out() == []
        assert view.summary().unprocessed == 0

    days = list(tmp_path.glob("accepted-*.ndjson"))
    assert len(days) > DAYS_A_SECOND
    assert compacted_in(tmp_path) > 100


def compacted_in(directory: Path) -> int:
    life = Life(directory)
    query = "SELECT coalesce(sum(accepted), 0) FROM compacted"
    (contacts,) = life.store.connection.execute(query).fetchone()
    life.store.close()
    return int(contacts)
