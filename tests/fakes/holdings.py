"""Holdings that are told, and tell how often they were asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.intake.plain import Plain
    from pipeline.intake.recognised import Content

__all__ = ("ToldHoldings",)


class ToldHoldings:
    """`asked`: how often it was asked what costs reading."""

    def __init__(
        self,
        beginnings: Callable[[Iterable[int]], Iterable[Content]] = lambda _: (),
        *,
        plains: Sequence[Plain | None] = (),
    ) -> None:
        self._beginnings = beginnings
        self._plains = plains
        self.asked = 0

    def plains(self) -> Sequence[Plain | None]:
        self.asked += 1
        return self._plains

    def beginnings(self, sizes: Iterable[int]) -> Iterable[Content]:
        return self._beginnings(sizes)
