"""Custody: the messages that were taken and not acknowledged, and what is still to be done of each.

Sans-IO. Told what has an outcome on disk, it says which messages are done with. Of a message that
has lapsed (`tenure.py`) contacts are withheld, as it comes to each: once nothing of it is under way
any more, it is let go. Should it come again before, what was withheld is made anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from .tenure import Tenure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .message import Message

__all__ = ("Custody",)


@dataclass(slots=True, kw_only=True)
class _Held:
    deliveries: list[Message]
    last: int
    left: int  # positions without an outcome on disk
    withheld: set[int] = field(default_factory=set)  # of these, those that are not under way


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
        self._let_go: list[tuple[str, int]] = []
        self.tenure = Tenure()
        self.asked_at = 0.0
        """When the queue was asked for the messages that are expected, or renewed, from now on."""

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
        self.tenure.taken(message.identity, self.asked_at)
        if message.anonymous:
            self._unnamed[_digest(message)].append(message.identity)

    def expected(self, digest: str) -> list[str]:
        """By what those without positions are known that hold what this is the digest of."""
        return self._unnamed.get(digest, [])

    def hold(self, message: Message, *, first: int, records: int, left: int) -> None:
        """Keep a message of `records` positions from `first` on, `left` of which are to be done."""
        identity = message.identity
        deliveries = self._no_longer_expected(message) or [message]
        if not left:
            self.tenure.end(identity)
            self._finish(deliveries)
            return

        self._held[first] = _Held(deliveries=deliveries, last=first + records - 1, left=left)
        self._by_identity[identity] = first
        insort(self._firsts, first)
        self.tenure.begin(identity)

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

        self.tenure.taken(message.identity, self.asked_at)

    def _deliveries(self, identity: str) -> list[Message]:
        if identity in self._expected:
            return self._expected[identity]

        return self._held[self._by_identity[identity]].deliveries

    def lacks(self, identity: str) -> bool:
        """Whether it is held, and contacts of it were withheld, which are to be made anew."""
        first = self._by_identity.get(identity)
        return first is not None and bool(self._held[first].withheld)

    def resume(self, identity: str) -> frozenset[int] | None:
        """The positions that were withheld, which are under way from now on; None: not held."""
        first = self._by_identity.get(identity)
        if first is None:
            return None

        held = self._held[first]
        resumed, held.withheld = frozenset(held.withheld), set()
        return resumed

    def release(self, begun: Callable[[int, int], bool]) -> list[Message]:
        """Keep those no longer of which nothing was done with, nor `begun` (first, last).

        Of what has no positions nothing is. They are let go; returns those that are this worker's
        to give back.
        """
        released = []
        for identity, deliveries in self._expected.items():
            released += [] if self.tenure.lapsed(identity) else deliveries
            self.tenure.end(identity)

        self._expected = {}
        self._unnamed.clear()
        for first, held in list(self._held.items()):
            if held.left == held.last - first + 1 and not begun(first, held.last):
                if not self._has_lapsed(held):
                    released += held.deliveries

                self._release(first)

        return released

    def settle(self, first: int, last: int) -> None:
        """The positions from `first` to `last` have an outcome that is on disk."""
        for begin in self._touched(first, last):
            held = self._held[begin]
            held.left -= max(0, min(last, held.last) - max(first, begin) + 1)
            if not held.left:
                self._finish(self._forget(begin))
            elif held.left == len(held.withheld) and self._has_lapsed(held):
                self._release(begin)

    def _has_lapsed(self, held: _Held) -> bool:
        return self.tenure.lapsed(held.deliveries[0].identity)

    def _touched(self, first: int, last: int) -> list[int]:
        index = max(0, bisect_right(self._firsts, first) - 1)
        return self._firsts[index : bisect_right(self._firsts, last)]

    def all_hold(self, positions: Iterable[int], now: float) -> bool:
        """Whether the messages of some positions, which are under way, are sure now."""
        if self.tenure.all_hold(now):
            return True

        identities = map(self._identity_at, positions)
        return all(each is not None and self.tenure.holds(each, now) for each in identities)

    def has_lapsed(self, position: int) -> bool:
        """Whether the message of a position has lapsed."""
        identity = self._identity_at(position)
        return identity is None or self.tenure.lapsed(identity)

    def _identity_at(self, position: int) -> str | None:
        first = self._first_of(position)
        return None if first is None else self._held[first].deliveries[0].identity

    def _first_of(self, position: int) -> int | None:
        """Where the message begins that a position is of; None where it is not held."""
        index = bisect_right(self._firsts, position) - 1
        if index < 0 or position > self._held[self._firsts[index]].last:
            return None

        return self._firsts[index]

    def withhold(self, positions: Iterable[int]) -> None:
        """These, of messages that have lapsed, are not sent."""
        touched = set()
        for position in positions:
            if (begin := self._first_of(position)) is not None:
                self._held[begin].withheld.add(position)
                touched.add(begin)

        for begin in touched:
            if self._held[begin].left == len(self._held[begin].withheld):
                self._release(begin)

    def _release(self, begin: int) -> None:
        left = self._held[begin].left
        self._let_go.append((self._forget(begin)[0].identity, left))

    def _forget(self, begin: int) -> list[Message]:
        deliveries = self._held.pop(begin).deliveries
        del self._by_identity[deliveries[0].identity]
        del self._firsts[bisect_left(self._firsts, begin)]
        self.tenure.end(deliveries[0].identity)
        return deliveries

    def _finish(self, deliveries: list[Message]) -> None:
        self._done += deliveries
        self._finished(deliveries)

    def _all(self) -> Iterator[list[Message]]:
        return chain((each.deliveries for each in self._held.values()), self._expected.values())

    def latest(self, identities: Iterable[str]) -> list[Message]:
        """The latest delivery of each of these messages, of those that are here still."""
        return [self._deliveries(each)[-1] for each in identities if each in self]

    def taken_away(self, keeps: Callable[[Message], bool]) -> list[str]:
        """The messages of which the queue keeps no delivery for this worker any more."""
        return [each[0].identity for each in self._all() if not any(map(keeps, each))]

    @property
    def busy(self) -> bool:
        """Whether a message waits to be acknowledged, or to be written down as let go."""
        return bool(self._done or self._let_go)

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

    def take_let_go(self) -> list[tuple[str, int]]:
        """(identity, contacts without an outcome) of what was let go since this was last asked."""
        let_go, self._let_go = self._let_go, []
        return let_go

    def __repr__(self) -> str:
        return f"<Custody of {len(self)} messages, {len(self._done)} done with>"


def _digest(message: Message) -> str:
    """Of what a message without a name holds, which a number was added to (register.py)."""
    return message.identity.rpartition(".")[0]
