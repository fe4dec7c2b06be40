"""Offsets of a partition: what was taken of it, what is done with, and what is committed.

Kafka knows of a partition how far a group has read it, and with that a line of text. Here that line
says who took messages beyond, and up to where, and it is committed before they are passed on: so
whoever is assigned the partition next knows which of its messages somebody may have sent.

    {"by": "20261123-164312-a0b1c2d3e4f5a6b7", "to": 1200, "doubt": 900}

`by` took everything before `to`; what lies before `doubt` was in doubt already when it did.
Sans-IO.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from .kafka_line import IDENTITY
from .message import Message, known_as

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from collections.abc import Set as AbstractSet

__all__ = ("Offsets", "all_idle", "message_of")


@dataclass(slots=True, kw_only=True)
class Offsets:
    """One partition, since it was assigned to this worker."""

    worker: str
    low: int
    """Everything before it is done with."""
    taken: int
    """Everything before it was received since the assignment, or is done with."""
    to: int
    """What is committed as taken: more than `taken` where another worker had taken more."""
    doubt: int
    line: int = 0
    """The number of the assignment, among all of this worker's."""
    _open: dict[int, None] = field(default_factory=dict)  # taken and not done with, ascending
    _done: set[int] = field(default_factory=set)
    _given_back: set[int] = field(default_factory=set)  # taken, and behind them what was begun

    @classmethod
    def found(cls, worker: str, committed: int, text: str | None, *, line: int = 0) -> Offsets:
        """From what the group has committed; `committed` is negative where there is nothing."""
        low = max(0, committed)
        try:
            told = orjson.loads(text or "{}")
            by, to, doubt = str(told.get("by", "")), int(told.get("to", 0)), int(told["doubt"])
        except (ValueError, TypeError, KeyError, AttributeError):
            by, to, doubt = "", 0, 0  # another program's

        # What this worker took itself its journal knows of, or it was never sent.
        return cls(
            worker=worker,
            low=low,
            taken=low,
            to=max(to, low),
            doubt=max(doubt, to) if by != worker else doubt,
            line=line,
        )

    def take(self, offset: int) -> bool:
        """A message was received; whether another worker may have had it."""
        self._open[offset] = None
        self._done.discard(offset)
        self._given_back.discard(offset)
        self.taken = max(self.taken, offset + 1)
        self.to = max(self.to, self.taken)
        return offset < self.doubt

    def finish(self, offset: int) -> None:
        """A message is done with."""
        if offset not in self._open:
            return

        self._done.add(offset)
        while self._open and (first := next(iter(self._open))) in self._done:
            self._done.discard(first)
            del self._open[first]

        self.low = max(self.low, next(iter(self._open), self.taken))

    def give_back(self, offsets: Iterable[int]) -> None:
        """Nothing of these was begun: those that no other lies behind are as if never taken."""
        given = set(offsets)
        self._given_back |= given
        if self.to > self.taken:  # somebody else had taken more
            return

        while self._open and (last := next(reversed(self._open))) in given:
            del self._open[last]
            self.to = self.taken = next(reversed(self._open), last - 1) + 1

    def idle_but(self, unsent: Collection[tuple[int, int]], *, within: int) -> bool:
        """Whether all that was passed on is done with, or given back.

        These (partition, offset) were not passed on. It is `within` this partition.
        """
        return all(
            (within, offset) in unsent
            for offset in self._open
            if offset not in self._done and offset not in self._given_back
        )

    @property
    def text(self) -> str:
        """What is committed with `low`."""
        told = {"by": self.worker, "to": self.to, "doubt": self.doubt}
        return orjson.dumps(told).decode()


def all_idle(
    offsets: Mapping[int, Offsets],
    partitions: AbstractSet[int],
    *,
    but: Collection[tuple[int, int]],
) -> bool:
    """Whether these partitions are, as far as they are known; see `idle_but`."""
    known = partitions & offsets.keys()
    return all(offsets[each].idle_but(but, within=each) for each in known)


def message_of(raw: Any, told: Offsets) -> Message:
    """What the client has received, which is taken by that."""
    partition, offset, body = raw.partition(), raw.offset(), raw.value() or b""
    redelivered = told.take(offset)
    given = next((value for name, value in raw.headers() or () if name == IDENTITY), None)
    name = given.decode("utf-8", "backslashreplace") if given else f"{partition}:{offset}"
    return Message(
        identity=known_as(name, body),
        body=body,
        redelivered=redelivered,
        line=told.line,
        handle=(partition, offset),
    )
