"""The settler: what became of every contact goes on disk, is reported, and is held to the budget.

It is told what the stream of outcomes brought, as much as was waiting, and writes it in one go.
Only after that is anything reported or acknowledged.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from ..errors import BudgetError, ConservationError, SourceError
from ..events import BatchSettled
from ..intake.source import Mark, Rejection
from ..sending.outcome import Accepted, Settlement
from .contacts import outcome_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..events import Emit
    from .budget import Budget
    from .checkpoint import Checkpoint
    from .journal import Journal
    from .opening import Replay
    from .state import RunState
    from .summary import Summary

__all__ = ("Item", "Read", "Settler")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A source was read up to `mark`, and these of its records will not be sent."""

    source: str
    mark: Mark
    rejections: Sequence[Rejection] = ()


Item = Settlement | Rejection | Read
"""What the stream of outcomes carries."""


class Settler:
    """Writes outcomes down. One task calls it; nothing is settled until `settle` has returned."""

    def __init__(
        self,
        *,
        journal: Journal,
        checkpoint: Checkpoint,
        emit: Emit,
        budget: Budget,
        replay: Replay | None = None,
    ) -> None:
        """`replay`: where the journal stood; a retry settles anew what was settled by then."""
        self._retry = None if replay is None else replay.retry
        self._before = 0 if replay is None else replay.counts.settled
        self._journal = journal
        self._checkpoint = checkpoint
        self._emit = emit
        self._budget = budget
        self.acknowledge: Callable[[Sequence[Settlement], Sequence[Rejection]], None] | None = None
        """Told of what is on disk, where a source wants to hear of it."""

    async def settle(self, items: Iterable[Item]) -> None:
        """Put `items` on disk in one transaction, then report them.

        Raises ConservationError if a position among them has an outcome already (none of them is
        written then), RunDirectoryError if the disk refuses, and, once all is written and
        reported, BudgetError if too many contacts failed.
        """
        settlements, rejections, reads = _sorted(items)
        for settlement in settlements:
            self._checkpoint.settle_spans(settlement.batch.spans)

        for rejection in rejections:
            self._checkpoint.settle(rejection.source, (rejection.position,))

        await self._journal.settle(settlements, rejections, reads)
        if self.acknowledge is not None:
            self.acknowledge(settlements, rejections)

        self._report(settlements, rejections)
        self.hold_to_budget()

    async def miss_nothing(self) -> None:
        """The sources have ended, and everything is settled that came from them.

        Raises SourceError if a contact that was read before is not among it.
        """
        if self._retry is None:
            missing = (await self._journal.summary()).unprocessed
        else:
            missing = self._retry.contacts - self._checkpoint.settled

        if missing:
            raise SourceError(
                f"the source ended, but {missing:,} contacts that were read of it before did not "
                "come again: is it the same input, and whole? The same command sends them once "
                "all of it is there"
            )

    async def finish(
        self, state: RunState, *, exhausted: bool, detail: str | None = None
    ) -> Summary:
        """Close the books of this leg, and check that they balance.

        Raises ConservationError, and BudgetError where a share of failures that was not yet to be
        judged is too high now that the source has ended; the caller then finishes once more, with
        that state.
        """
        if exhausted:
            self.hold_to_budget(final=True)

        await self._journal.ended(state, exhausted=exhausted, detail=detail)
        summary = await self._journal.summary()
        settled = summary.accepted + summary.rejected + summary.unknown
        known = self._checkpoint.settled if self._retry is None else self._before
        if settled != known:
            raise ConservationError(
                f"run {summary.run_id}: the journal has {settled:,} outcomes, the checkpoint "
                f"{known:,}; the journal stands"
            )

        return summary

    async def summary(self) -> Summary:
        """The run in numbers."""
        return await self._journal.summary()

    async def untouched(self) -> bool:
        """Whether nothing of the sources was read, and nothing sent."""
        return await self._journal.within(lambda store: store.untouched())

    def _report(self, settlements: Sequence[Settlement], rejections: Sequence[Rejection]) -> None:
        for settlement in settlements:
            self._emit(_settled(settlement))
            taken = isinstance(settlement.outcome, Accepted)
            contacts = len(settlement.batch)
            self._budget.add(settled=contacts, failed=0 if taken else contacts)

        in_doubt = self._retry is not None and self._retry.outcome == "unknown"
        alike = Counter((one.reason, one.detail) for one in rejections)
        for (reason, detail), contacts in alike.items():
            self._emit(
                BatchSettled(
                    batch_id=None,
                    outcome="unknown" if in_doubt else "rejected",
                    contacts=contacts,
                    reason=reason,
                    detail=detail,
                )
            )

        self._budget.add(settled=len(rejections), failed=len(rejections))

    def hold_to_budget(self, *, final: bool = False) -> None:
        """Raise BudgetError where more contacts have failed than may; `final`: all were read."""
        if sentence := self._budget.overdrawn(final=final):
            raise BudgetError(sentence)

    def __repr__(self) -> str:
        return f"<Settler {self._checkpoint.settled} settled>"


def _sorted(
    items: Iterable[Item],
) -> tuple[list[Settlement], list[Rejection], dict[str, Mark]]:
    settlements: list[Settlement] = []
    rejections: list[Rejection] = []
    reads: dict[str, Mark] = {}
    for item in items:
        match item:
            case Settlement():
                settlements.append(item)
            case Rejection():
                rejections.append(item)
            case Read():
                reads[item.source] = item.mark
                rejections.extend(item.rejections)
            case _:
                assert_never(item)

    return settlements, rejections, reads


def _settled(settlement: Settlement) -> BatchSettled:
    outcome = settlement.outcome
    failed = None if isinstance(outcome, Accepted) else outcome
    return BatchSettled(
        batch_id=settlement.batch.batch_id,
        outcome=outcome_name(outcome),
        contacts=len(settlement.batch),
        reason=failed.reason if failed else None,
        detail=failed.detail if failed else None,
    )
