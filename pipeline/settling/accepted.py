"""Accepted batches: from the journal's tables, and from the files of days that were compacted.

The tables come last: what left them was settled before all that they hold. A file is read only if
it is what the journal remembers, to the last byte; `left_out` names the others. One that lies there
and cannot be read may be whole, so nothing is told without it.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any
from zlib import crc32

import orjson

from ..errors import RunDirectoryError
from .parts import directory_of, has_size, read_parts
from .result_file import AlteredError, opened
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
GONE, ALTERED = "is gone", "is not what was written"


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
    """A file that alone tells of some contacts, and is not what it was, or cannot be read."""

    file: str
    contacts: int
    what: str

    def __str__(self) -> str:
        noun = "contact" if self.contacts == 1 else "contacts"
        mend = "put it back as it was" if self.what in (GONE, ALTERED) else "let it be read"
        return (
            f"{self.file} {self.what}: it alone says who its {self.contacts:,} accepted {noun} "
            f"are, as the journal keeps their number; {mend} to have them told of again"
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


def accepted_batches(
    connection: sqlite3.Connection, *, settled: dict[str, bool] | None = None
) -> Iterator[AcceptedBatch]:
    """Yield the accepted batches in the order of settlement, but for those that are left out.

    Contacts that a later round has overtaken are left out of them. `settled`: which files were
    read. What it says yet is held to, and what it does not say is added, so that who goes through
    the batches again with it meets the same ones.

    Raises:
        RunDirectoryError: A file cannot be read, or is not as it is settled.
    """
    overtaken, after = Overtaken(connection), 0
    directory = directory_of(connection)
    settled = {} if settled is None else settled
    for part in _compacted(connection):
        after = part.seq
        with _opened(directory, part) or nullcontext() as file:
            whole = file is not None
            if settled.setdefault(part.file, whole) is not whole:
                raise _changed(directory, part)

            if file is not None:
                lines = _lines(file, directory, part)
                yield from _from_lines(connection, lines, part=part, overtaken=overtaken)

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
    return [
        LeftOut(file=part.file, contacts=part.contacts, what=what)
        for part in _compacted(connection)
        if part.contacts and (what := _amiss(directory, part, by_size=by_size))
    ]


def _compacted(connection: sqlite3.Connection) -> list[Part]:
    return [part for part in read_parts(connection) if part.compacted]


def _amiss(directory: Path, part: Part, *, by_size: bool) -> str:
    """Why a part is left out; empty where it is not."""
    try:
        if by_size:
            return "" if has_size(directory, part) else ALTERED

        os.close(opened(directory / part.file, part.bytes, part.crc))
    except FileNotFoundError:
        return GONE
    except AlteredError:
        return ALTERED
    except OSError as error:
        return f"cannot be read ({error.strerror})"

    return ""


def _opened(directory: Path, part: Part) -> IO[bytes] | None:
    """The file of a part; None where it is left out. Raises RunDirectoryError."""
    try:
        return os.fdopen(opened(directory / part.file, part.bytes, part.crc), "rb")
    except (FileNotFoundError, AlteredError):
        return None
    except OSError as error:
        raise _unreadable(directory, part, error) from error


def _lines(file: IO[bytes], directory: Path, part: Part) -> Iterator[dict[str, Any]]:
    """Yield what the lines say. Raises RunDirectoryError, at their end at the latest."""
    crc = 0
    try:
        for line in file:
            crc = crc32(line, crc)
            yield orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _changed(directory, part) from error
    except OSError as error:
        raise _unreadable(directory, part, error) from error

    if crc != part.crc:
        raise _changed(directory, part)


def _changed(directory: Path, part: Part) -> RunDirectoryError:
    return RunDirectoryError(
        f"{directory / part.file} was changed, taken away or put back while it was needed, and "
        "it alone says who its contacts are: nothing is concluded; leave it as it was, and ask "
        "again"
    )


def _unreadable(directory: Path, part: Part, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(
        f"{directory / part.file} cannot be read ({error.strerror}), and it alone says who its "
        "contacts are: let it be read, and ask again"
    )


def _from_lines(
    connection: sqlite3.Connection,
    lines: Iterator[dict[str, Any]],
    *,
    part: Part,
    overtaken: Overtaken,
) -> Iterator[AcceptedBatch]:
    """Yield the batches of a part that is whole."""
    ordinals = dict(connection.execute("SELECT name, ordinal FROM source").fetchall())
    for _, some in groupby(lines, key=lambda line: line["batch"]):
        batch, round_number = _told(connection, list(some), part=part, ordinals=ordinals)
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
    # A batch of this number that was settled later is another one.
    (found,) = connection.execute(
        "SELECT coalesce((SELECT round || ' ' || spans FROM compacted_batch WHERE batch_id = :id),"
        " (SELECT round || ' ' || spans FROM batch JOIN settlement USING (batch_id)"
        " WHERE batch_id = :id AND seq <= :seq))",
        {"id": batch_id, "seq": part.seq},
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
