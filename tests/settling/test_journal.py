from __future__ import annotations

import asyncio
import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.errors import ConservationError, RunDirectoryError
from pipeline.packing.batch import Trigger
from pipeline.settling.grouping import PERIOD_SECONDS
from pipeline.settling.journal import Journal
from pipeline.settling.state import RunState
from pipeline.settling.store import JournalStore
from tests.fakes.runs import begun, lines_of, rejection, resumed, settlement, survivors
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from collections.abc import Iterator


FULL = Path("/dev/full")


class CountedStore(JournalStore):
    """A store that counts its transactions, and can be made to fail in one."""

    transactions = 0
    failing: BaseException | None = None
    gate: threading.Event

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.transactions += 1
        self.gate.wait(10)
        with super().transaction():
            yield
            if self.failing is not None:
                raise self.failing


def counted(directory: Path) -> CountedStore:
    begun(directory).close()
    store = CountedStore(directory)
    store.gate = threading.Event()
    store.gate.set()
    store.catch_up()
    store.transactions = 0
    return store


async def test_group_commit(tmp_path: Path) -> None:
    """Whoever comes while a commit is under way, or about to begin, shares the next one."""
    store = counted(tmp_path)
    async with Journal(store) as journal:
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                batch = make_batch(number + 1, [number + 1])
                tasks.start_soon(journal.dispatched, batch, 1)

        assert store.transactions < 10
        assert (await journal.summary()).unprocessed == 50


async def test_gathers_while_no_sender_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no batch lies ready, a dispatch waits for others; as soon as one does, no more."""
    monkeypatch.setattr("pipeline.settling.grouping.GATHER_SECONDS", 3600.0)
    store = counted(tmp_path)
    async with Journal(store) as journal:
        pressed = False
        journal.press(lambda: pressed)
        await journal.dispatched(make_batch(1, [1]), 1)  # it comes after a quiet time
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.dispatched, make_batch(2, [2]), 1)
            await anyio.sleep(2 * PERIOD_SECONDS)
            assert store.transactions == 1
            pressed = True
            journal.hurry()

        assert store.transactions == 2

        pressed = False
        with anyio.fail_after(30):  # a sender that has more in hand waits for nobody
            half = make_batch(3, [3])
            await journal.dispatched(replace(half, trigger=Trigger.SPLIT), 1)
            await journal.dispatched(make_batch(4, [4]), 2)


async def test_durable_when_it_returns(tmp_path: Path) -> None:
    """After a dispatch has returned, whatever happens to the process, it is in the journal."""
    batch = make_batch(1)
    async with Journal(begun(tmp_path)) as journal:
        await journal.dispatched(batch, 1)
        left = survivors(tmp_path, tmp_path / "left")

    store, replayed = resumed(left)
    store.close()
    assert replayed.leftover_contacts == 3


async def test_result_line_when_settled(tmp_path: Path) -> None:
    """After a settlement has returned, its line stands in the result file."""
    batch = make_batch(1)
    async with Journal(begun(tmp_path)) as journal:
        await journal.dispatched(batch, 1)
        await journal.settle([settlement(batch)], (), {})
        assert len(lines_of(tmp_path, "accepted")) == 1


async def test_every_call(tmp_path: Path) -> None:
    """Returned, split and judged reach the tables as they were called."""
    parent = make_batch(1, range(1, 5))
    halves = (make_batch(2, [1, 2]), make_batch(3, [3, 4]))
    parts = (make_batch(4, [3]), make_batch(5, [4]))
    store = begun(tmp_path)
    async with Journal(store) as journal:
        await journal.dispatched(parent, 1)
        await journal.split(parent, halves)
        await journal.dispatched(halves[0], 1)
        await journal.returned(halves[0])
        await journal.dispatched(halves[1], 2)
        await journal.judged(halves[1], parts, 2)
        rows = store.connection.execute("SELECT batch_id, attempt FROM batch").fetchall()
        assert rows == [(4, 2), (5, 2)]
        await journal.ended(RunState.HALTED, exhausted=False, detail="why")


async def test_disk_full_reaches_everybody(tmp_path: Path) -> None:
    """A write that fails is told to all who wait for it and to all who come after; none hangs."""
    store = begun(tmp_path)
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    told: list[str] = []

    async def dispatch(number: int) -> None:
        with pytest.raises(RunDirectoryError) as failed:
            await journal.dispatched(
                make_batch(number, range(number * 2000, number * 2000 + 2000)), 1
            )

        told.append(str(failed.value))

    async with Journal(store) as journal:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for number in range(1, 9):
                    tasks.start_soon(dispatch, number)

            with pytest.raises(RunDirectoryError):
                await journal.returned(make_batch(1))

    assert len(told) == 8
    assert all("journal.db: database or disk is full" in message for message in told)


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
async def test_result_file_full(tmp_path: Path) -> None:
    """A result file that cannot be written stops the run too; the next one mends the file."""
    store = begun(tmp_path)
    file = store._results._files["rejected"]
    os.dup2(os.open(FULL, os.O_WRONLY), file.descriptor)
    async with Journal(store) as journal:
        for _ in range(2):
            with pytest.raises(RunDirectoryError, match=r"rejected\.ndjson: No space left"):
                await journal.settle((), [rejection(1)], {})

    store, _ = resumed(tmp_path)
    store.close()
    assert [line["position"] for line in lines_of(tmp_path, "rejected")] == [1]


async def test_a_bug_hangs_nobody(tmp_path: Path) -> None:
    """Even an error nobody foresaw reaches those who wait, and stops the journal."""
    store = counted(tmp_path)
    async with Journal(store) as journal:
        store.failing = ZeroDivisionError("a bug")
        for _ in range(2):
            with anyio.fail_after(10), pytest.raises(ZeroDivisionError):
                await journal.dispatched(make_batch(1), 1)


async def test_who_waits_behind_a_failure(tmp_path: Path) -> None:
    """Who came while the failing write was under way is told as well, and nothing is written."""
    store = counted(tmp_path)
    told: list[str] = []

    async def dispatch(number: int) -> None:
        with pytest.raises(RunDirectoryError) as failed:
            await journal.dispatched(make_batch(number, [number]), 1)

        told.append(str(failed.value))

    async with Journal(store) as journal:
        store.failing = RunDirectoryError("the disk is gone")
        store.gate.clear()
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(dispatch, 1)
                while not store.transactions:
                    await anyio.lowlevel.checkpoint()

                tasks.start_soon(dispatch, 2)
                await anyio.wait_all_tasks_blocked()
                store.gate.set()

        assert store.transactions == 1

    assert told == ["the disk is gone"] * 2


async def test_one_bad_book_costs_one(tmp_path: Path) -> None:
    """Who would break conservation is refused alone: what shared the commit is written."""
    refused: list[ConservationError] = []
    async with Journal(begun(tmp_path)) as journal:
        await journal.settle((), [rejection(1)], {})

        async def reject(position: int) -> None:
            try:
                await journal.settle((), [rejection(position)], {})
            except ConservationError as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for position in (2, 1, 3):
                tasks.start_soon(reject, position)

        assert (await journal.summary()).rejected == 3

    assert len(refused) == 1
    assert [line["position"] for line in lines_of(tmp_path, "rejected")] == [1, 2, 3]


async def test_cancelled_dispatch_is_taken_back(tmp_path: Path) -> None:
    """Who is cancelled while the dispatch is written has not sent: the contacts stay unsent."""
    async with Journal(begun(tmp_path)) as journal:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await journal.dispatched(make_batch(1), 1)

        assert scope.cancelled_caught

    store, replayed = resumed(tmp_path)
    store.close()
    assert replayed.leftover_batches == 0
    assert replayed.counts.unknown == 0


async def test_cancelled_settlement_is_written(tmp_path: Path) -> None:
    """An outcome that is known is written, even if whoever brought it is cancelled."""
    async with Journal(begun(tmp_path)) as journal:
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await journal.settle((), [rejection(1)], {})

        assert scope.cancelled_caught

    assert len(lines_of(tmp_path, "rejected")) == 1


async def test_closed_when_cancelled(tmp_path: Path) -> None:
    """Leaving under cancellation still writes what waits, and closes."""
    with anyio.CancelScope() as scope:
        async with Journal(begun(tmp_path)) as journal:
            scope.cancel()
            await journal.settle((), [rejection(1)], {})

    assert len(lines_of(tmp_path, "rejected")) == 1
    assert not (tmp_path / "journal.db-wal").exists()


async def test_where_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is told who opens the journal: later nobody could be told, and all would wait."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    store = begun(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", start)
        with pytest.raises(RuntimeError, match="start new thread"):
            await Journal(store).__aenter__()

    async with Journal(store) as journal:
        assert (await journal.summary()).read == 0
