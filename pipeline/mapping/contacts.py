"""Contacts: what a mapped chunk has become, ready to be packed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..intake.source import Mark, Rejection

__all__ = ("ContactShape", "Contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactShape:
    """The names an endpoint gives the two members of a contact."""

    key: str = "ContactKey"
    data: str = "Data"


@dataclass(slots=True, kw_only=True)
class Contacts:
    """The contacts of one chunk: three parallel sequences, and what was rejected on the way.

    `bodies[i]` is the JSON of contact i as it will stand in the payload, UTF-8, built once.
    `mark` is the chunk's: everything up to `mark.position` has been read. `share` is how much of
    all sources has been read by then, from 0 to 1, where that can be known.
    """

    source: str
    positions: Sequence[int]
    keys: list[str]
    bodies: list[bytes]
    rejected: list[Rejection]
    mark: Mark
    share: float | None = None
