"""The result files: `accepted.ndjson`, `rejected.ndjson` and `unknown.ndjson`.

They are derived from the journal, which is the truth: a line is appended after the transaction
that settled it was committed. A line of `accepted.ndjson` is a batch's contacts of one source,

    {"batch":7,"event_instance_id":"…","source":"contacts.csv","first":1,"last":500,
     "contact_keys":["001",…]}

where `first` and `last` are the lowest and highest position (between them may lie contacts that
went another way). A line of the other two is a contact,

    {"contact_key":"001","source":"contacts.csv","position":17,"stage":"delivery","reason":"…",
     "detail":"…","record":{…}}

and one of `unknown.ndjson` ends in `"batch":7,"attempt":1` besides. `record` is null for a contact
that was under way when the process died: its source has it.

The journal remembers, in a later transaction, how many bytes of each file are written, their CRC,
and up to which settlement; that need not be the newest. On resuming, a file is cut to that length
and the lines missing are written from the journal: one line a settlement, whenever the process was
killed.
(A file is durable up to the length that is remembered, so that holds for a power cut as well.)
A file that is gone, or whose remembered bytes are others now, is written anew. So is one whose
contacts were retried: its journal says -1.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING
from zlib import crc32

import orjson

from .rows import accepted_batches, contact_rows, source_names
from .schema import translated
from .spans import unpack_spans

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from .rows import AcceptedBatch, ContactRow

    Closed = tuple[int, list[tuple[int, int]]]

__all__ = ("NAMES", "ResultFiles", "accepted_lines", "contact_line", "holds")

NAMES = ("accepted", "rejected", "unknown")
"""The outcomes, each of which has a file."""

REBUILD_BYTES = 1 << 20
"""How much is held while a file is written from the journal."""


def accepted_lines(batch: AcceptedBatch, sources: Mapping[int, str]) -> bytes:
    """The lines of an accepted batch: one a span."""
    spans = list(unpack_spans(batch.spans))
    if len(spans) == 1:  # the usual case: the keys go in as they stand, unparsed
        return _accepted_line(batch, sources, span=spans[0], keys=orjson.Fragment(batch.keys))

    keys = iter(orjson.loads(batch.keys))
    return b"".join(
        _accepted_line(batch, sources, span=span, keys=list(islice(keys, _length(span))))
        for span in spans
    )


def _accepted_line(
    batch: AcceptedBatch, sources: Mapping[int, str], *, span: Closed, keys: object
) -> bytes:
    ordinal, closed = span
    line = {
        "batch": batch.batch_id,
        "event_instance_id": batch.event_instance_id,
        "source": sources[ordinal],
        "first": closed[0][0],
        "last": closed[-1][1],
        "contact_keys": keys,
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _length(span: Closed) -> int:
    return sum(last - first + 1 for first, last in span[1])


def contact_line(row: ContactRow) -> bytes:
    """The line of a rejected or unknown contact; its record goes in as it stands, unparsed."""
    line = {
        "contact_key": row.contact_key,
        "source": row.source,
        "position": row.position,
        "stage": row.stage,
        "reason": row.reason,
        "detail": row.detail,
        "record": orjson.Fragment(row.record),
    }
    if row.outcome == "unknown":
        line |= {"batch": row.batch, "attempt": row.attempt}

    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(slots=True)
class _File:
    path: Path
    descriptor: int = -1
    written: int = 0
    seq: int = 0
    crc: int = 0
    waiting: list[bytes] = field(default_factory=list)
    newest: int = 0

    def open(self) -> None:
        flags = os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW
        self.descriptor = os.open(self.path, flags, 0o600)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def displaced(self) -> bool:
        if self.descriptor < 0:
            return False

        try:
            there = self.path.stat()
        except OSError:
            return True

        here = os.fstat(self.descriptor)
        return (there.st_dev, there.st_ino, here.st_size) != (
            here.st_dev,
            here.st_ino,
            self.written,
        )

    def flush(self) -> None:
        if not self.waiting:
            return

        with translated(self.path):
            data = memoryview(b"".join(self.waiting))
            while data:
                count = os.write(self.descriptor, data)
                self.written += count
                self.crc = crc32(data[:count], self.crc)
                data = data[count:]

        self.seq = self.newest
        self.waiting.clear()


class ResultFiles:
    """Appends lines to the result files, and knows how far each is written.

    `add` holds a line back until `flush`; `discard` forgets what was held back.
    """

    def __init__(self, directory: Path) -> None:
        self._files = {name: _File(directory / f"{name}.ndjson") for name in NAMES}

    @property
    def opened(self) -> bool:
        """Whether `catch_up` was called: nothing may be written before."""
        return all(file.descriptor >= 0 for file in self._files.values())

    def add(self, name: str, seq: int, line: bytes) -> None:
        """Hold `line`, which is settlement or contact `seq`, for the next flush."""
        file = self._files[name]
        file.waiting.append(line)
        file.newest = seq

    def flush(self) -> None:
        """Append what is held. Raises RunDirectoryError where the disk will not take it."""
        for file in self._files.values():
            file.flush()

    def discard(self) -> None:
        """Forget what is held: its transaction was rolled back."""
        for file in self._files.values():
            file.waiting.clear()

    @property
    def displaced(self) -> bool:
        """Whether what lies at a file's place is not what was written: deleted, replaced, cut."""
        return any(file.displaced() for file in self._files.values())

    def positions(self) -> Iterator[tuple[str, int, int, int]]:
        """(name, bytes, seq, crc) of each file as it is written now; of none before `catch_up`."""
        for name, file in self._files.items():
            if file.descriptor >= 0:
                yield name, file.written, file.seq, file.crc

    def catch_up(
        self, connection: sqlite3.Connection, remembered: Iterable[tuple[str, int, int, int]]
    ) -> None:
        """Open the files, cut each to what is remembered, and write what is missing of it."""
        sources = source_names(connection)
        for name, written, seq, crc in remembered:
            file = self._files[name]
            with translated(file.path):
                if file.descriptor < 0 or file.displaced():
                    file.close()
                    file.open()

                whole = _crc_of(file.descriptor, written) == crc
                file.written, file.seq, file.crc = (written, seq, crc) if whole else (0, 0, 0)
                os.ftruncate(file.descriptor, file.written)

            self._write_missing(name, connection, sources=sources)

    def _write_missing(
        self, name: str, connection: sqlite3.Connection, *, sources: Mapping[int, str]
    ) -> None:
        file = self._files[name]
        held = 0
        for seq, line in _lines(connection, name, after=file.seq, sources=sources):
            self.add(name, seq, line)
            held += len(line)
            if held >= REBUILD_BYTES:
                file.flush()
                held = 0

        file.flush()

    def sync(self, name: str) -> None:
        """Make what was written to a file durable."""
        file = self._files[name]
        with translated(file.path):
            os.fsync(file.descriptor)

    def close(self) -> None:
        """Close the files; closing again does nothing."""
        for file in self._files.values():
            file.close()


def holds(path: Path, written: int, crc: int) -> bool:
    """Whether the file is these bytes, and no more."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False

    try:
        return os.fstat(descriptor).st_size == written and _crc_of(descriptor, written) == crc
    finally:
        os.close(descriptor)


def _crc_of(descriptor: int, length: int) -> int | None:
    """The CRC-32 of a file's first bytes; None where it has not so many."""
    crc = place = 0
    while place < length:
        piece = os.pread(descriptor, min(REBUILD_BYTES, length - place), place)
        if not piece:
            return None

        crc = crc32(piece, crc)
        place += len(piece)

    return crc if place == length else None


def _lines(
    connection: sqlite3.Connection, name: str, *, after: int, sources: Mapping[int, str]
) -> Iterator[tuple[int, bytes]]:
    if name == "accepted":
        for batch in accepted_batches(connection, after):
            yield batch.seq, accepted_lines(batch, sources)
    else:
        for row in contact_rows(connection, name, after):
            yield row.seq, contact_line(row)
