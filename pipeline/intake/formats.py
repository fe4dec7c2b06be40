"""Formats: what a file's name says about how its records are written, and what reads them."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from ..errors import SourceError
from .compression import Compression
from .source import Format

if TYPE_CHECKING:
    from .origin import Origin
    from .source import FileSource, SourcePolicy

__all__ = ("ENDINGS", "format_of", "source_of")

_FORMATS: Final = {
    ".csv": Format.CSV,
    ".txt": Format.CSV,
    ".tsv": Format.TSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".json": Format.JSON,
    ".parquet": Format.PARQUET,
}

_READERS: Final = {
    Format.CSV: ("csv", "CsvSource"),
    Format.TSV: ("csv", "CsvSource"),
    Format.NDJSON: ("ndjson", "NdjsonSource"),
    Format.JSON: ("json", "JsonSource"),
    Format.PARQUET: ("parquet", "ParquetSource"),
}
"""Format -> the module of its reader, imported when one is wanted, and its class."""

_SELF_DESCRIBING: Final = {Format.NDJSON: "NDJSON", Format.JSON: "JSON", Format.PARQUET: "Parquet"}

ENDINGS: Final = ", ".join(_FORMATS)
"""The endings that tell a format, for messages."""


def format_of(name: str) -> Format | None:
    """Tell the format from a file's name, whatever it is compressed with; None if it does not."""
    name = name.lower()
    for compression in Compression:
        name = name.removesuffix(compression.ending)

    return _FORMATS.get(PurePosixPath(name).suffix)


def source_of(name: str, origin: Origin, policy: SourcePolicy) -> FileSource:
    """Make the source that reads `origin`, by the policy's format or else by the label's ending.

    Raises SourceError where neither tells the format, or a setting does not fit it.
    """
    written = policy.format or format_of(origin.label)
    if written is None:
        raise SourceError(
            f"the name {origin.label} does not tell its format: {ENDINGS} do. "
            'Set [source] format to "csv", "tsv", "ndjson", "json" or "parquet".'
        )

    if written in _SELF_DESCRIBING and (policy.columns or policy.delimiter):
        raise SourceError(
            f"[source] columns and delimiter are for delimited text: {name} is "
            f"{_SELF_DESCRIBING[written]}, which names its own fields. Leave them out."
        )

    if policy.encoding and written is Format.PARQUET:
        raise SourceError(f"[source] encoding is for text: {name} is Parquet. Leave it out.")

    if written is Format.TSV:
        policy = replace(policy, delimiter=policy.delimiter or "\t")

    module, reader = _READERS[written]
    made: FileSource = getattr(import_module(f"{__package__}.{module}"), reader)(
        name=name, origin=origin, policy=policy
    )
    return made
