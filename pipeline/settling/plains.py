"""Plains: what a run's sources hold uncompressed, as the journal and `injected.db` keep it.

Of runs that earlier programs began nothing of it is known, nor of what cannot be told without
reading it from afar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..intake.plain import Plain
from .identity import paired, told
from .rows import read_sources
from .schema import has_table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from ..intake.source import Fingerprint

__all__ = (
    "COLUMNS",
    "DIGITS",
    "note_plains",
    "plain_of",
    "read_plains",
    "update_sources",
    "values_of",
)

COLUMNS: Final = "size, digest, checksum, whole, rungs"

DIGITS: Final = 40
"""Of a rung's digest: they stand one behind the other."""


def values_of(plain: Plain) -> tuple[Any, ...]:
    """What the columns hold of one."""
    return plain.size, plain.digest, plain.checksum, int(plain.whole), "".join(plain.rungs)


def plain_of(values: Iterable[Any]) -> Plain:
    """From what the columns hold."""
    size, digest, checksum, whole, rungs = values
    cut = tuple(rungs[begin : begin + DIGITS] for begin in range(0, len(rungs), DIGITS))
    return Plain(size=size, digest=digest, checksum=checksum, whole=bool(whole), rungs=cut)


def note_plains(connection: sqlite3.Connection, sources: Iterable[tuple[int, Fingerprint]]) -> None:
    """Write down what is known of a journal's sources, each with its ordinal."""
    connection.executemany(
        f"INSERT OR REPLACE INTO plain (source, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608
        [(number, *values_of(one.plain)) for number, one in sources if one.plain is not None],
    )


def read_plains(connection: sqlite3.Connection) -> list[Plain | None]:
    """What a journal knows of its sources, in the order of their ordinals."""
    if not has_table(connection, "plain"):
        return [None for _ in connection.execute("SELECT 1 FROM source")]

    rows = connection.execute(
        f"SELECT ordinal, plain.{COLUMNS.replace(', ', ', plain.')}"  # noqa: S608
        " FROM source LEFT JOIN plain ON plain.source = ordinal ORDER BY ordinal"
    )
    return [None if size is None else plain_of((size, *rest)) for _, size, *rest in rows]


def update_sources(connection: sqlite3.Connection, wanted: Sequence[Fingerprint]) -> None:
    """Let a journal's sources be called what they are now, and be known as they are stored now.

    Where there is but one, that is the one, although it may be more than it was (admission.py).
    """
    rows = read_sources(connection)
    sources = told([row.fingerprint for row in rows], read_plains(connection))
    ordinals = {id(source): row.ordinal for source, row in zip(sources, rows, strict=True)}
    if len(sources) == len(wanted) == 1:
        twins = [(sources[0], wanted[0])]
    else:
        twins = paired(sources, wanted)

    pairs = [
        (ordinals[id(old)], new)
        for old, new in twins
        if (old.name, old.size, old.digest) != (new.name, new.size, new.digest)
    ]
    connection.executemany(
        "UPDATE source SET name = ?, size = ?, digest = ? WHERE ordinal = ?",
        [(new.name, new.size, new.digest, ordinal) for ordinal, new in pairs],
    )
    note_plains(connection, pairs)
