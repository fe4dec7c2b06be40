"""Ranges: a set of positions, kept as sorted, disjoint, closed ranges.

Batches settle out of order, so what is done of a source is never "the first n" but a set such as
1-4999, 5500-9999. The set stays small however many positions it holds: neighbours merge.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("Ranges", "runs_of")


def runs_of(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Fold ascending positions into closed runs: 1, 2, 3, 7 gives (1, 3), (7, 7)."""
    if isinstance(positions, range) and positions.step == 1:
        if positions:
            yield positions[0], positions[-1]

        return

    first: int | None = None
    last = 0
    for position in positions:
        if first is None:
            first = last = position
        elif position == last + 1:
            last = position
        else:
            yield first, last
            first = last = position

    if first is not None:
        yield first, last


class Ranges:
    """A set of integers as closed ranges; `add` merges, `in` is a bisection."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add every position from `first` to `last`, both included."""
        if first > last:
            raise ValueError(f"a range runs upward, not from {first} to {last}")

        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])

        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def __contains__(self, position: int) -> bool:
        index = bisect_left(self._lasts, position)
        return index < len(self._firsts) and self._firsts[index] <= position

    def covers(self, first: int, last: int) -> bool:
        """Whether every position from `first` to `last` is in the set."""
        index = bisect_left(self._lasts, first)
        return (
            index < len(self._firsts)
            and self._firsts[index] <= first
            and last <= self._lasts[index]
        )

    def touches(self, first: int, last: int) -> bool:
        """Whether any position from `first` to `last` is in the set."""
        index = bisect_left(self._lasts, first)
        return index < len(self._firsts) and self._firsts[index] <= last

    def first_missing(self) -> int:
        """The lowest position, counted from 1, that is not in the set."""
        if self._firsts and self._firsts[0] <= 1:
            return self._lasts[0] + 1

        return 1

    def gaps(self, last: int) -> Ranges:
        """The positions from 1 to `last` that are not in the set."""
        gaps, begin = Ranges(), 1
        for low, high in self:
            if begin < low and begin <= last:
                gaps.add(begin, min(low - 1, last))

            begin = high + 1

        if begin <= last:
            gaps.add(begin, last)

        return gaps

    def __len__(self) -> int:
        """How many positions the set holds (not how many ranges)."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._firsts, self._lasts, strict=True)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Ranges)
            and self._firsts == other._firsts
            and self._lasts == other._lasts
        )

    __hash__ = None  # type: ignore[assignment]  # a set that changes has no hash

    def __repr__(self) -> str:
        return "Ranges(" + ",".join(f"{first}-{last}" for first, last in self) + ")"
