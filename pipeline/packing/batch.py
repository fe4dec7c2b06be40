"""A batch: sealed contacts and the bytes that carry them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Sequence

__all__ = ("Batch", "Span", "Trigger")


class Trigger(StrEnum):
    """What sealed a batch."""

    COUNT = "count"  # max_records reached
    BYTES = "bytes"  # the next contact would not have fitted
    LINGER = "linger"  # the first contact had waited linger_seconds
    DRAIN = "drain"  # the source ended
    SPLIT = "split"  # a refused batch was halved, or one was judged contact by contact


@dataclass(frozen=True, slots=True)
class Span:
    """Positions of one source, ascending."""

    source: str
    positions: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Contacts that travel together.

    `payload` is the request's body, built once: a retry sends the same bytes. The contacts' JSON
    begins at byte `start` of it, contact i takes `lengths[i]` bytes, and one comma stands between
    each two. `spans` name where the contacts came from, in the order of `keys`.
    """

    batch_id: int
    spans: tuple[Span, ...]
    keys: Sequence[str]
    payload: bytes
    start: int
    lengths: array[int]
    trigger: Trigger

    def __len__(self) -> int:
        return len(self.keys)

    def bytes_before(self, index: int) -> int:
        """Where in the payload the JSON of contact `index` begins."""
        return self.start + sum(self.lengths[:index]) + index

    def body(self, index: int) -> bytes:
        """The JSON of contact `index`."""
        begin = self.bytes_before(index)
        return self.payload[begin : begin + self.lengths[index]]

    def bodies(self) -> Iterator[bytes]:
        """The JSON of each contact, in the order of `keys`."""
        begin = self.start
        for length in self.lengths:
            yield self.payload[begin : begin + length]
            begin += length + 1

    def places(self) -> list[tuple[str, int]]:
        """(source, position) of every contact, in the order of `keys`."""
        return [(span.source, position) for span in self.spans for position in span.positions]
