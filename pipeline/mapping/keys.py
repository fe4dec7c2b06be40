"""Keys: contact keys as the JSON that is written of them, unread until somebody asks for one.

Hardly anybody does: they come out of the encoder's process as JSON, and go into the journal and the
result files as JSON, by the million.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast, overload

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Buffer

__all__ = ("Keys", "chained", "packed")

QUOTES: Final = 2
AROUND: Final = QUOTES + 1
"""What stands between two keys: their quotes and the comma."""


class Keys(Sequence[str]):
    """Strings in their order, equal to a list of the same.

    `joined` is their JSON, UTF-8, a comma between each two; key i takes `lengths[i]` bytes of it
    within its quotes.
    """

    __slots__ = ("_cut", "_joined", "_lengths", "_read")

    def __init__(self, joined: Buffer, lengths: array[int]) -> None:
        self._joined = joined if isinstance(joined, bytes) else bytes(joined)
        self._lengths = lengths
        self._read: list[str] | None = None
        self._cut = (0, 0)  # a key, and where its JSON begins: where the last slice has ended

    @classmethod
    def of(cls, keys: Sequence[str]) -> Keys:
        """The same keys, written."""
        if isinstance(keys, cls):
            return keys

        written = orjson.dumps(keys)
        if written.isascii() and b"\\" not in written:  # each is as it reads, in quotes
            lengths = array("I", map(len, keys))
        else:
            lengths = array("I", [len(orjson.dumps(key)) - QUOTES for key in keys])

        return cls(written[1:-1], lengths)

    @property
    def json(self) -> bytes:
        """A JSON list of them."""
        return b"[%b]" % self._joined

    def __len__(self) -> int:
        return len(self._lengths)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, int):
            return self._list()[index]

        start, end, step = index.indices(len(self))
        return self._part(start, max(start, end)) if step == 1 else self._list()[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._list())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._list() == list(other)

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __reduce__(self) -> tuple[Callable[..., Keys], tuple[Any, ...]]:
        return Keys, (self._joined, self._lengths)

    def __repr__(self) -> str:
        return f"<Keys, {len(self)} of them>"

    def _list(self) -> list[str]:
        if self._read is None:
            self._read = cast("list[str]", orjson.loads(self.json))

        return self._read

    def _part(self, start: int, end: int) -> Keys:
        known, begin = self._cut if self._cut[0] <= start else (0, 0)
        begin += sum(self._lengths[known:start]) + AROUND * (start - known)
        lengths = self._lengths[start:end]
        after = begin + sum(lengths) + AROUND * (end - start)
        self._cut = (end, after)
        return Keys(self._joined[begin : max(begin, after - 1)], lengths)


def chained(parts: Sequence[Sequence[str]]) -> Sequence[str]:
    """The keys of all parts, one behind the other."""
    if len(parts) == 1:
        return parts[0]

    some = [part for part in parts if len(part)]
    written = [part for part in some if isinstance(part, Keys)]
    if len(written) < len(some):
        return list(chain.from_iterable(parts))

    lengths = array("I")
    for part in written:
        lengths += part._lengths  # noqa: SLF001  # its own kind

    return Keys(b",".join([part._joined for part in written]), lengths)  # noqa: SLF001  # as above


def packed(keys: Sequence[str]) -> bytes:
    """A JSON list of the keys."""
    return keys.json if isinstance(keys, Keys) else orjson.dumps(list(keys))
