"""Plains: what a run's sources hold uncompressed, as the journal and `injected.db` keep it.

Of runs that earlier programs began nothing of it is known, nor of what cannot be told without
reading it from afar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..intake.plain import Plain

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ..intake.source import Fingerprint

__all__ = ("COLUMNS", "DIGITS", "note_plains", "plain_of", "read_plains", "values_of")

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
    rows = connection.execute(
        f"SELECT ordinal, plain.{COLUMNS.replace(', ', ', plain.')}"  # noqa: S608
        " FROM source LEFT JOIN plain ON plain.source = ordinal ORDER BY ordinal"
    )
    return [None if size is None else plain_of((size, *rest)) for _, size, *rest in rows]
