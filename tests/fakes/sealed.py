"""Sealed batches of chosen positions, without the packer: what the settling stage is given."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import orjson

from pipeline.packing.batch import Span, Trigger
from pipeline.packing.payload import Envelope, seal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.packing.batch import Batch

__all__ = ("key_of", "make_batch")


def key_of(source: str, position: int) -> str:
    """The contact key `make_batch` gives the record at `position` of `source`."""
    return f"c{position:08d}"


def make_batch(
    batch_id: int,
    positions: Sequence[int] | dict[str, Sequence[int]] = range(1, 4),
    *,
    source: str = "contacts.csv",
) -> Batch:
    """A sealed batch of the contacts at `positions`, of one source or of several by name."""
    spans = positions if isinstance(positions, dict) else {source: positions}
    keys = [key_of(name, position) for name, places in spans.items() for position in places]
    bodies = [orjson.dumps({"ContactKey": key, "Data": {"Email": f"{key}@x.y"}}) for key in keys]
    return seal(
        bodies,
        array("I", map(len, bodies)),
        batch_id=batch_id,
        spans=tuple(Span(name, places) for name, places in spans.items()),
        keys=keys,
        trigger=Trigger.COUNT,
        envelope=Envelope.experimental("APIEvent-1"),
    )
