"""The envelope around the contacts, and the payload built from both, once.

Each endpoint wraps the contacts in an envelope of its own. The contacts are JSON already, so a
payload is three pieces of bytes put together: a retry sends the same bytes, and the half of a
refused batch is cut from them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from .batch import Batch, Span, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Envelope", "halve", "pick", "seal")

_DIGITS_OF_A_COUNT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The bytes around the contacts: `head`, the count where the endpoint wants one, `middle`.

    `counted` says whether the number of contacts stands between `head` and `middle`.
    """

    head: bytes
    middle: bytes = b""
    tail: bytes
    counted: bool = False

    @classmethod
    def experimental(cls, event_definition_key: str) -> Envelope:
        """The envelope of `batchcontactevents`.

        Four members are enough: the managed package sends three more, and a published payload
        without them worked (the author of the post that found the endpoint).
        """
        key = orjson.dumps(event_definition_key)
        return cls(
            head=b'{"EventDefinitionKey":' + key + b',"BatchId":"","RecordCount":',
            middle=b',"BatchDetails":[',
            tail=b"]}",
            counted=True,
        )

    @classmethod
    def members(cls, event_definition_key: str) -> Envelope:
        """The envelope of `async/events`."""
        key = orjson.dumps(event_definition_key)
        return cls(head=b'{"eventDefinitionKey":' + key + b',"members":[', tail=b"]}")

    @classmethod
    def bare(cls, _: str) -> Envelope:
        """None at all, for `events`: its one contact is the body, and names the event itself."""
        return cls(head=b"", tail=b"")

    def prefix(self, count: int) -> bytes:
        """The bytes before the first of `count` contacts."""
        return self.head + (b"%d" % count) + self.middle if self.counted else self.head

    @property
    def overhead_bytes(self) -> int:
        """What the envelope adds to the contacts and their commas, at the most."""
        return len(self.head) + len(self.middle) + len(self.tail) + _DIGITS_OF_A_COUNT


def seal(
    pieces: Sequence[bytes | memoryview],
    lengths: array[int],
    *,
    batch_id: int,
    spans: tuple[Span, ...],
    keys: Sequence[str],
    trigger: Trigger,
    envelope: Envelope,
) -> Batch:
    """Put contacts into their payload.

    Each of `pieces` is the JSON of one contact or of several with commas between them; `lengths`
    pair with `keys` and with the spans' positions.
    """
    prefix = envelope.prefix(len(lengths))
    parts: list[bytes | memoryview] = [prefix]
    for piece in pieces:
        parts += (piece, b",")

    parts[-1] = envelope.tail
    return Batch(
        batch_id=batch_id,
        spans=spans,
        keys=keys,
        payload=b"".join(parts),
        start=len(prefix),
        lengths=lengths,
        trigger=trigger,
    )


def halve(batch: Batch, *, batch_ids: tuple[int, int], envelope: Envelope) -> tuple[Batch, Batch]:
    """Cut a batch of at least two contacts in two; what is sent stays the same byte for byte."""
    if len(batch) < 2:
        raise ValueError("a batch of one contact has no halves")

    middle = len(batch) // 2
    return (
        _part(batch, range(middle), batch_id=batch_ids[0], envelope=envelope),
        _part(batch, range(middle, len(batch)), batch_id=batch_ids[1], envelope=envelope),
    )


def pick(batch: Batch, indices: Sequence[int], *, batch_id: int, envelope: Envelope) -> Batch:
    """The contacts at ascending `indices` of a batch, in one of their own."""
    return seal(
        [batch.body(index) for index in indices],
        array("I", [batch.lengths[index] for index in indices]),
        batch_id=batch_id,
        spans=_picked(batch.spans, indices),
        keys=[batch.keys[index] for index in indices],
        trigger=Trigger.SPLIT,
        envelope=envelope,
    )


def _picked(spans: tuple[Span, ...], indices: Sequence[int]) -> tuple[Span, ...]:
    parts = []
    begin = 0
    for span in spans:
        finish = begin + len(span.positions)
        if chosen := [span.positions[at - begin] for at in indices if begin <= at < finish]:
            parts.append(Span(span.source, chosen))

        begin = finish

    return tuple(parts)


def _part(batch: Batch, indices: range, *, batch_id: int, envelope: Envelope) -> Batch:
    begin, end = batch.bytes_before(indices.start), batch.bytes_before(indices.stop) - 1
    return seal(
        [memoryview(batch.payload)[begin:end]],
        batch.lengths[indices.start : indices.stop],
        batch_id=batch_id,
        spans=_cut(batch.spans, indices),
        keys=batch.keys[indices.start : indices.stop],
        trigger=Trigger.SPLIT,
        envelope=envelope,
    )


def _cut(spans: tuple[Span, ...], indices: range) -> tuple[Span, ...]:
    parts = []
    begin = 0
    for span in spans:
        finish = begin + len(span.positions)
        low, high = max(indices.start, begin), min(indices.stop, finish)
        if low < high:
            parts.append(Span(span.source, span.positions[low - begin : high - begin]))

        begin = finish

    return tuple(parts)
