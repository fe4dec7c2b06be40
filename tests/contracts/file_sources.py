"""What every file source holds to, whatever it is made of."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.intake.ranges import Ranges
from pipeline.intake.source import START

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.intake.source import Chunk, FileSource, Mark, Rejection


@dataclass
class Read:
    """All that a source yielded, by position."""

    chunks: list[Chunk] = field(default_factory=list)
    records: dict[int, Any] = field(default_factory=dict)
    rejected: dict[int, Rejection] = field(default_factory=dict)

    @property
    def positions(self) -> list[int]:
        return sorted([*self.records, *self.rejected])

    @property
    def reasons(self) -> dict[int, str]:
        return {position: each.reason for position, each in self.rejected.items()}


def read(source: FileSource, after: Ranges | None = None, start: Mark = START) -> Read:
    """Read a source through, and hold every chunk to the contract."""
    result = Read()
    mark = start
    for chunk in source.chunks(after or Ranges(), start):
        check_chunk(chunk, mark, source)
        mark = chunk.mark
        result.chunks.append(chunk)
        result.records.update(zip(chunk.positions, chunk.records, strict=True))
        result.rejected.update((each.position, each) for each in chunk.rejected)

    return result


def check_chunk(chunk: Chunk, before: Mark, source: FileSource) -> None:
    """Positions pair with records, ascend, and lie between the marks."""
    places = [*chunk.positions, *(each.position for each in chunk.rejected)]
    assert len(chunk.positions) == len(chunk.records)
    assert list(chunk.positions) == sorted(chunk.positions)
    assert len(set(places)) == len(places)
    assert all(before.position < place <= chunk.mark.position for place in places)
    assert before.offset is not None
    assert chunk.mark.offset is not None
    assert chunk.mark.offset > before.offset
    assert chunk.source == source.name
    assert chunk.columns == source.columns()
    assert chunk.share is None or 0 <= chunk.share <= 1


def check_source(make: Callable[[], FileSource]) -> Read:
    """Hold a source to its contract: every position once, the same from any mark, less `after`."""
    whole = read(make())
    count = whole.chunks[-1].mark.position if whole.chunks else 0
    assert whole.positions == list(range(1, count + 1))
    for chunk in whole.chunks:
        rest = read(make(), start=chunk.mark)
        _same(rest, whole, lambda place, mark=chunk.mark: place > mark.position)  # type: ignore[misc]

    evens = Ranges((place, place) for place in range(2, count + 1, 2))
    _same(read(make(), evens), whole, lambda place: place % 2 == 1)
    _same(read(make(), Ranges([(1, count + 1)])), whole, lambda _: False)
    assert make().fingerprint() == make().fingerprint()
    assert read(pickle.loads(pickle.dumps(make()))).records == whole.records
    return whole


def _same(part: Read, whole: Read, kept: Callable[[int], bool]) -> None:
    assert part.records == {key: value for key, value in whole.records.items() if kept(key)}
    assert part.reasons == {key: value for key, value in whole.reasons.items() if kept(key)}
