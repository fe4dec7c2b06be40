"""Delivery tags of RabbitMQ: which may be acknowledged together. Sans-IO."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Tags",)


class Tags:
    """The tags of one channel, which are given from 1 on, without a gap.

    One acknowledgement may go for all tags up to its own. It does only where every single one of
    them, whatever became of it on the way, is known to be done with.
    """

    def __init__(self) -> None:
        self._all_up_to = 0
        self._beyond: set[int] = set()

    def acknowledged(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """How to acknowledge these: (tag, whether for all up to it), in order; each is told once.

        A tag that goes for others is one of these: the broker refuses one that it was told of.
        """
        new = sorted({tag for tag in tags if tag > self._all_up_to} - self._beyond)
        self._beyond.update(new)
        while self._all_up_to + 1 in self._beyond:
            self._all_up_to += 1
            self._beyond.remove(self._all_up_to)

        together = [tag for tag in new if tag <= self._all_up_to]
        alone = [(tag, False) for tag in new[len(together) :]]
        return [(together[-1], True), *alone] if together else alone

    def __repr__(self) -> str:
        return f"<Tags: all up to {self._all_up_to}, and {len(self._beyond)} beyond>"
