"""Spans on disk: where a batch's contacts came from, as compact JSON.

    [[ordinal, first, last, first, last, …], …]

One list a span: the source's ordinal in the journal, then closed runs of ascending positions, in
the order of the batch's contact keys. A batch cut from one unbroken stretch is `[[0,1,500]]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from ..intake.ranges import runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ..packing.batch import Span

__all__ = ("NO_SPANS", "pack_places", "pack_spans", "positions_of", "runs", "unpack_spans")

NO_SPANS = "[]"


def runs(positions: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Fold ascending positions into closed runs; an unbroken stretch costs two look-ups."""
    if not positions:
        return ()

    first, last = positions[0], positions[-1]
    if last - first + 1 == len(positions):
        return ((first, last),)

    return runs_of(positions)


def pack_spans(spans: Iterable[Span], ordinals: Mapping[str, int]) -> str:
    """The spans as JSON; `ordinals` names each source's number in the journal."""
    packed: list[list[int]] = []
    for span in spans:
        row = [ordinals[span.source]]
        for run in runs(span.positions):
            row.extend(run)

        packed.append(row)

    return orjson.dumps(packed).decode()


def pack_places(places: Iterable[tuple[int, int]]) -> str:
    """The spans of (ordinal, position) pairs, as JSON; `positions_of` gives the pairs back."""
    packed: list[list[int]] = []
    for ordinal, position in places:
        if not packed or packed[-1][0] != ordinal or position <= packed[-1][-1]:
            packed.append([ordinal, position, position])
        elif position == packed[-1][-1] + 1:
            packed[-1][-1] = position
        else:
            packed[-1] += (position, position)

    return orjson.dumps(packed).decode()


def unpack_spans(text: str) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield (ordinal, closed runs) of each span."""
    for ordinal, *bounds in orjson.loads(text):
        yield ordinal, list(zip(bounds[::2], bounds[1::2], strict=True))


def positions_of(text: str) -> Iterator[tuple[int, int]]:
    """Yield (ordinal, position) of every contact, in the order of the batch's keys."""
    for ordinal, closed in unpack_spans(text):
        for first, last in closed:
            for position in range(first, last + 1):
                yield ordinal, position
