"""Contacts: what a mapped chunk has become, ready to be packed."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Final, SupportsIndex

import orjson

from ..intake.source import Mark
from .keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from ..intake.source import Rejection

__all__ = ("ContactShape", "Contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactShape:
    """The names an endpoint gives the two members of a contact.

    `fixed` are members that every contact carries besides, as they stand.
    """

    key: str = "ContactKey"
    data: str = "Data"
    fixed: tuple[tuple[str, str], ...] = ()

    def filled(self, key: str, data: Any) -> dict[str, Any]:
        """A contact, ready to be written as JSON."""
        return {self.key: key, **dict(self.fixed), self.data: data}


@dataclass(slots=True, kw_only=True)
class Contacts:
    """The contacts of one chunk, in order, and what was rejected on the way.

    `joined` is their JSON as it will stand in a payload, UTF-8, a comma between each two, and
    `lengths[i]` how many bytes of it contact i takes. One long run of bytes crosses a process
    boundary, and is cut into batches, at a fraction of what one object a contact would cost.

    `mark` is the chunk's: everything up to `mark.position` has been read. `share` is how much of
    all sources has been read by then, from 0 to 1, where that can be known.
    """

    source: str
    positions: Sequence[int]
    keys: Sequence[str]
    joined: bytes | memoryview
    lengths: array[int]
    rejected: list[Rejection]
    mark: Mark
    share: float | None = None
    in_doubt: bool = False
    """They may have been sent by another worker: they are unknown, and not to be sent."""

    @classmethod
    def of(cls, bodies: Sequence[bytes], **rest: Any) -> Contacts:
        """Join `bodies`, the JSON of one contact each; `rest` are the other members."""
        return cls(joined=b",".join(bodies), lengths=array("I", map(len, bodies)), **rest)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def bodies(self) -> list[bytes]:
        """The JSON of each contact: a copy, for those who look at a few."""
        bodies, begin = [], 0
        for length in self.lengths:
            bodies.append(bytes(self.joined[begin : begin + length]))
            begin += length + 1

        return bodies

    def written(self, index: int) -> Any:
        """The JSON of one contact, to be written where it is a part of something else."""
        begin = sum(self.lengths[:index]) + index
        return orjson.Fragment(bytes(self.joined[begin : begin + self.lengths[index]]))

    def without(self, indices: Sequence[int], rejected: Sequence[Rejection]) -> Contacts:
        """The same, less the contacts at `indices`, which `rejected` tells of."""
        gone = set(indices)
        kept = [at for at in range(len(self)) if at not in gone]
        bodies = self.bodies
        return Contacts.of(
            [bodies[at] for at in kept],
            source=self.source,
            positions=[self.positions[at] for at in kept],
            keys=[self.keys[at] for at in kept],
            rejected=sorted((*self.rejected, *rejected), key=lambda one: one.position),
            mark=self.mark,
            share=self.share,
            in_doubt=self.in_doubt,
        )

    def move(self, by: int) -> None:
        """Take all of them, and what was rejected, to positions that are so much further on."""
        at = self.positions
        ahead = range(at.start + by, at.stop + by) if isinstance(at, range) else None
        self.positions = ahead or [each + by for each in at]
        self.rejected = [replace(each, position=each.position + by) for each in self.rejected]
        self.mark = Mark(self.mark.position + by, self.mark.offset)

    def limit(self, contacts: int) -> None:
        """Keep the first so many, and what was rejected before them: the rest was not read."""
        if len(self) < contacts:
            return

        last = self.positions[contacts - 1] if contacts else 0
        self.shorten(contacts)
        self.rejected = [each for each in self.rejected if each.position <= last]
        self.mark = Mark(last, None)

    def shorten(self, limit: int) -> None:
        """Keep the first `limit` contacts; `mark` and `rejected` are the caller's business."""
        self.keys = self.keys[:limit]
        del self.lengths[limit:]
        self.positions = self.positions[:limit]
        self.joined = self.joined[: max(0, sum(self.lengths) + limit - 1)]

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """For pickle: contacts cross to another process by the million, and `joined` uncopied."""
        uncopied = int(protocol) >= 5
        joined = PickleBuffer(self.joined) if uncopied else bytes(self.joined)
        rest = {name: getattr(self, name) for name in self.__slots__ if name not in _PACKED}
        return _arrived, (Keys.of(self.keys), joined, rest)


_PACKED: Final = frozenset({"keys", "joined"})


def _arrived(keys: Keys, joined: Buffer, rest: dict[str, Any]) -> Contacts:
    return Contacts(keys=keys, joined=memoryview(joined), **rest)
