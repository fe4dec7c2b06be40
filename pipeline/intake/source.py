"""What a source is, and what it yields: chunks of records, each record with its position.

A position is a record's number in its source, from 1; the header is not counted. A record that
cannot be read has a position too, so that nothing in a file is without one.

File sources are plain synchronous iterators: they are read in a thread or in the encoder's child
process, never in the event loop (`mapping/encoder.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .ranges import Ranges

__all__ = ("START", "Chunk", "FileSource", "Fingerprint", "Mark", "Rejection", "Stage")


class Stage(StrEnum):
    """Where a contact was rejected."""

    INTAKE = "intake"  # the line could not be read
    MAPPING = "mapping"  # the record breaks a rule
    DELIVERY = "delivery"  # Marketing Cloud refused the contact, or its fate is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One record that will not be sent, and why. `record` is the raw text where unparsable."""

    source: str
    position: int
    stage: Stage
    reason: str  # a stable word, such as "missing_contact_key"
    detail: str  # a sentence for a person
    record: Any
    contact_key: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to start reading from: record `position + 1` begins at byte `offset`.

    The offset counts bytes of the decoded (uncompressed) stream, the header included.
    """

    position: int
    offset: int


START = Mark(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """How a source is recognised again: by what it holds, not by its name."""

    name: str
    size: int | None  # bytes as stored; None where it cannot be known (stdin)
    digest: str  # of head and tail, hexadecimal


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Records read together.

    `records` are lists of text aligned with `columns` (CSV, TSV), or dicts where `columns` is
    None (NDJSON). `positions` ascend and pair with `records`. `mark` is where the next chunk
    begins: `mark.position` counts every record up to here, the rejected and the skipped too.
    """

    source: str
    columns: tuple[str, ...] | None
    positions: Sequence[int]
    records: list[Any]
    rejected: list[Rejection]
    mark: Mark


class FileSource(Protocol):
    """One file (or stdin), readable more than once where it is a file. Picklable before reading."""

    @property
    def name(self) -> str:
        """The name outcomes carry."""

    def fingerprint(self) -> Fingerprint:
        """Recognise the content; raises SourceError if it cannot be read."""

    def columns(self) -> tuple[str, ...] | None:
        """The header's names, or None where every record names its own fields.

        Raises SourceError for duplicate or empty names.
        """

    def chunks(self, after: Ranges, start: Mark = START) -> Iterator[Chunk]:
        """Yield every record whose position is not in `after`, reading from `start` on.

        Bad records come as `Chunk.rejected`, never as an exception. A chunk may be empty of
        records: its `mark` still moves.
        """
