"""Accepted batches: from the journal's tables, and from the files of days that were compacted.

The tables come last: what left them was settled before all that they hold. A file is read only if
it is what the journal remembers, to the last byte; `left_out` names the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson

from .parts import directory_of, lies_whole, read_parts
from .result_file import holds
from .spans import NO_SPANS, pack_places, positions_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from .parts import Part

__all__ = (
    "AcceptedBatch",
    "LeftOut",
    "Overtaken",
    "accepted_batches",
    "left_out",
    "stored_batches",
)

ENDLESS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedBatch:
    """A batch Marketing Cloud took. `spans` as in spans.py, `keys` a JSON list.

    `at` is when it was settled; of one that left the tables, the earliest that may have been.
    """

    seq: int
    batch_id: int
    event_instance_id: str | None
    spans: str
    keys: bytes
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that alone tells of some contacts, and is not what it was."""

    file: str
    contacts: int
    gone: bool

    def __str__(self) -> str:
        what = "is gone" if self.gone else "is not what was written"
        noun = "contact" if self.contacts == 1 else "contacts"
        return (
            f"{self.file} {what}: it alone says who its {self.contacts:,} accepted {noun} are, as "
            "the journal keeps their number; put it back as it was to have them told of again"
        )


class Overtaken:
    """The accepted contacts that a later round has sent again."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._rows: list[tuple[int, int, int]] = connection.execute(
            "SELECT source, position, round FROM overtaken"
        ).fetchall()
        self._gone: dict[int, set[tuple[int, int]]] = {}  # from the batches of each round

    def reduced(self, batch: AcceptedBatch, *, round_number: int) -> AcceptedBatch:
        """The batch without those of its contacts."""
        if not self._rows:
            return batch

        gone = self._by(round_number)
        places = list(positions_of(batch.spans))
        if gone.isdisjoint(places):
            return batch

        pairs = zip(places, orjson.loads(batch.keys), strict=True)
        kept = [(place, key) for place, key in pairs if place not in gone]
        spans = pack_places(place for place, _ in kept)
        return replace(batch, spans=spans, keys=orjson.dumps([key for _, key in kept]))

    def _by(self, round_number: int) -> set[tuple[int, int]]:
        if round_number not in self._gone:
            self._gone[round_number] = {(o, p) for o, p, by in self._rows if by > round_number}

        return self._gone[round_number]


def accepted_batches(connection: sqlite3.Connection) -> Iterator[AcceptedBatch]:
    """Yield the accepted batches in the order of settlement, but for those that are left out.

    Contacts that a later round has overtaken are left out of them.
    """
    overtaken, after = Overtaken(connection), 0
    for part in _compacted(connection):
        after = part.seq
        if _whole(directory_of(connection), part):
            yield from _from_file(connection, part, overtaken=overtaken)

    yield from stored_batches(connection, after)


def stored_batches(
    connection: sqlite3.Connection, after: int, until: int = ENDLESS
) -> Iterator[AcceptedBatch]:
    """Yield those that the tables hold, settled after `after` and not after `until`."""
    overtaken = Overtaken(connection)
    rows = connection.execute(
        "SELECT s.seq, s.batch_id, s.event_instance_id, b.spans, b.keys, b.round, s.at"
        " FROM settlement s JOIN batch b USING (batch_id)"
        " WHERE s.seq > ? AND s.seq <= ? AND s.outcome = 'accepted' ORDER BY s.seq",
        (after, until),
    )
    for seq, batch_id, event_instance_id, spans, keys, round_number, at in rows:
        batch = AcceptedBatch(
            seq=seq,
            batch_id=batch_id,
            event_instance_id=event_instance_id,
            spans=spans,
            keys=keys,
            at=at,
        )
        batch = overtaken.reduced(batch, round_number=round_number)
        if batch.spans != NO_SPANS:
            yield batch


def left_out(connection: sqlite3.Connection, *, by_size: bool = False) -> list[LeftOut]:
    """The files that accepted contacts are left out for: each is read whole, or looked at alone."""
    directory = directory_of(connection)
    is_whole = lies_whole if by_size else _whole
    return [
        LeftOut(
            file=part.file,
            contacts=part.contacts or 0,
            gone=not (directory / part.file).exists(),
        )
        for part in _compacted(connection)
        if part.contacts and not is_whole(directory, part)
    ]


def _compacted(connection: sqlite3.Connection) -> list[Part]:
    return [part for part in read_parts(connection) if part.compacted]


def _whole(directory: Path, part: Part) -> bool:
    return holds(directory / part.file, part.bytes, part.crc)


def _from_file(
    connection: sqlite3.Connection, part: Part, *, overtaken: Overtaken
) -> Iterator[AcceptedBatch]:
    """Yield the batches of a part that is whole."""
    ordinals = dict(connection.execute("SELECT name, ordinal FROM source").fetchall())
    with (directory_of(connection) / part.file).open("rb") as file:
        for _, lines in groupby(map(orjson.loads, file), key=lambda line: line["batch"]):
            batch, round_number = _told(connection, list(lines), part=part, ordinals=ordinals)
            batch = overtaken.reduced(batch, round_number=round_number)
            if batch.spans != NO_SPANS:
                yield batch


def _told(
    connection: sqlite3.Connection,
    lines: list[dict[str, Any]],
    *,
    part: Part,
    ordinals: dict[str, int],
) -> tuple[AcceptedBatch, int]:
    """The batch of some lines, and its round."""
    batch_id = lines[0]["batch"]
    keys = [key for line in lines for key in line["contact_keys"]]
    (found,) = connection.execute(
        "SELECT coalesce((SELECT round || ' ' || spans FROM compacted_batch WHERE batch_id = :id),"
        " (SELECT round || ' ' || spans FROM batch WHERE batch_id = :id))",
        {"id": batch_id},
    ).fetchone()
    if found is not None:
        round_number, _, spans = found.partition(" ")
    else:
        round_number = 0
        spans = pack_places(
            (_ordinal(line["source"], ordinals), position)
            for line in lines
            for position in range(line["first"], line["last"] + 1)
        )

    batch = AcceptedBatch(
        seq=part.seq,
        batch_id=batch_id,
        event_instance_id=lines[0]["event_instance_id"],
        spans=spans,
        keys=orjson.dumps(keys),
        at=part.began,
    )
    return batch, int(round_number)


def _ordinal(name: str, ordinals: dict[str, int]) -> int:
    """A source by its name in a line, which it may have had another than today."""
    return ordinals[name] if name in ordinals else min(ordinals.values())
