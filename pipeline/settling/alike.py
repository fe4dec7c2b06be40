"""Alike: the runs noted in `injected.db` that have something in common with what is wanted.

Of however many runs are noted, those that cannot matter are passed over by an index. What decides
is in admission.py; it looks at the journals of those that are found here.

    the same             as it is stored, or uncompressed
    a beginning          of what is wanted, which has grown since
    what has beginnings  one of which is all that is wanted, as far as can be told: it was cut off
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .plains import DIGITS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from ..intake.holdings import Holdings
    from ..intake.plain import Plain
    from .identity import Identity
    from .noted import Key

__all__ = ("alike",)

_ANY: Final = 1 << 62
"""Larger than any source."""


def alike(connection: sqlite3.Connection, wanted: Identity, holdings: Holdings) -> set[Key]:
    """The runs that may matter to who wants to begin this one. Raises as `holdings` does."""
    wanted = wanted.told(holdings.plains())
    return {
        *_same(connection, wanted),
        *_begun(connection, wanted, holdings),
        *_whole(connection, wanted),
    }


def _same(connection: sqlite3.Connection, wanted: Identity) -> Iterator[Key]:
    for source in wanted.sources:
        content = "SELECT place, run_id FROM content WHERE digest = ? AND size IS ?"
        yield from connection.execute(content, (source.digest, source.size))
        if source.plain is not None:
            size, digest = source.plain.content
            yield from connection.execute(content, (digest, size))
            plain = "SELECT place, run_id FROM plain WHERE digest = ? AND size = ?"
            yield from connection.execute(plain, (digest, size))


def _begun(connection: sqlite3.Connection, wanted: Identity, holdings: Holdings) -> Iterator[Key]:
    """The runs of which a source is the beginning of one that is wanted."""
    into = (wanted.event_definition_key, wanted.rest_host)
    asked = {
        *_stored_sizes(connection, into, wanted),
        *_plain_sizes(connection, into, _plains(wanted)),
    }
    for size, digest in holdings.beginnings(asked) if asked else ():
        for table in ("content", "plain"):
            query = (
                f"SELECT place, run_id FROM {table} JOIN run USING (place, run_id)"  # noqa: S608
                " WHERE digest = ? AND size = ? AND event_definition_key = ? AND rest_host = ?"
            )
            yield from connection.execute(query, (digest, size, *into))


def _stored_sizes(
    connection: sqlite3.Connection, into: tuple[str, str], wanted: Identity
) -> Iterator[int]:
    """Of what was stored, where one side or the other is not known uncompressed."""
    plains = _plains(wanted)
    sizes = [_ANY if source.size is None else source.size for source in wanted.sources]
    sizes += [plain.size for plain in plains]
    known = len(plains) == len(wanted.sources)
    unknown = " AND NOT EXISTS (SELECT 1 FROM plain WHERE plain.place = content.place"
    unknown += " AND plain.run_id = content.run_id AND plain.ordinal = content.ordinal)"
    rows = connection.execute(
        "SELECT DISTINCT size FROM content JOIN run USING (place, run_id)"  # noqa: S608
        " WHERE event_definition_key = ? AND rest_host = ? AND size > 0 AND size < ?"
        + (unknown if known else ""),
        (*into, max(sizes)),
    )
    return (size for (size,) in rows)


def _plain_sizes(
    connection: sqlite3.Connection, into: tuple[str, str], plains: list[Plain]
) -> Iterator[int]:
    """Of what begins like what is wanted, or is too short to tell."""
    heads = {None, *(plain.head for plain in plains)}
    for head in heads:
        rows = connection.execute(
            "SELECT DISTINCT size FROM plain JOIN run USING (place, run_id)"
            " WHERE event_definition_key = ? AND rest_host = ? AND head IS ?"
            " AND size > 0 AND size < ?",
            (*into, head, max((plain.size for plain in plains), default=0)),
        )
        yield from (size for (size,) in rows)


def _whole(connection: sqlite3.Connection, wanted: Identity) -> Iterator[Key]:
    """The runs of which a source is longer, and all of one that is wanted looks like its
    beginning."""
    for plain in _plains(wanted):
        if plain.head is not None:
            step = len(plain.rungs)
            yield from connection.execute(
                "SELECT place, run_id FROM plain WHERE head = ? AND size > ?"
                " AND substr(rungs, ?, ?) = ?",
                (plain.head, plain.size, 1 + DIGITS * (step - 1), DIGITS, plain.rungs[-1]),
            )


def _plains(wanted: Identity) -> list[Plain]:
    return [source.plain for source in wanted.sources if source.plain is not None]
