from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import AlreadyInjectedError, JournalInUseError, RunDirectoryError
from pipeline.settling.admission import Kind
from pipeline.settling.directory import RunDirectory, RunPolicy
from pipeline.settling.lock import holder
from pipeline.settling.results import NAMES
from pipeline.settling.state import RunState
from pipeline.settling.tables import VERSION
from pipeline.settling.view import viewed
from tests.fakes.runs import (
    DAY,
    fingerprint,
    identity_of,
    lines_of,
    read_away,
    rejection,
    settlement,
    unwritable,
)
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.settling.identity import Identity

OTHER = identity_of(fingerprint("other.csv"))


def run(
    path: Path,
    identity: Identity | None = None,
    state: RunState = RunState.COMPLETED,
    *,
    exhausted: bool | None = None,
    **options: Any,
) -> tuple[Kind, str]:
    """A leg of a run that accepts one more batch of one contact; how it began, and its id."""
    with RunDirectory(path, clock=lambda: DAY) as directory:
        opened = directory.open(identity or identity_of(), endpoint="events", **options)
        source = opened.store.summary()
        batch = make_batch(
            opened.replay.next_batch_id,
            [source.read + 1],
            source=(identity or identity_of()).sources[0].name,
        )
        with opened.store.transaction():
            opened.store.dispatched(batch, 1)

        with opened.store.transaction():
            opened.store.settle([settlement(batch)], (), {})
            opened.store.ended(
                state, exhausted=state is RunState.COMPLETED if exhausted is None else exhausted
            )

        return opened.kind, opened.run_id


def test_made_for_the_owner_alone(tmp_path: Path) -> None:
    """The directory is made with mode 0700, its files with 0600: they hold addresses."""
    path = tmp_path / "runs" / "spring"
    with RunDirectory(path) as directory:
        directory.open(identity_of(), endpoint="events")
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.iterdir()}

    assert path.stat().st_mode & 0o777 == 0o700
    assert {"journal.db", "journal.db-wal", "run.lock", "accepted.ndjson"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_made_for_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    """Where new files would be everybody's, ours are not."""
    former = os.umask(0)
    try:
        test_made_for_the_owner_alone(tmp_path)
    finally:
        os.umask(former)


PLANTED = [
    "run.lock",
    "journal.db",
    "journal.db-wal",
    "journal.db-shm",
    "journal.db.new",
    "accepted.ndjson",
    "rejected.ndjson",
    "unknown.ndjson",
    "summary.json",
    "summary.json.new",
    "report.html",
    "verify.db",
    "injected.db",
    "accepted-2026-11-29.ndjson.new",
    "previous",
]


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("dangling", [False, True])
def test_a_planted_link(tmp_path: Path, name: str, dangling: Any) -> None:
    """No link in the directory is followed: what it points at stays as it was, or is not made."""
    path, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run(path, state=RunState.HALTED)
    (path / name).unlink(missing_ok=True)
    if not dangling:
        elsewhere.write_text("precious")

    (path / name).symlink_to(elsewhere)
    with pytest.raises(RunDirectoryError, match=f"{name} is a symbolic link"):
        run(path, OTHER)

    assert elsewhere.exists() is not dangling
    assert dangling or elsewhere.read_text() == "precious"


def test_what_is_not_ours_may_be_a_link(tmp_path: Path) -> None:
    """A link under a name of no file of ours harms nobody, nor does one to the directory."""
    path = tmp_path / "run"
    path.mkdir()
    (path / "contacts.csv").symlink_to(tmp_path / "somewhere.csv")
    (tmp_path / "spring").symlink_to(path)
    assert run(tmp_path / "spring")[0] is Kind.NEW


def test_a_planted_pipe(tmp_path: Path) -> None:
    """What is no file is refused, not waited for."""
    os.mkfifo(tmp_path / "accepted.ndjson")
    with pytest.raises(RunDirectoryError, match="is not a file of ours"):
        run(tmp_path)


def test_a_run_with_the_name_of_a_way_out(tmp_path: Path) -> None:
    """A journal that calls its run `../…` puts nothing aside outside the directory."""
    path = tmp_path / "run"
    run(path)
    with closing(sqlite3.connect(path / "journal.db")) as connection:
        connection.execute("UPDATE run SET run_id = '../../stolen'")
        connection.commit()

    with pytest.raises(RunDirectoryError, match="no name we give"):
        run(path, OTHER)

    assert {file.name for file in tmp_path.iterdir()} == {"run"}


def test_run_id_sorts(tmp_path: Path) -> None:
    """A run is named by the second it began in, and something that tells it from others."""
    _, run_id = run(tmp_path)
    assert run_id.startswith("20261123-")
    assert len(run_id) == len("20261123-164312-3f9a3f9a3f9a3f9a")


def test_continued(tmp_path: Path) -> None:
    """An unfinished run of the same is gone on with, under its own id."""
    kind, run_id = run(tmp_path, state=RunState.HALTED)
    assert kind is Kind.NEW
    assert run(tmp_path, state=RunState.INTERRUPTED) == (Kind.CONTINUED, run_id)
    assert len(lines_of(tmp_path, "accepted")) == 2


def test_limited_goes_on(tmp_path: Path) -> None:
    """A run that was stopped by its limit is completed, and may be gone on with."""
    _, run_id = run(tmp_path, exhausted=False)
    with viewed(tmp_path) as view:
        assert view.summary().state == "completed"

    assert run(tmp_path) == (Kind.CONTINUED, run_id)
    with pytest.raises(AlreadyInjectedError):
        run(tmp_path)


def test_finished_is_refused_untouched(tmp_path: Path) -> None:
    """A finished run is refused, and stays where it is."""
    run(tmp_path)
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(AlreadyInjectedError, match="already injected on 2026-11-23"):
        run(tmp_path)

    assert (tmp_path / "journal.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["gone", "cut", "edited"])
def test_finished_and_mended(damage: str, tmp_path: Path) -> None:
    """What was done to the files of a finished run is mended by whoever asks for it again."""
    run(tmp_path)
    with pytest.raises(AlreadyInjectedError, match=r"summary\.json did not hold what the journal"):
        run(tmp_path)  # a process that died between its last two words

    whole = {path.name: path.read_bytes() for path in tmp_path.glob("*.*son")}
    assert whole.keys() == {f"{name}.ndjson" for name in NAMES} | {"summary.json"}
    for path in tmp_path.glob("*.*son"):
        path.unlink()
        if damage != "gone":
            content = whole[path.name]
            path.write_bytes(content[:-2] if damage == "cut" else content.replace(b"e", b"a"))

    with pytest.raises(AlreadyInjectedError, match=r"accepted\.ndjson, .*: written anew"):
        run(tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.*son")} == whole
    with pytest.raises(AlreadyInjectedError, match=r"starts a new run$"):
        run(tmp_path)


def test_put_aside_and_remembered(tmp_path: Path) -> None:
    """A finished run makes room for another's, and is refused from where it was put aside."""
    _, first = run(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    kind, second = run(tmp_path, OTHER)
    assert kind is Kind.NEW
    aside = tmp_path / "previous" / first
    assert sorted(file.name for file in aside.iterdir()) == [
        "accepted.ndjson",
        "journal.db",
        "journal.db-count",
        "rejected.ndjson",
        "summary.json",
        "unknown.ndjson",
    ]
    assert len(lines_of(aside, "accepted")) == len(lines_of(tmp_path, "accepted")) == 1
    with viewed(aside) as view:
        assert view.run().run_id == first

    with pytest.raises(AlreadyInjectedError, match=f"run {first} in .*previous"):
        run(tmp_path)

    with viewed(tmp_path) as view:
        assert view.run().run_id == second


def test_again(tmp_path: Path) -> None:
    """--again puts aside whatever run is there: finished, unfinished, the same, another."""
    ids = [run(tmp_path)[1]]
    for identity, state in [
        (identity_of(), RunState.HALTED),
        (OTHER, RunState.HALTED),
        (identity_of(), RunState.COMPLETED),
    ]:
        kind, run_id = run(tmp_path, identity, state, again=True)
        assert kind is Kind.NEW
        ids.append(run_id)

    assert {aside.name for aside in (tmp_path / "previous").iterdir()} == set(ids[:-1])


def test_another_unfinished(tmp_path: Path) -> None:
    """An unfinished run of a file that grew since is refused with both sizes."""
    run(tmp_path, state=RunState.INTERRUPTED)
    grown = identity_of(fingerprint(size=250, digest="other"))
    with pytest.raises(RunDirectoryError, match="grown since, from 100 bytes to 250 bytes"):
        run(tmp_path, grown)


def test_in_use_here(tmp_path: Path) -> None:
    """A second run in one directory is refused, naming the process that has it."""
    with RunDirectory(tmp_path), pytest.raises(RunDirectoryError, match=f"process {os.getpid()}:"):
        RunDirectory(tmp_path).__enter__()

    assert holder(tmp_path) is None
    with RunDirectory(tmp_path):
        assert holder(tmp_path) == os.getpid()


HOLD = """
import sys
from pipeline.settling.directory import RunDirectory
with RunDirectory(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes(tmp_path: Path) -> None:
    """The lock holds between processes, and ends with its process even when that is killed."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert holder(tmp_path) == other.pid
        with pytest.raises(RunDirectoryError, match=f"process {other.pid}:"):
            RunDirectory(tmp_path).__enter__()

        other.kill()

    assert holder(tmp_path) is None
    with RunDirectory(tmp_path):
        pass


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (n)")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()


def newer_journal(path: Path) -> None:
    run(path.parent, state=RunState.HALTED)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def torn_journal(path: Path) -> None:
    run(path.parent, state=RunState.HALTED)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_text("dear diary"), "is no journal"),
        (lambda path: path.touch(), "is no journal"),
        (foreign_database, "database of another program"),
        (newer_journal, "written by a later journey-pipeline"),
        (torn_journal, "malformed"),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_not_our_journal(tmp_path: Path, make: Any, told: str, again: Any) -> None:
    """What is not a journal we can read is refused, and not a byte of it changed."""
    journal = tmp_path / "journal.db"
    make(journal)
    before = journal.read_bytes()
    with RunDirectory(tmp_path) as directory, pytest.raises(RunDirectoryError, match=told):
        directory.open(identity_of(), endpoint="events", again=again)

    assert journal.read_bytes() == before


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A run directory that is a file is refused, named."""
    (tmp_path / "runs").write_text("")
    with pytest.raises(RunDirectoryError, match=r"runs: File exists"):
        RunDirectory(tmp_path / "runs").__enter__()


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A directory that may be read and not written, for root too: it is another user meanwhile."""
    path = Path(tempfile.mkdtemp())
    run(path)
    (path / "run.lock").unlink()
    with unwritable(path):
        yield path

    shutil.rmtree(path)


def test_read_only(read_only: Path) -> None:
    """A run in a directory that cannot be written is refused, named; it can still be read."""
    with pytest.raises(RunDirectoryError, match=r"run\.lock: Permission denied"):
        RunDirectory(read_only).__enter__()

    with pytest.raises(RunDirectoryError, match=r"deeper: Permission denied"):
        RunDirectory(read_only / "deeper").__enter__()

    with viewed(read_only) as view:
        assert view.summary().accepted == 1


def test_killed_while_beginning(tmp_path: Path) -> None:
    """A journal half made is none: the next run begins as if nothing had been there."""
    (tmp_path / "journal.db.new").write_bytes(b"SQLite format 3\x00 half")
    (tmp_path / "journal.db-wal").write_bytes(b"of a journal that is gone")
    assert run(tmp_path)[0] is Kind.NEW


def test_put_aside_while_read(tmp_path: Path) -> None:
    """A journal somebody reads is not moved away under them."""
    run(tmp_path)
    with viewed(tmp_path) as view:
        assert view.summary().accepted == 1
        with pytest.raises(JournalInUseError, match="while another process reads it"):
            run(tmp_path, OTHER)

    assert run(tmp_path, OTHER)[0] is Kind.NEW


def test_rejections_only_is_a_run(tmp_path: Path) -> None:
    """A run none of whose records could be sent is a run like any other."""
    with RunDirectory(tmp_path) as directory:
        opened = directory.open(identity_of(), endpoint="events")
        with opened.store.transaction():
            opened.store.settle((), [rejection(1)], read_away(1))
            opened.store.ended(RunState.COMPLETED, exhausted=True)

    with pytest.raises(AlreadyInjectedError, match="0 accepted, 1 rejected"):
        run(tmp_path)


@pytest.mark.parametrize("directory", ["", "  ", "a\0b"])
def test_policy(directory: str) -> None:
    """A run must have a directory."""
    with pytest.raises(ValueError, match=r"run\.directory"):
        RunPolicy(directory=directory)
