"""Runs that were put aside: found by what they were of, removed when old, known for ever."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import (
    AlreadyInjectedError,
    InjectedInPartError,
    JournalInUseError,
    RunDirectoryError,
)
from pipeline.settling.admission import Kind
from pipeline.settling.contents import INJECTED_NAME, PREVIOUS
from pipeline.settling.directory import RunDirectory
from pipeline.settling.injected import Injected
from pipeline.settling.lock import locked
from pipeline.settling.opening import begin
from pipeline.settling.removal import EVERY_SECONDS, MOST, Removal
from pipeline.settling.state import RunState
from pipeline.settling.view import viewed
from tests.fakes.holdings import ToldHoldings
from tests.fakes.runs import DAY, fingerprint, identity_of, read_away, settlement
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parents[2]
A_DAY = 86_400.0
MEMORY = Path("/dev/shm")


def inject(
    path: Path,
    name: str,
    *,
    at: float = DAY,
    state: RunState = RunState.COMPLETED,
    again: bool = False,
) -> None:
    """A run of one contact of the source of that name."""
    with RunDirectory(path, clock=lambda: at) as directory:
        identity = identity_of(fingerprint(name))
        opened = directory.open(identity, endpoint="events", again=again)
        with opened.store.transaction():
            batch = make_batch(1, [1], source=name)
            opened.store.dispatched(batch, 1)
            opened.store.settle([settlement(batch)], (), read_away(1, name))
            opened.store.ended(state, exhausted=state is RunState.COMPLETED)


def forget(path: Path, *, before: float, most: int = 25) -> int:
    with RunDirectory(path, clock=lambda: before + 31 * A_DAY) as directory:
        return directory.forget(before=before, most=most)


def known(path: Path, name: str) -> bool:
    """Whether a source is refused as injected already."""
    try:
        with RunDirectory(path, clock=lambda: DAY + 99 * A_DAY) as directory:
            directory.open(identity_of(fingerprint(name)), endpoint="events")
    except AlreadyInjectedError:
        return True

    return False


def was_a(sizes: Iterable[int]) -> list[tuple[int, str]]:
    """Beginnings of a source to which was appended what `a` did not have."""
    assert 100 in sizes
    return [(100, "digest of a")]


def aside(path: Path) -> list[str]:
    """What lies in previous/, by the names of its sources."""
    found = []
    for place in (path / PREVIOUS).iterdir():
        with viewed(place) as view:
            found.append(view.run().identity.names)

    return sorted(found)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A directory with the runs of a, b and c, a day after each other, a and b put aside."""
    for day, name in enumerate("abc"):
        inject(tmp_path, name, at=DAY + day * A_DAY)

    return tmp_path


def test_known_without_opening_every_journal(path: Path) -> None:
    """Who asks opens the journals of those alone that have something in common with what is asked
    for: one that cannot be read any more is in nobody's way, but in that of its own source."""
    assert known(path, "a")
    for place in (path / PREVIOUS).iterdir():
        with viewed(place) as view:
            name = view.run().identity.names

        if name == "a":
            (place / "journal.db").write_bytes(b"no journal any more")

    assert known(path, "b")
    with pytest.raises(RunDirectoryError, match="no journal"):
        known(path, "a")


def test_made_anew(path: Path) -> None:
    """Where the file is gone it is made anew from the journals; one that is another program's is
    not touched."""
    assert known(path, "a")
    (path / INJECTED_NAME).unlink()
    assert known(path, "a")
    assert (path / INJECTED_NAME).stat().st_mode & 0o777 == 0o600
    (path / INJECTED_NAME).write_bytes(b"somebody else's" * 100)
    with pytest.raises(RunDirectoryError, match=INJECTED_NAME):
        known(path, "a")


def test_what_is_old_is_removed_and_known(path: Path) -> None:
    """Older than is kept, it is removed; its source is refused for ever, and so is one that begins
    with it, with the date and the counts of then."""
    assert forget(path, before=DAY + 1) == 1
    assert aside(path) == ["b"]
    assert known(path, "a")
    with (
        RunDirectory(path) as directory,
        pytest.raises(AlreadyInjectedError, match=r"injected on 2026-11-23 .*, removed on "),
    ):
        directory.open(identity_of(fingerprint("a")), endpoint="events")

    grown = identity_of(fingerprint("a", size=1_000, digest="of more"))
    with RunDirectory(path) as directory, pytest.raises(InjectedInPartError, match="a has grown"):
        directory.open(grown, endpoint="events", holdings=ToldHoldings(was_a))

    among = identity_of(fingerprint("a"), fingerprint("new"))
    with RunDirectory(path) as directory, pytest.raises(InjectedInPartError, match="among other"):
        directory.open(among, endpoint="events")

    other_journey = identity_of(fingerprint("a"), journey="APIEvent-2")
    with RunDirectory(path) as directory:
        directory.open(other_journey, endpoint="events")


def test_asked_once_whatever_is_known(tmp_path: Path) -> None:
    """Of however many runs one may be the beginning: the new source is asked once for all of them,
    each size once, and for none that is as long or longer, or of another journey."""
    for number, size in enumerate((300, 100, 300, 200, 900, 1_000)):
        with RunDirectory(tmp_path) as directory:
            journey = "APIEvent-2" if size == 200 else "APIEvent-1"
            identity = identity_of(fingerprint(f"{number}", size=size), journey=journey)
            directory.open(identity, endpoint="events", again=True)

    asked: list[list[int]] = []

    def beginnings(sizes: Iterable[int]) -> list[tuple[int, str]]:
        asked.append(sorted(sizes))
        return [(300, "digest of 2"), (100, "digest of another")]

    wanted = identity_of(fingerprint("new", size=900))
    (found,) = Injected(tmp_path).like(wanted, ToldHoldings(beginnings))
    assert found.run.identity.names == "2"
    assert asked == [[100, 300]]


@pytest.mark.parametrize("older", [False, True], ids=["gone", "an older copy"])
def test_what_is_not_known_any_more(path: Path, *, older: bool) -> None:
    """Where the file is gone, or is as it was before a run was put aside, and that has left since:
    nothing is begun, until it is put back or somebody says that he knows."""
    assert known(path, "a")
    copy = (path / INJECTED_NAME).read_bytes()
    inject(path, "d", at=DAY + 3 * A_DAY)
    inject(path, "e", at=DAY + 4 * A_DAY)
    assert forget(path, before=DAY + 9 * A_DAY) == 4
    whole = (path / INJECTED_NAME).read_bytes()
    (path / INJECTED_NAME).unlink()
    (path / PREVIOUS).rmdir()
    if older:
        (path / INJECTED_NAME).write_bytes(copy)

    lost = 2 if older else 4
    for name in ("d", "new"):
        with pytest.raises(RunDirectoryError, match=f"does not know {lost} of the 4 runs any more"):
            known(path, name)

    (path / INJECTED_NAME).write_bytes(whole)
    assert all(known(path, name) for name in "abcde")
    (path / INJECTED_NAME).unlink()
    (path / "injected.db-count").unlink()
    assert known(path, "e")
    assert not known(path, "d")


def test_a_loss_is_noticed_whatever_comes_after(path: Path) -> None:
    """However many runs are begun and put aside before anybody asks: one that was removed is
    missed, and known again once the file is put back."""
    assert known(path, "a")
    assert forget(path, before=DAY + 1) == 1
    whole = (path / INJECTED_NAME).read_bytes()
    (path / INJECTED_NAME).unlink()
    for number, name in enumerate("defg"):
        inject(path, name, at=DAY + (3 + number) * A_DAY, again=True)

    for _ in range(2):
        with pytest.raises(RunDirectoryError, match="does not know 1 of the 2 runs any more"):
            known(path, "a")

    with RunDirectory(path) as directory, pytest.raises(RunDirectoryError, match="does not know"):
        directory.forget(before=DAY + 99 * A_DAY, most=25)

    (path / INJECTED_NAME).write_bytes(whole)
    assert all(known(path, name) for name in "abcdefg")
    (path / INJECTED_NAME).unlink()
    with pytest.raises(RunDirectoryError, match="does not know 1 of the 6 runs any more"):
        known(path, "b")


def test_a_run_that_gave_its_place_is_missed(path: Path) -> None:
    """What is noted when another run is begun in its place is missed as well where that is lost;
    and where something is, no run is begun in the place of one that only that could tell of."""
    assert known(path, "a")
    place = next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == "a")
    for number, name in enumerate("de"):
        inject(place, name, at=DAY + (5 + number) * A_DAY, again=True)

    (path / INJECTED_NAME).unlink()
    for _ in range(2):
        with pytest.raises(RunDirectoryError, match="does not know 2 of the 3 runs any more"):
            known(path, "d")

    with pytest.raises(RunDirectoryError, match="does not know 2 of the 3 runs any more"):
        inject(place, "f", again=True)

    assert viewed_name(place) == "e"


def test_a_count_of_the_format_before(path: Path) -> None:
    """The number alone, as it was written once: where fewer are known nothing is begun, and where
    as many are, those are missed from then on."""
    assert known(path, "a")
    assert forget(path, before=DAY + 1.5 * A_DAY) == 2
    with closing(sqlite3.connect(path / INJECTED_NAME)) as connection:
        connection.execute("DROP TABLE IF EXISTS roll")

    whole = (path / INJECTED_NAME).read_bytes()
    count = path / "injected.db-count"
    count.write_bytes(b"2")
    (path / INJECTED_NAME).unlink()
    inject(path, "d", at=DAY + 3 * A_DAY, again=True)
    with pytest.raises(RunDirectoryError, match="does not know 1 of the 2 runs any more"):
        known(path, "a")

    assert count.read_bytes() == b"2"
    (path / INJECTED_NAME).write_bytes(whole)
    assert all(known(path, name) for name in "abcd")
    assert count.stat().st_mode & 0o777 == 0o600
    (path / INJECTED_NAME).unlink()
    for number, name in enumerate("efgh"):
        inject(path, name, at=DAY + (4 + number) * A_DAY, again=True)

    with pytest.raises(RunDirectoryError, match="does not know 2 of the 3 runs any more"):
        known(path, "a")


@pytest.mark.parametrize(
    "left",
    [lambda told: told[:-9], lambda told: told[:-21] + bytes(21), lambda _: b""],
    ids=["cut", "zeros", "nothing"],
)
def test_what_a_machine_without_power_left(path: Path, left: Callable[[bytes], bytes]) -> None:
    """A line that was cut, or of which the disk has zeros alone, keeps nobody out; and it is there
    again when somebody has asked."""
    assert known(path, "a")
    count = path / "injected.db-count"
    told = count.read_bytes()
    count.write_bytes(left(told))
    assert known(path, "a")
    assert sorted(count.read_bytes().splitlines()) == sorted(told.splitlines())


def test_another_run_begun_in_its_place(path: Path) -> None:
    """`--again` in a run's place begins another there: both are known for what they are, also when
    that one leaves."""
    assert known(path, "a")
    place = next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == "a")
    inject(place, "new", at=DAY + 5 * A_DAY, again=True)
    assert viewed_name(place) == "new"
    assert all(known(path, name) for name in ("a", "b", "c", "new"))

    assert forget(path, before=DAY + 1) == 1, "what was there before; what lies there is not as old"
    assert viewed_name(place) == "new"
    assert forget(path, before=DAY + 6 * A_DAY) == 2  # and b
    assert list((path / PREVIOUS).iterdir()) == []
    assert all(known(path, name) for name in ("a", "b", "c", "new"))
    assert to_be_removed(path) == set()


def place_of(path: Path, name: str) -> Path:
    return next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == name)


def to_be_removed(path: Path) -> set[str]:
    """The places of which not all runs are removed."""
    with closing(sqlite3.connect(path / INJECTED_NAME)) as connection:
        return {place for (place,) in connection.execute(REMAINING)}


REMAINING = "SELECT place FROM run WHERE removed_at IS NULL"


def test_what_was_put_aside_below(path: Path) -> None:
    """Runs that others were begun in the place of leave with those, from however deep they lie, and
    all are known above. One that can be gone on with stays, and so does what is worked on."""
    assert known(path, "a")
    place = place_of(path, "a")
    inject(place, "d", at=DAY + 5 * A_DAY, again=True, state=RunState.HALTED)
    inject(place, "e", at=DAY + 6 * A_DAY, again=True)
    below = place_of(place, "a")
    inject(below, "f", at=DAY + 7 * A_DAY, again=True)
    with locked(below):
        assert forget(path, before=DAY + 20 * A_DAY) == 2  # b and e

    assert aside(place) == ["d", "f"]
    assert forget(path, before=DAY + 20 * A_DAY) == 2  # a and f
    assert aside(place) == ["d"]
    assert forget(path, before=DAY + 20 * A_DAY) == 0
    assert to_be_removed(path) == {place.name}
    with RunDirectory(place_of(place, "d"), clock=lambda: DAY + 8 * A_DAY) as directory:
        opened = directory.open(identity_of(fingerprint("d")), endpoint="events")
        with opened.store.transaction():
            opened.store.ended(RunState.COMPLETED, exhausted=True)

    assert forget(path, before=DAY + 20 * A_DAY) == 1
    assert sorted(each.name for each in place.iterdir()) == [
        INJECTED_NAME,
        f"{INJECTED_NAME}-count",
    ]
    assert to_be_removed(path) == set()
    assert all(known(path, name) for name in "abcdef")
    (path / INJECTED_NAME).unlink()
    with pytest.raises(RunDirectoryError, match="does not know 5 of the 5 runs any more"):
        known(path, "f")


def test_what_lies_below_no_more(path: Path) -> None:
    """What somebody has taken from there is not looked for again, and what an earlier program left
    of a place leaves; what is nobody's run stays, and no link is followed."""
    assert known(path, "a")
    place, other = place_of(path, "a"), place_of(path, "b")
    left, mine = path / PREVIOUS / "left", path / "mine"
    inject(place, "d", at=DAY + 5 * A_DAY, again=True)
    shutil.copytree(place_of(place, "a"), mine / "a")
    shutil.copytree(place_of(place, "a"), left / PREVIOUS / "a")
    shutil.rmtree(place_of(place, "a"))
    (other / PREVIOUS).symlink_to(mine)
    (left / PREVIOUS / "half" / PREVIOUS).mkdir(parents=True)
    (left / PREVIOUS / "accepted.ndjson").touch()
    assert forget(path, before=DAY + 1) == 1  # what was left
    assert to_be_removed(path) == {place.name, other.name}
    assert viewed_name(place) == "d"
    assert forget(path, before=DAY + 9 * A_DAY) == 2
    assert [each.name for each in other.iterdir()] == [PREVIOUS]
    assert {each.name for each in (left / PREVIOUS).iterdir()} == {"accepted.ndjson", "half"}
    assert viewed_name(mine / "a") == "a"


FORMER = {
    1: """
DROP TABLE plain;
ALTER TABLE run RENAME TO latter_run;
ALTER TABLE content RENAME TO latter_content;
DROP INDEX content_by_digest;
DROP INDEX run_by_age;
CREATE TABLE run (
    place TEXT PRIMARY KEY, run_id TEXT NOT NULL, event_definition_key TEXT NOT NULL,
    rest_host TEXT NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL,
    finished INTEGER NOT NULL, untouched INTEGER NOT NULL, retrying TEXT, started_at REAL NOT NULL,
    ended_at REAL, read INTEGER NOT NULL, accepted INTEGER NOT NULL, rejected INTEGER NOT NULL,
    unknown INTEGER NOT NULL, batches INTEGER NOT NULL, removed_at REAL
) WITHOUT ROWID;
CREATE TABLE content (
    place TEXT NOT NULL REFERENCES run, ordinal INTEGER NOT NULL, name TEXT NOT NULL, size INTEGER,
    digest TEXT NOT NULL, reading TEXT NOT NULL, PRIMARY KEY (place, ordinal)
) WITHOUT ROWID;
CREATE INDEX content_by_digest ON content (digest);
CREATE INDEX run_by_age ON run (started_at) WHERE removed_at IS NULL;
INSERT INTO run SELECT * FROM latter_run;
INSERT INTO content SELECT place, ordinal, name, size, digest, reading FROM latter_content;
DROP TABLE begun_anew;
DROP TABLE latter_content;
DROP TABLE latter_run;
PRAGMA user_version = 1;
""",
    2: "DROP TABLE plain; PRAGMA user_version = 2;",
}


@pytest.mark.parametrize("version", FORMER)
def test_a_file_of_the_format_before(path: Path, version: int) -> None:
    """What it knows is known as before, and what is put aside from now on with it."""
    assert forget(path, before=DAY + 1) == 1
    with closing(sqlite3.connect(path / INJECTED_NAME)) as connection:
        connection.executescript(FORMER[version])

    assert all(known(path, name) for name in "abc")
    inject(path, "d", at=DAY + 3 * A_DAY)
    assert forget(path, before=DAY + 9 * A_DAY) == 2
    assert all(known(path, name) for name in "abcd")


def test_asked_where_it_was_put_aside(path: Path) -> None:
    """In the place of a run that was removed its source is refused as in the run directory itself,
    and so are one that has grown and what is in the run directory now; another one is injected."""
    assert known(path, "a")
    place = next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == "a")
    assert forget(path, before=DAY + 1) == 1
    assert not place.exists()
    with pytest.raises(AlreadyInjectedError, match=r"on 2026-11-23 .*, removed on "):
        inject(place, "a")

    with pytest.raises(AlreadyInjectedError):
        inject(place, "c")

    inside = place / PREVIOUS / "further"
    (path / "link").symlink_to(inside)
    grown = identity_of(fingerprint("a", size=1_000, digest="of more"))
    for way in (place, inside, path / "link"):
        with (
            RunDirectory(way) as directory,
            pytest.raises(InjectedInPartError, match="a has grown"),
        ):
            directory.open(grown, endpoint="events", holdings=ToldHoldings(was_a))

    with locked(path), pytest.raises(JournalInUseError):
        inject(place, "new")

    inject(place, "new")
    assert known(place, "a")
    assert not known(place, "another")
    assert viewed_name(place) == "another"


@pytest.mark.parametrize("again", [False, True])
def test_above_nothing_is_begun_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """From when the one above is asked, or told, until the run in its `previous/` has begun, none
    of the same source begins there."""
    assert known(path, "a")
    place = place_of(path, "a")
    tried = []

    def begun_meanwhile(directory: Path, **options: Any) -> Any:
        if directory == place:
            tried.append(directory)
            with pytest.raises(JournalInUseError):
                inject(path, "new")

        return begin(directory, **options)

    monkeypatch.setattr("pipeline.settling.directory.begin", begun_meanwhile)
    inject(place, "new", again=again)
    assert tried
    assert known(path, "new")
    with locked(path):
        pass


def test_who_is_about_to_send_it(path: Path) -> None:
    """While somebody works on a run in `previous/`, its source is asked for once more above: it is
    waited for, whatever is settled yet. Left before anything was read, it keeps nobody out; but who
    goes on with it is refused once it was injected elsewhere."""
    assert known(path, "a")
    place, new = place_of(path, "a"), identity_of(fingerprint("new"))
    with RunDirectory(place, clock=lambda: DAY + 5 * A_DAY) as directory:
        directory.open(new, endpoint="events")
        with pytest.raises(JournalInUseError, match="is in use by process"):
            known(path, "new")

        assert known(path, "b")

    with RunDirectory(place) as directory:
        assert directory.open(new, endpoint="events").kind is Kind.CONTINUED

    inject(path, "new", at=DAY + 6 * A_DAY)
    with pytest.raises(AlreadyInjectedError):
        inject(place, "new")


def test_what_was_under_way_when_it_was_put_aside(path: Path) -> None:
    """A process that dies with its first batch under way leaves a run with nothing settled: its
    source may have been sent, and is not sent once more."""
    with RunDirectory(path, clock=lambda: DAY + 5 * A_DAY) as directory:
        opened = directory.open(identity_of(fingerprint("d")), endpoint="events")
        with opened.store.transaction():
            opened.store.dispatched(make_batch(1, [1], source="d"), 1)

    inject(path, "e", at=DAY + 6 * A_DAY, again=True)
    with pytest.raises(RunDirectoryError, match="0 contacts settled and maybe others sent"):
        inject(path, "d")

    grown = identity_of(fingerprint("d", size=1_000, digest="of more"))
    was_d = ToldHoldings(lambda _: [(100, "digest of d")])
    with RunDirectory(path) as directory, pytest.raises(InjectedInPartError, match="d has grown"):
        directory.open(grown, endpoint="events", holdings=was_d)


def test_what_is_not_removed(tmp_path: Path) -> None:
    """A run that was left unfinished, one that somebody works on, and what is not ours."""
    inject(tmp_path, "unfinished", state=RunState.HALTED)
    with RunDirectory(tmp_path) as directory:
        directory.open(identity_of(fingerprint("a")), endpoint="events", again=True)

    with RunDirectory(tmp_path) as directory:
        directory.open(identity_of(fingerprint("b")), endpoint="events")

    inject(tmp_path, "b")
    inject(tmp_path, "c")
    assert aside(tmp_path) == ["a", "b", "unfinished"]
    worked_on = next(
        place for place in (tmp_path / PREVIOUS).iterdir() if viewed_name(place) == "b"
    )
    (worked_on / "mine.csv").touch()
    with locked(worked_on):
        assert forget(tmp_path, before=2 * DAY) == 1  # a, of which nothing was read

    assert aside(tmp_path) == ["b", "unfinished"]
    assert forget(tmp_path, before=2 * DAY) == 1
    assert [each.name for each in worked_on.iterdir()] == ["mine.csv"]
    assert forget(tmp_path, before=2 * DAY) == 0
    assert known(tmp_path, "b")
    assert not known(tmp_path, "a")


def test_what_is_ours_by_its_name(path: Path) -> None:
    """With a run go the files that we write, half written ones among them; what others put there
    stays, however much it is called like ours, and so does what is known of runs put aside there.
    """
    assert known(path, "a")
    place = next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == "a")
    ours = [
        *(
            "run.lock",
            "watch.lock",
            "journal.db-journal",
            "journal.db.new",
            "journal.db.new-journal",
        ),
        *("journal.db-count", "summary.json", "summary.json.new", "report.html", "report.html.new"),
        *("samples.ndjson", "verify.db", "verify.db-journal"),
        *("live.json", "live.json.new", "orders.json", "orders.json.new"),
        *("watch-live.json", "watch-live.json.new", "watch-orders.json", "watch-orders.json.new"),
        *("accepted-2026-11-29.ndjson", "accepted-2026-11-29-2.ndjson.new"),
    ]
    theirs = [
        *("report.xlsx", "report.html.bak", "summary.docx", "summary.txt", "live.csv"),
        *("orders.csv", "injected.csv", "journal.txt", "journal.db.bak", "accepted-notes.ndjson"),
        *("accepted.xlsx", "verify.db.bak", "injected.db", "injected.db-journal"),
    ]
    for name in (*ours, *theirs):
        (place / name).touch()

    assert forget(path, before=DAY + 1) == 1
    assert sorted(each.name for each in place.iterdir()) == sorted(theirs)
    assert known(path, "a")


def viewed_name(place: Path) -> str:
    with viewed(place) as view:
        return view.run().identity.names


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory in memory, where there is such a place: what is killed need not outlive the
    machine."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as scratch:
        yield Path(scratch)


def killed(path: Path, scratch: Path, *arguments: str) -> list[Path]:
    """Copies of `path`, one of each kind that a process leaves which is killed at its work."""
    shutil.copytree(path, scratch / "whole")
    command = [sys.executable, "-m", "tests.fakes.removing", str(scratch), *arguments]
    assert subprocess.run(command, cwd=ROOT, timeout=100, check=False).returncode == 0
    return [each for each in scratch.iterdir() if each.name != "whole"]


@pytest.mark.parametrize("removed", [0, 1])
def test_killed_while_runs_are_noted(path: Path, scratch: Path, removed: int) -> None:
    """Whenever that is: all are known afterwards. Where the file is lost then, what was removed is
    missed; and where nothing was, nobody is kept out."""
    assert known(path, "a")
    assert forget(path, before=DAY + removed) == removed
    inject(path, "d", at=DAY + 3 * A_DAY)
    inject(path, "e", at=DAY + 4 * A_DAY, again=True)
    copies = killed(path, scratch)
    lines = set()
    for copy in copies:
        lines.add((copy / "injected.db-count").read_bytes().count(b"\n"))
        lost = shutil.copytree(copy, copy.with_name(f"{copy.name}-lost"))
        (lost / INJECTED_NAME).unlink()
        if removed:
            with pytest.raises(RunDirectoryError, match="does not know 1 of the"):
                known(lost, "a")
        else:
            assert all(known(lost, name) for name in "abcd"), copy.name

        assert all(known(copy, name) for name in "abcd"), copy.name

    assert len(copies) > 5
    assert lines >= {2, 4}


@pytest.mark.parametrize("anew", [False, True])
def test_killed_at_every_step(path: Path, scratch: Path, *, anew: bool) -> None:
    """Whenever a removal is killed: what was injected is known, and the next removal ends it; also
    where another run was begun in the place of one."""
    before = DAY + 1.5 * A_DAY
    if anew:
        assert known(path, "a")
        inject(place_of(path, "a"), "d", at=DAY + A_DAY, again=True)

    copies = killed(path, scratch, str(before))
    states = set()
    names = "abcd" if anew else "abc"
    for copy in copies:
        states.add(len(list((copy / PREVIOUS).rglob("*"))))
        assert all(known(copy, name) for name in names), copy.name
        forget(copy, before=before)
        assert list((copy / PREVIOUS).iterdir()) == [], copy.name
        assert all(known(copy, name) for name in names), copy.name

    assert len(copies) > 15
    assert len(states) > 5, "it was killed among the files as well"


def test_some_at_a_time(tmp_path: Path) -> None:
    """Once an hour, by the clock that is told, and on until nothing is left; a clock that was set
    back is believed."""
    for number in range(MOST + 3):
        inject(tmp_path, str(number), at=DAY + number)

    now = DAY + 10 * A_DAY
    removal = Removal(tmp_path, keep_seconds=A_DAY, clock=lambda: now)
    assert [removal.once() for _ in range(3)] == [MOST, 2, 0]
    inject(tmp_path, "one more", at=DAY)
    now += EVERY_SECONDS - 1
    assert removal.once() == 0
    now += 1
    assert removal.once() == 1
    inject(tmp_path, "another", at=DAY)
    now -= 5 * A_DAY
    assert removal.once() == 1
    assert list((tmp_path / PREVIOUS).iterdir()) == []


def test_somebody_works_there(path: Path) -> None:
    """A directory that is in use, or is none yet, is left alone until later; so is a run in whose
    place a worker waits for files."""
    removal = Removal(path, keep_seconds=0.0, clock=lambda: DAY + 99 * A_DAY)
    with locked(path):
        assert removal.once() == 0

    place = next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == "a")
    with locked(place, "watch.lock"):
        assert forget(path, before=DAY + 1) == 0
        assert (place / "watch.lock").exists()

    assert forget(path, before=DAY + 1) == 1
    nowhere = Removal(path / "none", keep_seconds=0.0)
    assert nowhere.once() == 0
    assert not (path / "none").exists()


def test_a_place_that_is_somebodys_since(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal that was killed is not gone on with where somebody works on the run, nor where
    another run has been begun at its place; and what cannot be removed keeps nothing else."""
    assert known(path, "a")
    of_a = next(each for each in (path / PREVIOUS).iterdir() if viewed_name(each) == "a")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.settling.expiry.clear", _killed)
        with pytest.raises(KeyboardInterrupt):
            forget(path, before=DAY + 1)

    with locked(of_a):
        forget(path, before=DAY + 1)
        assert viewed_name(of_a) == "a"

    (of_a / "report.html.new").mkdir()
    assert forget(path, before=DAY + 1.5 * A_DAY) == 1  # b
    assert known(path, "a")
    (of_a / "report.html.new").rmdir()
    forget(path, before=DAY + 1)
    assert not of_a.exists()

    inject(of_a, "new", at=DAY + 40 * A_DAY)
    forget(path, before=DAY + 1)
    assert known(of_a, "new")
    assert known(path, "a")


def _killed(_: Path) -> None:
    raise KeyboardInterrupt
