"""Contacts as they were sent before: what is left of a record whose source cannot be read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from ..intake.source import Chunk, Rejection, Stage
from .contacts import Contacts

if TYPE_CHECKING:
    from .contacts import ContactShape

__all__ = ("SentChunk", "sent_again")


@dataclass(slots=True, kw_only=True)
class SentChunk(Chunk):
    """Each of `records` is the JSON of a contact, bytes; `keys` pair with them."""

    keys: list[str]


def sent_again(chunk: SentChunk, shape: ContactShape) -> Contacts:
    """The contacts, byte for byte. One that was made for another endpoint is rejected."""
    wanted = list(shape.filled("", {}))
    fitting = [list(orjson.loads(record)) == wanted for record in chunk.records]
    kept = [index for index, fits in enumerate(fitting) if fits]
    return Contacts.of(
        [chunk.records[index] for index in kept],
        source=chunk.source,
        positions=[chunk.positions[index] for index in kept],
        keys=[chunk.keys[index] for index in kept],
        rejected=[
            Rejection(
                source=chunk.source,
                position=chunk.positions[index],
                stage=Stage.MAPPING,
                reason="made_for_another_endpoint",
                detail="only the contact as it was sent is left, and not for this journey.endpoint",
                record=orjson.Fragment(chunk.records[index]),
                contact_key=chunk.keys[index],
            )
            for index, fits in enumerate(fitting)
            if not fits
        ],
        mark=chunk.mark,
    )
