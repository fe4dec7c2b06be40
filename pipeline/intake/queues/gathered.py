"""Gathered: records of several messages, and which positions they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..source import Chunk, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from ..source import Rejection
    from .bodies import Body

__all__ = ("Gathered",)


@dataclass(slots=True, kw_only=True)
class Gathered:
    """Records of several messages, in the order of their positions."""

    positions: list[int] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    last: int = 0

    def __bool__(self) -> bool:
        return bool(self.positions or self.rejected)

    def add(self, body: Body, first: int, *, wanted: AbstractSet[int] | None = None) -> None:
        """Take the records of a message that begins at `first`, those whose position is wanted."""
        rejected = body.rejected_at(first)
        pairs = zip((place + first - 1 for place in body.places), body.records, strict=True)
        self.last = max(self.last, first + body.count - 1)
        if wanted is None:
            self.positions += (place + first - 1 for place in body.places)
            self.records += body.records
            self.rejected += rejected
            return

        for position, record in pairs:
            if position in wanted:
                self.positions.append(position)
                self.records.append(record)

        self.rejected += (each for each in rejected if each.position in wanted)

    def chunk(self, source: str) -> Chunk:
        """All of it, as the mapper takes it."""
        at: Sequence[int] = self.positions
        if at and at[-1] - at[0] + 1 == len(at):  # which costs less wherever it goes
            at = range(at[0], at[-1] + 1)

        return Chunk(
            source=source,
            columns=None,
            positions=at,
            records=self.records,
            rejected=self.rejected,
            mark=Mark(self.last, None),
        )
