"""Chunks as a source would yield them."""

from __future__ import annotations

from typing import Any

from pipeline.intake.source import Chunk, Mark, Rejection

__all__ = ("chunk_of",)


def chunk_of(
    columns: tuple[str, ...] | None, *records: Any, rejected: list[Rejection] | None = None
) -> Chunk:
    """A chunk of these records, numbered from 1."""
    return Chunk(
        source="contacts",
        columns=columns,
        positions=range(1, len(records) + 1),
        records=list(records),
        rejected=rejected or [],
        mark=Mark(len(records), 0),
    )
