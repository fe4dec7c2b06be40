"""What became of a batch, as far as Marketing Cloud's answer tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..packing.batch import Batch

__all__ = ("Accepted", "Outcome", "Rejected", "Settlement", "Unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Marketing Cloud received every contact of the batch. It does not say that they entered."""

    event_instance_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Marketing Cloud refused every contact of the batch (after splitting: the one at fault)."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """The body was under way and no verdict came back: it may have been taken."""

    reason: str
    detail: str


Outcome = Accepted | Rejected | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A batch and its outcome: what the settler writes down. `attempt` counts from 1."""

    batch: Batch
    outcome: Outcome
    attempt: int
