"""The inbox: which files are complete, told the time, and where they go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import SourceError
from pipeline.intake.inbox import Inbox, Place

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    made = Inbox(tmp_path, quiet_seconds=10.0)
    made.prepare()
    return made


def test_complete_is_what_stays_as_it_is(inbox: Inbox, tmp_path: Path) -> None:
    """Neither size nor time of change may move for so many seconds; an old time proves nothing."""
    path = tmp_path / "a.csv"
    path.write_text("x\n")
    os.utime(path, (0, 0))
    assert inbox.complete(100.0) is None
    assert inbox.complete(109.0) is None
    path.write_text("x\ny\n")
    assert inbox.complete(111.0) is None
    assert inbox.complete(120.0) is None
    assert inbox.complete(121.0) == path


def test_one_that_takes_anothers_place_is_another(inbox: Inbox, tmp_path: Path) -> None:
    """Of the same size and the same time, put there by a rename, it is watched anew."""
    path, other = tmp_path / "a.csv", tmp_path / ".a.csv"
    for each in (path, other):
        each.write_text("x\n")
        os.utime(each, (5, 5))

    assert inbox.complete(100.0) is None
    other.rename(path)
    assert inbox.complete(110.0) is None
    assert inbox.complete(120.0) == path


def test_a_mark_says_so_at_once(inbox: Inbox, tmp_path: Path) -> None:
    """NAME.done beside it; the mark goes when the file goes."""
    (tmp_path / "b.csv").write_text("x\n")
    (tmp_path / "a.csv").write_text("x\n")
    mark = tmp_path / "b.csv.done"
    mark.touch()
    found = inbox.complete(0.0)
    assert found == tmp_path / "b.csv"
    assert inbox.waiting == len(inbox.lying()) == 2
    assert inbox.put(found, Place.DONE) == tmp_path / "done" / "b.csv"
    assert not mark.exists()
    assert (tmp_path / "done" / "b.csv").read_text() == "x\n"


def test_what_is_no_file_to_take(inbox: Inbox, tmp_path: Path) -> None:
    """Hidden, half-written, linked, of another kind, or a folder: left where it is."""
    for name in (".a.csv", "a.csv.part", "a.csv.tmp", "a.csv.filepart", "a.pdf", "a.csv.done"):
        (tmp_path / name).write_text("x\n")

    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "done" / "old.csv").write_text("x\n")
    for name in ("link.csv", "link.pdf", ".link.csv"):
        (tmp_path / name).symlink_to(tmp_path / "done" / "old.csv")

    assert inbox.complete(0.0) is None
    assert inbox.links == {"link.csv"}  # which is told of
    (tmp_path / "link.csv").unlink()
    assert inbox.complete(1e6) is None
    assert inbox.waiting == 0
    assert not inbox.links
    (tmp_path / "a.csv.gz").write_bytes(b"x")
    assert inbox.complete(1e6) is None
    assert inbox.complete(2e6) == tmp_path / "a.csv.gz"


def test_nothing_is_overwritten(inbox: Inbox, tmp_path: Path) -> None:
    """A name that is there already gets a number."""
    for number in range(3):
        path = tmp_path / "a.csv"
        path.write_text(f"{number}\n")
        assert inbox.find("a.csv") == path
        inbox.put(path, Place.FAILED)

    found = {each.name: each.read_text() for each in (tmp_path / "failed").iterdir()}
    assert found == {"a.csv": "0\n", "a.2.csv": "1\n", "a.3.csv": "2\n"}


def test_only_what_was_taken_is_moved(inbox: Inbox, tmp_path: Path) -> None:
    """Replaced, grown or gone since, it is another file: it stays, complete in its turn."""
    path, other = tmp_path / "a.csv", tmp_path / ".a.csv"
    path.write_text("x\n")
    assert inbox.find("a.csv") == path
    other.write_text("z\n")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.rename(path)
    assert inbox.put(path, Place.DONE) is None
    assert inbox.complete(100.0) is None
    assert inbox.complete(110.0) == path
    with path.open("a") as file:
        file.write("y\n")

    assert inbox.put(path, Place.FAILED) is None
    assert path.read_text() == "z\ny\n"
    assert inbox.complete(120.0) is None
    assert inbox.complete(130.0) == path
    path.unlink()
    assert inbox.put(path, Place.DONE) is None
    assert [*(tmp_path / "done").iterdir(), *(tmp_path / "failed").iterdir()] == []


def test_a_mark_is_of_the_file_it_was_put_for(inbox: Inbox, tmp_path: Path) -> None:
    """One that is older than what lies there now goes; a newer one stays."""
    path, mark = tmp_path / "a.csv", tmp_path / "a.csv.done"
    for age, stays in ((1, False), (-1, True)):
        path.write_text("x\n")
        mark.touch()
        assert inbox.complete(100.0) == path
        path.write_text("y\nz\n")
        at = path.stat().st_mtime_ns - age * 1_000_000_000
        os.utime(mark, ns=(at, at))
        assert inbox.put(path, Place.DONE) is None
        assert mark.exists() is stays
        assert inbox.complete(101.0) == (path if stays else None)


def test_the_mark_goes_first(inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends between the two leaves no mark for a file that is yet to come."""
    path, mark = tmp_path / "a.csv", tmp_path / "a.csv.done"
    path.write_text("x\n")
    mark.touch()
    assert inbox.complete(0.0) == path

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(path), "rename", killed)
    with pytest.raises(KeyboardInterrupt):
        inbox.put(path, Place.DONE)

    assert (path.exists(), mark.exists()) == (True, False)


def test_one_process_at_a_time(inbox: Inbox, tmp_path: Path) -> None:
    """Who holds the folder keeps others out until the end; looking at it needs no hold."""
    other = Inbox(tmp_path, quiet_seconds=10.0)
    with inbox.held():
        assert not other.holds_files()
        with pytest.raises(SourceError, match="is watched by another process"), other.held():
            pass

    with other.held():
        pass


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """It is said which key to look at."""
    with pytest.raises(SourceError, match=r"is no folder: source\.watch needs one"):
        Inbox(tmp_path / "none", quiet_seconds=1.0).prepare()
