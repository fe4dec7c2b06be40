"""What is reported of a worker's life: events like all others (events.py)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "ConfigReloaded",
    "ListeningStarted",
    "ReloadRefused",
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
