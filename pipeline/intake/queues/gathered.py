"""Gathered: records of several messages, and which positions they have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..source import Chunk, Mark

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def add(self, body: Body, first: int, *, wanted: Callable[[int], bool] | None = None) -> None:
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
            if wanted(position):
                self.positions.append(position)
                self.records.append(record)

        self.rejected += (each for each in rejected if wanted(each.position))

    def chunk(self, source: str) -> Chunk:
        """All of it, as the mapper takes it."""
        return Chunk(
            source=source,
            columns=None,
            positions=self.positions,
            records=self.records,
            rejected=self.rejected,
            mark=Mark(self.last, None),
        )
