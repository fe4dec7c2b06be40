"""Holdings that are told, and tell how often they were asked; what some bytes are known by."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pipeline.intake.plain import Gauge
from pipeline.intake.recognised import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipeline.intake.plain import Plain
    from pipeline.intake.recognised import Content

__all__ = ("ToldHoldings", "digest", "plain_of")


def plain_of(content: bytes) -> Plain:
    """What is measured of a text that holds this."""
    gauge = Gauge()
    gauge.feed(content)
    return gauge.plain


def digest(content: bytes) -> str:
    """The digest of a file that holds this."""
    return digest_of(io.BytesIO(content), len(content))  # type: ignore[arg-type]


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
