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

The files of a run that lives on are put aside at the end of each day (rotation.py), and begin anew:
what is said here holds for the newest, from the settlement on that is the last of those before.
"""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING
from zlib import crc32

import orjson

from .accepted import ENDLESS, stored_batches
from .parts import lies_whole, read_parts, remember_part
from .result_file import PIECE_BYTES, ResultFile, crc_of
from .rows import contact_rows, source_names
from .schema import sync_directory, translated
from .spans import unpack_spans
from .whole import drafted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from .accepted import AcceptedBatch
    from .parts import Part
    from .rows import ContactRow

__all__ = (
    "NAMES",
    "ResultFiles",
    "accepted_line",
    "accepted_lines",
    "contact_line",
    "mend_parts",
    "write_part",
)

NAMES = ("accepted", "rejected", "unknown")
"""The outcomes, each of which has a file."""


def accepted_lines(batch: AcceptedBatch, sources: Mapping[int, str]) -> bytes:
    """The lines of an accepted batch: one a span."""
    spans = list(unpack_spans(batch.spans))
    if len(spans) == 1:  # the usual case: the keys go in as they stand, unparsed
        parts: list[object] = [orjson.Fragment(batch.keys)]
    else:
        keys = iter(orjson.loads(batch.keys))
        parts = [list(islice(keys, _length(closed))) for _, closed in spans]

    return b"".join(
        accepted_line(
            batch.batch_id,
            batch.event_instance_id,
            source=sources[ordinal],
            bounds=(closed[0][0], closed[-1][1]),
            keys=part,
        )
        for (ordinal, closed), part in zip(spans, parts, strict=True)
    )


def accepted_line(
    batch_id: int,
    event_instance_id: str | None,
    *,
    source: str,
    bounds: tuple[int, int],
    keys: object,
) -> bytes:
    """The line of those of a batch's contacts that are of one source, `bounds` their positions."""
    line = {
        "batch": batch_id,
        "event_instance_id": event_instance_id,
        "source": source,
        "first": bounds[0],
        "last": bounds[1],
        "contact_keys": keys,
    }
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _length(closed: Iterable[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in closed)


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


class ResultFiles:
    """Appends lines to the result files, and knows how far each is written.

    `add` holds a line back until `flush`; `discard` forgets what was held back.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = {name: ResultFile(directory / f"{name}.ndjson") for name in NAMES}

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
            file.discard()

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
        floors = dict.fromkeys(NAMES, 0)
        for part in read_parts(connection):
            floors[part.name] = part.seq

        for name, written, seq, crc in remembered:
            file = self._files[name]
            with translated(file.path):
                if file.descriptor < 0 or file.displaced():
                    file.close()
                    file.open()

                whole = crc_of(file.descriptor, written) == crc
                file.written, file.seq, file.crc = (
                    (written, seq, crc) if whole else (0, floors[name], 0)
                )
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
            if held >= PIECE_BYTES:
                file.flush()
                held = 0

        file.flush()

    def put_aside(self, name: str, file: str) -> tuple[int, int, int]:
        """What is written is to lie in `file` from the next flush on, unless that is discarded.

        Returns its bytes (-1 where it is not there to be moved), its last settlement or contact,
        and its CRC.
        """
        here = self._files[name]
        written, crc = here.turn(self._directory / file)
        return written, here.seq, crc

    def written(self, name: str) -> int:
        """How many bytes of a file are written."""
        return self._files[name].written

    def last(self, name: str) -> int:
        """The last settlement or contact that is written in a file, or before it."""
        return self._files[name].seq

    def sync(self, name: str) -> None:
        """Make what was written to a file durable."""
        file = self._files[name]
        with translated(file.path):
            os.fsync(file.descriptor)

    def close(self) -> None:
        """Close the files; closing again does nothing."""
        for file in self._files.values():
            file.close()


def write_part(connection: sqlite3.Connection, directory: Path, part: Part) -> tuple[int, int]:
    """Write a part that is not compacted anew from the tables; its bytes and its CRC."""
    sources = source_names(connection)
    written = crc = 0
    with translated(directory / part.file):
        with drafted(directory / part.file, synced=True) as file:
            lines = _lines(connection, part.name, after=part.after, until=part.seq, sources=sources)
            for _, line in lines:
                file.write(line)
                written += len(line)
                crc = crc32(line, crc)

        sync_directory(directory)

    return written, crc


def mend_parts(connection: sqlite3.Connection, directory: Path) -> list[Part]:
    """Write those anew that are to be, gone, or cut, as far as the tables have them.

    Returns those that were; what they are is written down in the transaction of the connection.
    """
    mended = []
    for part in read_parts(connection):
        if not part.compacted and not lies_whole(directory, part):
            written, crc = write_part(connection, directory, part)
            remember_part(connection, part, written=written, crc=crc)
            mended.append(part)

    return mended


def _lines(
    connection: sqlite3.Connection,
    name: str,
    *,
    after: int,
    until: int = ENDLESS,
    sources: Mapping[int, str],
) -> Iterator[tuple[int, bytes]]:
    if name == "accepted":
        for batch in stored_batches(connection, after, until):
            yield batch.seq, accepted_lines(batch, sources)
    else:
        for row in contact_rows(connection, name, after, until=until):
            yield row.seq, contact_line(row)
