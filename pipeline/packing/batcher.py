"""The batcher: contacts in, sealed batches out. It decides and never waits; the time is told.

A batch is sealed when it holds `max_records` contacts, when the next contact would take its
payload over `max_bytes`, when its first contact has waited `linger_seconds`, or when the run
drains. Contacts come and leave in order, and each is in exactly one batch.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

from ..mapping.keys import chained
from .batch import Batch, Span, Trigger
from .payload import seal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..mapping.contacts import Contacts
    from .payload import Envelope

__all__ = ("BatchPolicy", "Batcher")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """When a batch is full enough."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    max_records: int = 500
    """Contacts in a request, at the most; never above what the endpoint takes (500)."""

    max_bytes: int = 4_000_000
    """Bytes of a request's body, at the most; Marketing Cloud publishes no limit."""

    linger_seconds: float = 1.0
    """How long a batch's first contact waits for company, in seconds."""

    def __post_init__(self) -> None:
        if self.max_records < 1:
            raise ValueError("max_records is at least 1")

        if self.max_bytes < 1_000:
            raise ValueError("max_bytes is at least 1000")

        if not 0 <= self.linger_seconds <= 3600:
            raise ValueError("linger_seconds lies between 0 and 3600")


class Batcher:
    """Gathers contacts and seals them into batches.

    Every body must fit a payload of its own (the mapper rejects what does not, told
    `max_contact_bytes`); `next_id` numbers the batches.
    """

    __slots__ = (
        "_envelope",
        "_first_at",
        "_keys",
        "_lengths",
        "_next_id",
        "_pieces",
        "_policy",
        "_room_bytes",
        "_spans",
        "_used_bytes",
    )

    def __init__(
        self, policy: BatchPolicy, *, envelope: Envelope, next_id: Callable[[], int]
    ) -> None:
        self._policy = policy
        self._envelope = envelope
        self._next_id = next_id
        self._room_bytes = policy.max_bytes - envelope.overhead_bytes
        self._first_at = 0.0
        self._clear()

    @property
    def max_contact_bytes(self) -> int:
        """The longest contact that fits a payload."""
        return self._room_bytes - 1

    @property
    def due(self) -> float | None:
        """When the batch that is being gathered must be sealed; None while there is none."""
        return self._first_at + self._policy.linger_seconds if self._lengths else None

    def __len__(self) -> int:
        """Contacts gathered and not yet sealed."""
        return len(self._lengths)

    def __repr__(self) -> str:
        return f"<Batcher {len(self)} contacts, {self._used_bytes} bytes gathered>"

    def add(self, contacts: Contacts, now: float) -> list[Batch]:
        """Take a chunk's contacts; return the batches they fill."""
        sealed: list[Batch] = []
        joined, total = memoryview(contacts.joined), len(contacts)
        start = begin = 0
        while start < total:
            if not self._lengths:
                self._first_at = now

            end, size = self._room_for(contacts.lengths, start)
            if end > start:
                self._pieces.append(joined[begin : begin + size - 1])
                self._lengths += contacts.lengths[start:end]
                self._keys.append(contacts.keys[start:end])
                self._spans.append(Span(contacts.source, contacts.positions[start:end]))
                self._used_bytes += size

            if len(self._lengths) == self._policy.max_records:
                sealed.append(self._seal(Trigger.COUNT))
            elif end < total:
                sealed.append(self._seal(Trigger.BYTES))

            start, begin = end, begin + size

        return sealed

    def apart(self, contacts: Contacts) -> list[Batch]:
        """Put contacts that are not to be sent into batches of their own."""
        aside = Batcher(self._policy, envelope=self._envelope, next_id=self._next_id)
        return [*aside.add(contacts, 0.0), *aside.flush(Trigger.DRAIN)]

    def flush(self, trigger: Trigger) -> list[Batch]:
        """Seal what is gathered, if anything is."""
        return [self._seal(trigger)] if self._lengths else []

    def _room_for(self, lengths: array[int], start: int) -> tuple[int, int]:
        """Up to which contact those from `start` on still fit, and their bytes with commas."""
        taken = lengths[start : start + self._policy.max_records - len(self._lengths)]
        size = sum(taken) + len(taken)
        room = self._room_bytes - self._used_bytes
        if size <= room:
            return start + len(taken), size

        sizes = list(accumulate(length + 1 for length in taken))
        fitting = bisect_right(sizes, room)
        if fitting == 0 and not self._lengths:
            raise ValueError(f"a contact of {taken[0]} bytes fits no payload")

        return start + fitting, sizes[fitting - 1] if fitting else 0

    def _seal(self, trigger: Trigger) -> Batch:
        batch = seal(
            self._pieces,
            self._lengths,
            batch_id=self._next_id(),
            spans=tuple(self._spans),
            keys=chained(self._keys),
            trigger=trigger,
            envelope=self._envelope,
        )
        self._clear()
        return batch

    def _clear(self) -> None:
        self._pieces: list[memoryview] = []
        self._lengths: array[int] = array("I")
        self._keys: list[Sequence[str]] = []
        self._spans: list[Span] = []
        self._used_bytes = 0
