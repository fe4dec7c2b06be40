"""Checkpoint: positions settle out of order, and what is done is a set of ranges per source.

Sans-IO: told what was settled, it keeps the books. It is also the conservation law's doorkeeper:
a position is settled once, and a second time is an error, never a silent overwrite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConservationError
from ..intake.ranges import Ranges
from .spans import runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ..packing.batch import Span

__all__ = ("Checkpoint",)


class Checkpoint:
    """What is done of each source. `settled` positions in all; `done(source)` as ranges."""

    __slots__ = ("_done", "_settled")

    def __init__(self, done: Mapping[str, Ranges] | None = None) -> None:
        """Go on from `done`, which is taken over, not copied."""
        self._done: dict[str, Ranges] = dict(done or {})
        self._settled = sum(len(ranges) for ranges in self._done.values())

    @property
    def settled(self) -> int:
        """How many positions have an outcome."""
        return self._settled

    def done(self, source: str) -> Ranges:
        """The settled positions of `source`; not a copy."""
        return self._done.setdefault(source, Ranges())

    def settle(self, source: str, positions: Sequence[int]) -> None:
        """Ascending `positions` of `source` have an outcome now.

        Raises ConservationError if one of them had an outcome already; those before it in
        `positions` are counted then, the rest are not.
        """
        done = self.done(source)
        for first, last in runs(positions):
            if done.touches(first, last):
                raise ConservationError(_twice(source, first, last))

            done.add(first, last)
            self._settled += last - first + 1

    def settle_spans(self, spans: Iterable[Span]) -> None:
        """Every position of `spans` has an outcome now. Raises as `settle` does."""
        for span in spans:
            self.settle(span.source, span.positions)

    def __repr__(self) -> str:
        parts = ", ".join(f"{source}: {ranges!r}" for source, ranges in self._done.items())
        return f"<Checkpoint {self._settled} settled, {parts or 'no source'}>"


def _twice(source: str, first: int, last: int) -> str:
    where = f"position {first}" if first == last else f"a position from {first} to {last}"
    return f"{source}: {where} would be settled twice; the journal keeps its first outcome"
