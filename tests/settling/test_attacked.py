"""The journal under attack: whatever is done to its files, nobody is sent twice in silence."""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import ConservationError, RunDirectoryError
from pipeline.settling.directory import RunDirectory
from pipeline.settling.opening import begin, resume
from pipeline.settling.state import RunState
from tests.fakes.runs import (
    REFUSED,
    begun,
    identity_of,
    lines_of,
    read_away,
    resumed,
    settlement,
    survivors,
)
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.settling.store import JournalStore

BATCHES = 40
CUTS = 60


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a process leaves that is killed: a journal, and a log that is not folded into it yet."""
    directory = tmp_path_factory.mktemp("run")
    store = begun(directory)
    for number in range(1, BATCHES + 1):
        settle(store, number)
        if number == BATCHES // 2:
            store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    yield survivors(directory, directory.parent / f"{directory.name}-left")
    store.close()


def settle(store: JournalStore, number: int) -> None:
    batch = make_batch(number, range(3 * number - 2, 3 * number + 1))
    with store.transaction():
        store.dispatched(batch, 1)

    with store.transaction():
        how = (REFUSED,) if number % 3 == 0 else ()
        store.settle([settlement(batch, *how)], (), read_away(3 * number))


def copied(left: Path, target: Path) -> Path:
    shutil.copytree(left, target, dirs_exist_ok=True)
    return target


def refused_or_whole(directory: Path) -> bool:
    """Whether the journal is refused, with a sentence; otherwise it must be all there."""
    try:
        store, replayed = resumed(directory)
    except RunDirectoryError as error:
        assert "journal.db" in str(error)  # noqa: PT017  # one of three outcomes
        return True
    except ConservationError as error:
        assert "journal stands" in str(error)  # noqa: PT017  # one of three outcomes
        return True

    assert (replayed.counts.settled, replayed.counts.rejected) == (3 * BATCHES, BATCHES // 3 * 3)
    store.close()
    assert len(lines_of(directory, "rejected")) == BATCHES // 3 * 3
    return False


def test_untouched(left: Path, tmp_path: Path) -> None:
    """Left alone, all of it is there."""
    assert (left / "journal.db-wal").stat().st_size
    assert not refused_or_whole(copied(left, tmp_path))


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_truncated_anywhere(name: str, left: Path, tmp_path: Path) -> None:
    """Cut at any byte, the journal is refused; or what was cut off is in its log as well."""
    size = (left / name).stat().st_size
    chance = Random(name)
    places = {0, 1, 31, 32, 99, 100, size - 1} | {chance.randrange(size) for _ in range(CUTS)}
    refused = 0
    for place in sorted(places):
        directory = copied(left, tmp_path / str(place))
        with (directory / name).open("r+b") as file:
            file.truncate(place)

        refused += refused_or_whole(directory)

    assert refused == len(places) if name.endswith("-wal") else refused > CUTS // 2


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_garbled_anywhere(name: str, left: Path, tmp_path: Path) -> None:
    """A page of noise at any place is met by the time it matters: never a contact sent twice."""
    content = (left / name).read_bytes()
    chance = Random(name)
    refused = 0
    for number in range(CUTS // 2):
        directory = copied(left, tmp_path / str(number))
        place = chance.randrange(0, len(content) - 512)
        noise = chance.randbytes(512)
        (directory / name).write_bytes(content[:place] + noise + content[place + 512 :])
        refused += outcome_of_noise(directory)

    assert refused


def test_damage_has_a_sentence_of_its_own(left: Path, tmp_path: Path) -> None:
    """Nobody is told that nothing is lost where the file itself is broken."""
    directory = copied(left, tmp_path)
    (directory / "journal.db-wal").unlink()
    with (directory / "journal.db").open("r+b") as file:
        file.truncate(3 * 4096)

    with pytest.raises(
        RunDirectoryError, match=r"journal\.db is damaged \(.*put back a whole copy"
    ):
        resumed(directory)


def outcome_of_noise(directory: Path) -> bool:
    """Refused, or gone on with; then nothing that is done may have become to do."""
    try:
        store, replayed = resumed(directory)
    except (RunDirectoryError, ConservationError):
        return True

    store.close()
    assert replayed.counts.settled == 3 * BATCHES
    return False


def test_log_deleted(left: Path, tmp_path: Path) -> None:
    """SQLite goes on without its log as if nothing had been in it: the witness knows better."""
    directory = copied(left, tmp_path)
    (directory / "journal.db-wal").unlink()
    with pytest.raises(RunDirectoryError, match=r"has lost its last \d+ transactions: its log"):
        resumed(directory)


def test_older_copy_put_back(tmp_path: Path) -> None:
    """A journal restored from yesterday's backup does not know whom it has sent since."""
    store = begun(tmp_path)
    settle(store, 1)
    store.close()
    backup = (tmp_path / "journal.db").read_bytes()
    store, _ = resumed(tmp_path)
    settle(store, 2)
    store.close()
    (tmp_path / "journal.db").write_bytes(backup)
    with pytest.raises(RunDirectoryError, match=r"or it is an older copy.*--again"):
        resumed(tmp_path)


def test_begun_anew_after_all(left: Path, tmp_path: Path) -> None:
    """`--again` puts aside whatever can be read, and is not held to the old count."""
    directory = copied(left, tmp_path)
    (directory / "journal.db-wal").unlink()
    with RunDirectory(directory) as locked:
        opened = locked.open(identity_of(), endpoint="events", again=True)
        assert opened.replay.counts.read == 0
        assert opened.put_aside is not None
        assert (opened.put_aside / "journal.db-count").exists()


@pytest.mark.parametrize("damage", ["", "garbage", "00000000000000000000"])
def test_witness_lost(damage: str, left: Path, tmp_path: Path) -> None:
    """Without its witness a journal is believed, and has one again."""
    directory = copied(left, tmp_path)
    (directory / "journal.db-count").write_text(damage)
    assert not refused_or_whole(directory)
    assert int((directory / "journal.db-count").read_text()) > 2 * BATCHES


@pytest.mark.parametrize("clock", [lambda: 0.0, lambda: 4e9, iter(range(10**6, 0, -7)).__next__])
def test_clock_that_jumps(clock: Callable[[], float], tmp_path: Path) -> None:
    """Nothing is decided by the time of day: it may stand, run backwards, or leap."""
    store = begin(
        tmp_path, run_id="r-1", identity=identity_of(), endpoint="events", clock=lambda: 1e9
    )
    settle(store, 1)
    store.clock = clock
    settle(store, 3)
    with store.transaction():
        store.ended(RunState.INTERRUPTED, exhausted=False)

    store.close()
    store, replayed = resume(tmp_path, identity=identity_of(), endpoint="events", clock=clock)
    assert [line["position"] for line in lines_of(tmp_path, "rejected")] == [7, 8, 9]
    assert len(replayed.done["contacts.csv"]) == replayed.counts.settled == 6
    summary = store.summary()
    assert (summary.accepted, summary.rejected, summary.seconds) == (3, 3, 0.0)
    store.close()
