"""Batches to send, and the halves they break into."""

from __future__ import annotations

from array import array
from itertools import count
from typing import TYPE_CHECKING

import orjson

from pipeline.packing.batch import Span, Trigger
from pipeline.packing.payload import Envelope, halve, pick, seal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.packing.batch import Batch

__all__ = ("BatchMaker",)


class BatchMaker:
    """Numbers batches and positions one after the other."""

    def __init__(self) -> None:
        self._ids = count(1)
        self._next_position = 1
        self._envelope = Envelope.experimental("APIEvent-1")

    def make(self, contacts: int = 1, *, filler: str = "") -> Batch:
        first = self._next_position
        self._next_position += contacts
        positions = range(first, self._next_position)
        keys = [f"k{position}" for position in positions]
        bodies = [orjson.dumps({"ContactKey": key, "Data": {"F": filler}}) for key in keys]
        return seal(
            bodies,
            array("I", map(len, bodies)),
            batch_id=next(self._ids),
            spans=(Span("contacts.csv", positions),),
            keys=keys,
            trigger=Trigger.COUNT,
            envelope=self._envelope,
        )

    def halve(self, batch: Batch) -> tuple[Batch, Batch]:
        return halve(batch, batch_ids=(next(self._ids), next(self._ids)), envelope=self._envelope)

    def pick(self, batch: Batch, indices: Sequence[int]) -> Batch:
        return pick(batch, indices, batch_id=next(self._ids), envelope=self._envelope)
