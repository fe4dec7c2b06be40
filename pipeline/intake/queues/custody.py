"""Custody: the messages that were taken and not acknowledged, and what is still to be done of each.

Sans-IO. Told what has an outcome on disk, it says which messages are done with.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
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
    """Messages by their positions. Each position is settled once, as the settler sees to.

    A message is expected as soon as it is here, and held once it has positions.
    """

    def __init__(self, finished: Callable[[list[Message]], None] = lambda _: None) -> None:
        """`finished` is told of messages as soon as they are done with."""
        self._finished = finished
        self._firsts: list[int] = []
        self._held: dict[int, _Held] = {}
        self._by_identity: dict[str, int] = {}
        self._expected: dict[str, list[Message]] = {}
        self._unnamed: defaultdict[str, list[str]] = defaultdict(list)  # expected, by their digest
        self._done: list[Message] = []

    def __len__(self) -> int:
        """Messages that are not done with."""
        return len(self._held) + len(self._expected)

    def __contains__(self, identity: str) -> bool:
        return identity in self._by_identity or identity in self._expected

    def came_by(self, identity: str, line: int) -> bool:
        """Whether a message that is here was delivered by that line."""
        return any(each.line == line for each in self._deliveries(identity))

    def expect(self, message: Message) -> None:
        """Keep a message that was not here before, and has no positions yet."""
        self._expected[message.identity] = [message]
        if message.anonymous:
            self._unnamed[_digest(message)].append(message.identity)

    def expected(self, digest: str) -> list[str]:
        """By what those without positions are known that hold what this is the digest of."""
        return self._unnamed.get(digest, [])

    def hold(self, message: Message, *, first: int, records: int, left: int) -> None:
        """Keep a message of `records` positions from `first` on, `left` of which are to be done."""
        deliveries = self._no_longer_expected(message) or [message]
        if not left:
            self._finish(deliveries)
            return

        self._held[first] = _Held(deliveries=deliveries, last=first + records - 1, left=left)
        self._by_identity[message.identity] = first
        insort(self._firsts, first)

    def _no_longer_expected(self, message: Message) -> list[Message] | None:
        deliveries = self._expected.pop(message.identity, None)
        if deliveries is not None and message.anonymous:
            digest = _digest(message)
            self._unnamed[digest].remove(message.identity)
            if not self._unnamed[digest]:
                del self._unnamed[digest]

        return deliveries

    def renew(self, message: Message) -> None:
        """A message that is here was delivered once more: this delivery is acknowledged, too."""
        deliveries = self._deliveries(message.identity)
        came = message.line, message.handle
        if all((each.line, each.handle) != came for each in deliveries):
            deliveries.append(message)

    def _deliveries(self, identity: str) -> list[Message]:
        if identity in self._expected:
            return self._expected[identity]

        return self._held[self._by_identity[identity]].deliveries

    def release(self, begun: Callable[[int, int], bool]) -> list[Message]:
        """Keep those no longer of which nothing was done with, nor `begun` (first, last).

        Of what has no positions nothing is.
        """
        released = [each for deliveries in self._expected.values() for each in deliveries]
        self._expected = {}
        self._unnamed.clear()
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
        deliveries = chain(
            (each.deliveries for each in self._held.values()), self._expected.values()
        )
        return [*chain.from_iterable(deliveries)]

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
        return f"<Custody of {len(self)} messages, {len(self._done)} done with>"


def _digest(message: Message) -> str:
    """Of what a message without a name holds, which a number was added to (register.py)."""
    return message.identity.rpartition(".")[0]
