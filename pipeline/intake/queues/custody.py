"""Custody: the messages that were taken and not acknowledged, and what is still to be done of each.

Sans-IO. Told what has an outcome on disk, it says which messages are done with.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .message import Message

__all__ = ("Custody",)


@dataclass(slots=True, kw_only=True)
class _Held:
    deliveries: list[Message]
    last: int
    left: int  # positions without an outcome on disk


class Custody:
    """Messages by their positions. Each position is settled once, as the settler sees to."""

    def __init__(self, finished: Callable[[list[Message]], None] = lambda _: None) -> None:
        """`finished` is told of messages as soon as they are done with."""
        self._finished = finished
        self._firsts: list[int] = []
        self._held: dict[int, _Held] = {}
        self._by_identity: dict[str, int] = {}
        self._done: list[Message] = []

    def __len__(self) -> int:
        """Messages held that are not done with."""
        return len(self._held)

    def __contains__(self, identity: str) -> bool:
        return identity in self._by_identity

    def came_by(self, identity: str, line: int) -> bool:
        """Whether a message that is held was delivered by that line."""
        return any(each.line == line for each in self._held[self._by_identity[identity]].deliveries)

    def hold(self, message: Message, *, first: int, records: int, left: int) -> None:
        """Keep a message of `records` positions from `first` on, `left` of which are to be done."""
        if not left:
            self._finish([message])
            return

        self._held[first] = _Held(deliveries=[message], last=first + records - 1, left=left)
        self._by_identity[message.identity] = first
        insort(self._firsts, first)

    def renew(self, message: Message) -> None:
        """A message that is held was delivered once more: this delivery is acknowledged, too."""
        deliveries = self._held[self._by_identity[message.identity]].deliveries
        came = message.line, message.handle
        if all((each.line, each.handle) != came for each in deliveries):
            deliveries.append(message)

    def release(self, begun: Callable[[int, int], bool]) -> list[Message]:
        """Hold those no longer of which nothing was done with, nor `begun` (first, last)."""
        released = []
        for first, held in list(self._held.items()):
            if held.left == held.last - first + 1 and not begun(first, held.last):
                self._forget(first)
                released += held.deliveries

        return released

    def settle(self, first: int, last: int) -> None:
        """The positions from `first` to `last` have an outcome that is on disk."""
        index = max(0, bisect_right(self._firsts, first) - 1)
        touched = self._firsts[index : bisect_right(self._firsts, last)]
        for begin in touched:
            held = self._held[begin]
            held.left -= max(0, min(last, held.last) - max(first, begin) + 1)
            if not held.left:
                self._drop(begin)

    def _drop(self, begin: int) -> None:
        self._finish(self._forget(begin))

    def _forget(self, begin: int) -> list[Message]:
        deliveries = self._held.pop(begin).deliveries
        del self._by_identity[deliveries[0].identity]
        del self._firsts[bisect_left(self._firsts, begin)]
        return deliveries

    def _finish(self, deliveries: list[Message]) -> None:
        self._done += deliveries
        self._finished(deliveries)

    @property
    def held(self) -> list[Message]:
        """What is not done with: its time must be extended."""
        return [each for held in self._held.values() for each in held.deliveries]

    @property
    def done(self) -> bool:
        """Whether a message waits to be acknowledged."""
        return bool(self._done)

    def take_done(self) -> list[Message]:
        """The messages that may be acknowledged; they are in custody no more."""
        done, self._done = self._done, []
        return done

    def put_back(self, messages: Sequence[Message]) -> None:
        """These could not be acknowledged yet."""
        self._done = [*messages, *self._done]

    def __repr__(self) -> str:
        return f"<Custody of {len(self._held)} messages, {len(self._done)} done with>"
