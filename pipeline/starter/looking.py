"""Looking at a data file: how it is written, and what its first records hold."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..errors import SourceError
from ..intake.locate import locate
from ..intake.ranges import Ranges
from ..intake.source import START, Chunk, SourcePolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..intake.source import FileSource

__all__ = ("Look", "look")

_RECORDS = 1_000  # enough to see what a column holds
_UNUSUAL_DELIMITERS = (";", "\t", "|")
_OLD_CODECS = ("cp1252", "latin-1")  # the second takes any byte


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen: `samples` are the first values of each column, as they stand in the file."""

    policy: SourcePolicy
    samples: dict[str, list[Any]]


def look(data_file: Path | str) -> Look:
    """Read the header and the first records of `data_file`.

    Raises:
        SourceError: It cannot be read, or holds no columns.
    """
    policy = _policy(str(data_file))
    try:
        chunk = _first_chunk(policy)
    except SourceError as error:
        policy, chunk = _in_an_old_codec(policy, error)
    else:
        if _is_no_utf8(chunk):
            policy = replace(policy, encoding=_OLD_CODECS[0])
            chunk = _first_chunk(policy)

    samples = _samples(chunk)
    if not samples:
        raise SourceError(f"{data_file} is empty: there are no columns to propose a mapping from")

    return Look(
        policy=replace(policy, delimiter=_unusual_delimiter(policy, chunk)), samples=samples
    )


def _policy(url: str) -> SourcePolicy:
    """The policy of a URL; a login is taken from the environment, as a config takes it."""
    environment = "JOURNEY_SOURCE__{}".format
    return SourcePolicy(
        url=url,
        password=os.environ.get(environment("PASSWORD")),
        key_file=os.environ.get(environment("KEY_FILE")),
        known_hosts=os.environ.get(environment("KNOWN_HOSTS")),
    )


def _source(policy: SourcePolicy) -> FileSource:
    return locate(policy)[0]


def _first_chunk(policy: SourcePolicy) -> Chunk:
    source = _source(policy)
    columns = source.columns()
    header = Chunk(
        source=source.name, columns=columns, positions=(), records=[], rejected=[], mark=START
    )
    return next(iter(source.chunks(Ranges())), header)


def _in_an_old_codec(policy: SourcePolicy, error: SourceError) -> tuple[SourcePolicy, Chunk]:
    """What could not be read may be text of an older encoding; else the first error stands."""
    for codec in _OLD_CODECS:
        try:
            older = replace(policy, encoding=codec)
            return older, _first_chunk(older)
        except SourceError:
            continue

    raise error


def _is_no_utf8(chunk: Chunk) -> bool:
    """Whether bytes outside ASCII occur, and never as UTF-8."""
    refused = any(rejection.reason == "invalid_encoding" for rejection in chunk.rejected)
    return refused and all(str(record).isascii() for record in chunk.records)


def _samples(chunk: Chunk) -> dict[str, list[Any]]:
    records = chunk.records[:_RECORDS]
    if chunk.columns is not None:
        return {name: [row[i] for row in records] for i, name in enumerate(chunk.columns)}

    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}


def _unusual_delimiter(policy: SourcePolicy, chunk: Chunk) -> str | None:
    """The delimiter that was found, where it is not the comma."""
    columns: Sequence[str] = chunk.columns or ()
    if len(columns) < 2:
        return None

    candidates = (replace(policy, delimiter=each) for each in _UNUSUAL_DELIMITERS)
    fitting = (each.delimiter for each in candidates if _columns_of(each) == tuple(columns))
    return next(islice(fitting, 1), None)


def _columns_of(policy: SourcePolicy) -> tuple[str, ...] | None:
    try:
        return _source(policy).columns()
    except SourceError:
        return None
