"""What is reported of the source and of reading it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "ChunkRead",
    "DuplicatesDecided",
    "EncoderRestarted",
    "FileFailed",
    "FileSettled",
    "FilesSeen",
    "LinkPassedOver",
    "ReadingEnded",
    "ReadingStarted",
    "SourceChanged",
    "WatchHeldUp",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatesDecided:
    """Of `contacts`, `dropped` are not sent: the first or last of their key is.

    All sources are read for that; `dropped` is None when it begins.
    """

    contacts: int
    dropped: int | None
    kept: str  # "first" or "last"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingStarted:
    """The source is open: what is in it, or comes, is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingEnded:
    """The source is read no more: it has ended, broken off, or the run stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRead:
    """Records were read and mapped. `share` is how much of all sources has been read, 0 to 1."""

    source: str
    records: int
    rejected: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderRestarted:
    """The process that reads and encodes died and was started again where it stood."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanged:
    """A source is not any more what it was when the run began; `detail` says how."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettled:
    """A file of a watched folder is settled and lies in `place` now.

    `place` is None where another lies there, or it has changed, since it was taken.
    `known`: it was injected already, and nothing of it was sent now: no run of now has a `run_id`.
    """

    name: str
    place: str | None
    run_id: str | None
    accepted: int
    rejected: int
    unknown: int
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFailed:
    """A file of a watched folder was not to be sent, and lies in `place` now."""

    name: str
    place: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPassedOver:
    """What lies in a watched folder under this name is a link, which is never followed."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchHeldUp:
    """No file of a watched folder can be taken for now; it is tried until one can."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSeen:
    """So many files lie in a watched folder now, complete or not."""

    files: int
