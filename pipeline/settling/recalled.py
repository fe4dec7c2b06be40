"""Recalled sources: records as the journal holds them, where the input cannot be read again.

Of standard input nothing is left but what the journal has: the record of a contact that broke a
rule, and the contact as it was sent where it was refused, or where it is unknown. What was in
flight when a process died, what could not even be read, and what was accepted is not there.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

import orjson

from ..intake.precision import loads_exactly
from ..intake.source import START, Chunk, Mark, Stage
from ..mapping.sent import SentChunk
from .rows import contact_records
from .schema import opened_to_read, translated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..intake.ranges import Ranges
    from ..intake.source import Fingerprint

__all__ = ("RECALLED", "RecalledSource")

CHUNK_RECORDS = 1_000

RECALLED = (
    "record != 'null' AND stage != 'intake'"
    r" AND (stage = 'delivery' OR instr(record, '\\ud') = 0)"
)
"""Of which rows of `contact` the journal holds enough to send them again: not of those whose text
could not be written as it was (contacts.py)."""


@dataclass(slots=True, kw_only=True, eq=False)
class RecalledSource:
    """A source as far as the journal at `path` holds its records. Picklable."""

    path: Path
    known: Fingerprint

    @property
    def name(self) -> str:
        """The name outcomes carry."""
        return self.known.name

    @property
    def is_distant(self) -> bool:
        """False: the journal is at hand."""
        return False

    def fingerprint(self) -> Fingerprint:
        """As the journal knows it."""
        return self.known

    def columns(self) -> None:
        """None: every record names its own fields."""

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield what the journal holds of every record whose position is not in `after`."""
        with closing(opened_to_read(self.path)) as connection, translated(self.path):
            rows = contact_records(connection, self.name, RECALLED, after=start.position)
            wanted = (row for row in rows if row[0] not in after)
            for _, alike in groupby(wanted, key=self._kind):
                while some := list(islice(alike, CHUNK_RECORDS)):
                    yield self._chunk(some)

    def _kind(self, row: tuple[int, str, str, str]) -> tuple[str, ...] | None:
        """The columns of a record; None for a contact as it was sent, () for one of JSON."""
        if row[2] == Stage.DELIVERY:
            return None

        return (
            () if self.known.reading.startswith(("ndjson", "json")) else tuple(orjson.loads(row[3]))
        )

    def _chunk(self, rows: Sequence[tuple[int, str, str, str]]) -> Chunk:
        columns = self._kind(rows[0])
        common: dict[str, Any] = {
            "source": self.name,
            "positions": [position for position, *_ in rows],
            "rejected": [],
            "mark": Mark(rows[-1][0], None),
        }
        if columns is None:
            keys = [key for _, key, *_ in rows]
            records = [record.encode() for *_, record in rows]
            return SentChunk(columns=None, records=records, keys=keys, **common)

        read = [loads_exactly(record.encode()) for *_, record in rows]
        if not columns:
            return Chunk(columns=None, records=read, **common)

        return Chunk(columns=columns, records=[list(each.values()) for each in read], **common)
