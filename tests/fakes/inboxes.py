"""Watched folders: a program that watches one, and what lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fakes.configs import write_config
from tests.fakes.program import Program

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("make_inbox", "names", "watching")


def watching(directory: Path, **environment: str) -> Program:
    """The command line in `directory`, told to watch and to be quick about it."""
    told = {"JOURNEY_SOURCE__WATCH": "true", "JOURNEY_SOURCE__QUIET_SECONDS": "0.2"}
    return Program(directory, **told, **environment)


def make_inbox(directory: Path, *, url: str, max_in_flight: int | None = None) -> Path:
    """A folder `inbox`, and beside it `watch.toml`, which sends its files fifty at a time."""
    folder = directory / "inbox"
    folder.mkdir()
    delivery = {} if max_in_flight is None else {"delivery": {"max_in_flight": max_in_flight}}
    config = directory / "watch.toml"
    write_config(config, url=url, source="inbox", batch={"max_records": 50}, **delivery)
    return folder


def names(folder: Path) -> list[str]:
    """The files in it."""
    return sorted(each.name for each in folder.iterdir() if each.is_file())
