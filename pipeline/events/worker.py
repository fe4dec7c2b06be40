"""What is reported of a worker's life."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "ConfigReloaded",
    "JournalCompacted",
    "ListeningStarted",
    "ReloadRefused",
    "ResultFilesRotated",
    "ResultsMissed",
    "RunsRemoved",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningStarted:
    """Whoever wants to look at the run finds it there (`worker.listen`)."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded:
    """The config was read again: keys whose new values hold, and those that need a new process."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadRefused:
    """The config was to be read again, and is wrong; everything goes on as it was."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFilesRotated:
    """A day is over, and its result files were put aside under these names."""

    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalCompacted:
    """The contacts of a day have left the journal: its file alone says who they are."""

    file: str
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsMissed:
    """A day's result file is not what it should be, or could not be written."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsRemoved:
    """Runs of a watched folder that were put aside, and are older than is kept, were removed."""

    runs: int
