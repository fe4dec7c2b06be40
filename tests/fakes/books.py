"""A ledger that only remembers what it was told, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.packing.batch import Batch
    from pipeline.sending.outcome import Accepted, Rejected, Settlement, Unknown

__all__ = ("Books",)


class Books:
    """`lines` hold (what, batch_id, …); `state` what a journal would find after a crash."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.settlements: list[Settlement] = []
        self.out: set[int] = set()

    async def dispatched(self, batch: Batch, attempt: int) -> None:
        await anyio.lowlevel.checkpoint()
        self.lines.append(("dispatched", batch.batch_id, attempt))
        self.out.add(batch.batch_id)

    async def returned(self, batch: Batch) -> None:
        await anyio.lowlevel.checkpoint()
        self.lines.append(("returned", batch.batch_id))
        self.out.discard(batch.batch_id)

    async def split(self, parent: Batch, halves: tuple[Batch, Batch]) -> None:
        await anyio.lowlevel.checkpoint()
        self.lines.append(("split", parent.batch_id, tuple(half.batch_id for half in halves)))
        self.out.discard(parent.batch_id)

    async def judged(self, parent: Batch, parts: Sequence[Batch], attempt: int) -> None:
        await anyio.lowlevel.checkpoint()
        self.lines.append(("judged", parent.batch_id, tuple(part.batch_id for part in parts)))
        self.out.discard(parent.batch_id)
        self.out |= {part.batch_id for part in parts}

    async def settle(self, settlement: Settlement) -> None:
        await anyio.lowlevel.checkpoint()
        name = type(settlement.outcome).__name__.lower()
        self.lines.append((name, settlement.batch.batch_id, settlement.attempt))
        self.settlements.append(settlement)
        self.out.discard(settlement.batch.batch_id)

    def keys(self, kind: type[Accepted | Rejected | Unknown]) -> list[str]:
        """The contacts with that outcome, sorted."""
        return sorted(
            key
            for each in self.settlements
            if isinstance(each.outcome, kind)
            for key in each.batch.keys
        )
