"""The batcher: contacts in, sealed batches out. It decides and never waits; the time is told.

A batch is sealed when it holds `max_records` contacts, when the next contact would take its
payload over `max_bytes`, when its first contact has waited `linger_seconds`, or when the run
drains. Contacts come and leave in order, and each is in exactly one batch.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar

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

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "use_attribute_docstrings": True}

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
        "_bodies",
        "_envelope",
        "_first_at",
        "_keys",
        "_next_id",
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
        return self._first_at + self._policy.linger_seconds if self._bodies else None

    def __len__(self) -> int:
        """Contacts gathered and not yet sealed."""
        return len(self._bodies)

    def __repr__(self) -> str:
        return f"<Batcher {len(self)} contacts, {self._used_bytes} bytes gathered>"

    def add(self, contacts: Contacts, now: float) -> list[Batch]:
        """Take a chunk's contacts; return the batches they fill."""
        sealed: list[Batch] = []
        bodies = contacts.bodies
        start = 0
        while start < len(bodies):
            if not self._bodies:
                self._first_at = now

            end = self._take(contacts, start)
            if len(self._bodies) == self._policy.max_records:
                sealed.append(self._seal(Trigger.COUNT))
            elif end < len(bodies):
                sealed.append(self._seal(Trigger.BYTES))

            start = end

        return sealed

    def flush(self, trigger: Trigger) -> list[Batch]:
        """Seal what is gathered, if anything is."""
        return [self._seal(trigger)] if self._bodies else []

    def _take(self, contacts: Contacts, start: int) -> int:
        """Gather as many contacts from `start` on as fit; return where it stopped."""
        end = min(start + self._policy.max_records - len(self._bodies), len(contacts.bodies))
        taken = contacts.bodies[start:end]
        size = sum(map(len, taken)) + len(taken)
        if self._used_bytes + size > self._room_bytes:
            fitting = _fitting(taken, self._room_bytes - self._used_bytes)
            if fitting == 0 and not self._bodies:
                raise ValueError(f"a contact of {len(taken[0])} bytes fits no payload")

            taken = taken[:fitting]
            size = sum(map(len, taken)) + len(taken)
            end = start + fitting

        if taken:
            self._bodies += taken
            self._keys += contacts.keys[start:end]
            self._spans.append(Span(contacts.source, contacts.positions[start:end]))
            self._used_bytes += size

        return end

    def _seal(self, trigger: Trigger) -> Batch:
        batch = seal(
            batch_id=self._next_id(),
            spans=tuple(self._spans),
            keys=self._keys,
            bodies=self._bodies,
            trigger=trigger,
            envelope=self._envelope,
        )
        self._clear()
        return batch

    def _clear(self) -> None:
        self._bodies: list[bytes] = []
        self._keys: list[str] = []
        self._spans: list[Span] = []
        self._used_bytes = 0


def _fitting(bodies: Sequence[bytes], room_bytes: int) -> int:
    """How many of `bodies`, each with its comma, fit into `room_bytes`."""
    return bisect_right(list(accumulate(len(body) + 1 for body in bodies)), room_bytes)
