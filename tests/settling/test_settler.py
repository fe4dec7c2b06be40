from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import BudgetError, ConservationError, SourceError
from pipeline.events import BatchSettled, Event
from pipeline.settling.budget import Budget
from pipeline.settling.checkpoint import Checkpoint
from pipeline.settling.journal import Journal
from pipeline.settling.settler import Read, Settler
from pipeline.settling.state import RunState
from pipeline.settling.tally import Counters, Tally
from tests.fakes.runs import REFUSED, UNHEARD, begun, lines_of, mark, rejection, settlement
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from pathlib import Path


def settler_of(
    journal: Journal,
    events: list[Event] | None = None,
    *,
    max_errors: str | int | None = None,
    checkpoint: Checkpoint | None = None,
) -> Settler:
    return Settler(
        journal=journal,
        checkpoint=checkpoint or Checkpoint(),
        emit=(events if events is not None else []).append,
        budget=Budget.parse(max_errors),
    )


async def test_written_then_reported(tmp_path: Path) -> None:
    """What came together is written together, and reported once it is on disk."""
    events: list[Event] = []
    accepted, refused, unheard = make_batch(1), make_batch(2, [4]), make_batch(3, [5])
    async with Journal(begun(tmp_path)) as journal:
        settler = settler_of(journal, events)
        for batch in (accepted, refused, unheard):
            await journal.dispatched(batch, 1)

        await settler.settle(
            [
                settlement(accepted),
                Read(source="contacts.csv", mark=mark(9), rejections=[rejection(6), rejection(7)]),
                settlement(refused, REFUSED),
                rejection(8, reason="too_long"),
                settlement(unheard, UNHEARD),
            ]
        )
        assert len(lines_of(tmp_path, "rejected")) == 4
        summary = await settler.finish(RunState.COMPLETED, exhausted=True)

    assert (summary.read, summary.accepted, summary.rejected, summary.unknown) == (9, 3, 4, 1)
    assert (summary.unprocessed, summary.batches, summary.state) == (1, 3, "completed")
    empty = "column customer_id is empty"
    assert events == [
        BatchSettled(batch_id=1, outcome="accepted", contacts=3),
        BatchSettled(
            batch_id=2, outcome="rejected", contacts=1, reason="refused", detail=REFUSED.detail
        ),
        BatchSettled(
            batch_id=3, outcome="unknown", contacts=1, reason="timeout", detail=UNHEARD.detail
        ),
        BatchSettled(
            batch_id=None,
            outcome="rejected",
            contacts=2,
            reason="missing_contact_key",
            detail=empty,
        ),
        BatchSettled(
            batch_id=None, outcome="rejected", contacts=1, reason="too_long", detail=empty
        ),
    ]


async def test_what_did_not_come_again(tmp_path: Path) -> None:
    """An end of the source that leaves out what was read before is no end: it is said."""
    async with Journal(begun(tmp_path)) as journal:
        settler = settler_of(journal)
        await settler.settle([Read(source="contacts.csv", mark=mark(3), rejections=[rejection(2)])])
        with pytest.raises(SourceError, match="2 contacts that were read of it before"):
            await settler.miss_nothing()

        await settler.settle([rejection(1), rejection(3)])
        await settler.miss_nothing()


async def test_twice_is_refused(tmp_path: Path) -> None:
    """A position that has an outcome gets no second one: nothing that came with it is written."""
    async with Journal(begun(tmp_path)) as journal:
        settler = settler_of(journal)
        await settler.settle([rejection(1)])
        with pytest.raises(ConservationError, match="position 1 would be settled twice"):
            await settler.settle([rejection(2), rejection(1)])

        assert (await journal.summary()).rejected == 1


async def test_over_budget(tmp_path: Path) -> None:
    """One failure too many stops the run, after it was written and reported."""
    events: list[Event] = []
    async with Journal(begun(tmp_path)) as journal:
        settler = settler_of(journal, events, max_errors=2)
        await settler.settle([rejection(1), rejection(2)])
        with pytest.raises(BudgetError, match="3 of 3 contacts"):
            await settler.settle([rejection(3)])

        assert len(events) == 2
        assert (await journal.summary()).rejected == 3


async def test_share_at_the_end(tmp_path: Path) -> None:
    """A share that was too early to judge is judged when the source ends; then it is finished."""
    async with Journal(begun(tmp_path)) as journal:
        settler = settler_of(journal, max_errors="5%")
        await settler.settle([Read(source="contacts.csv", mark=mark(1), rejections=[rejection(1)])])
        with pytest.raises(BudgetError):
            await settler.finish(RunState.COMPLETED, exhausted=True)

        summary = await settler.finish(RunState.OVER_BUDGET, exhausted=False)

    assert summary.state == "over_budget"


async def test_books_that_differ(tmp_path: Path) -> None:
    """A journal and a checkpoint that disagree are an error that names both numbers."""
    checkpoint = Checkpoint()
    async with Journal(begun(tmp_path)) as journal:
        settler = settler_of(journal, checkpoint=checkpoint)
        await settler.settle([rejection(1)])
        checkpoint.settle("contacts.csv", [2])
        with pytest.raises(ConservationError, match="has 1 outcomes, the checkpoint 2"):
            await settler.finish(RunState.COMPLETED, exhausted=True)


async def test_cost_is_written(tmp_path: Path) -> None:
    """What the tally says is in the summary, legs before included."""
    tally = Tally(Counters(requests=7, seconds=3.0), clock=lambda: 0.0)
    async with Journal(begun(tmp_path), tally=tally) as journal:
        settler = settler_of(journal)
        await settler.settle([rejection(1)])
        summary = await settler.finish(RunState.INTERRUPTED, exhausted=False)

    assert (summary.requests, summary.seconds) == (7, 3.0)
