"""Gaps in what a JetStream consumer is given: how many messages it was never given. Sans-IO.

A consumer counts its deliveries, and each message has its number in the stream. All workers of a
group share the consumer, so what one of them did not get another one may have got: but of any two
messages that are given for the first time, no more lie between them that were given to somebody
than there were deliveries in between. The rest was passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Gap", "Gaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """From number `begin` to before `end` at least `messages` were passed over."""

    begin: int
    end: int
    messages: int

    def before(self, first: int) -> Gap | None:
        """What of it lies before the first message that the stream has; None where nothing does."""
        end = min(self.end, first)
        if end <= self.begin:
            return None

        return Gap(begin=self.begin, end=end, messages=min(self.messages, end - self.begin))

    @property
    def is_whole(self) -> bool:
        """Whether all of it was passed over."""
        return self.messages == self.end - self.begin


class Gaps:
    """Told of deliveries in their order, it says what was passed over between them."""

    def __init__(self, *, delivery: int, number: int) -> None:
        """The latest delivery to anybody, and the highest number in the stream that was reached."""
        self._delivery, self._number = delivery, number

    def found(self, firsts: Iterable[tuple[int, int]]) -> list[Gap]:
        """In deliveries that were each the first of its message: (delivery, number)."""
        gaps = []
        for delivery, number in firsts:
            others, between = delivery - self._delivery - 1, number - self._number - 1
            if 0 <= others < between:
                gap = Gap(begin=self._number + 1, end=number, messages=between - others)
                gaps.append(gap)

            self._delivery, self._number = delivery, number

        return gaps

    def __repr__(self) -> str:
        return f"<Gaps after delivery {self._delivery}, of number {self._number}>"
