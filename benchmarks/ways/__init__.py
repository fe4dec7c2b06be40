"""The ways to put a CSV into a journey: what people do today, and journey-pipeline.

Each way runs as a process of its own. The baselines are written as one would write them on a
first careful afternoon: keep-alive connections, 500 contacts a request, no retry, no journal.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .journey_pipeline import command, config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ("BASELINE", "CHECKED", "OURS", "OUR_WAY", "WAYS", "Setting", "Way")

BASELINE = "requests loop"
OURS = "journey-pipeline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one run of a way is given."""

    csv: Path
    url: str
    in_flight: int
    scratch: Path  # an empty directory of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way, and how to start it."""

    name: str
    command: Callable[[Setting], list[str]]
    needs: tuple[str, ...] = ()  # importable names
    in_flight: int | None = None  # its own number, whatever the case allows

    @property
    def missing(self) -> tuple[str, ...]:
        """The libraries that are not installed."""
        return tuple(name for name in self.needs if not find_spec(name))

    def in_flight_of(self, allowed: int) -> int:
        """How many requests it can have under way where `allowed` are."""
        return min(self.in_flight or allowed, allowed)


def _module(name: str) -> Callable[[Setting], list[str]]:
    def started(setting: Setting) -> list[str]:
        program = [sys.executable, "-m", f"benchmarks.ways.{name}"]
        return [*program, str(setting.csv), setting.url, str(setting.in_flight)]

    return started


def _journey_pipeline(setting: Setting, *, check_fields: bool = False) -> list[str]:
    text = config(
        source=str(setting.csv),
        url=setting.url,
        in_flight=setting.in_flight,
        directory=setting.scratch / "run",
        check_fields=check_fields,
    )
    return command(text, scratch=setting.scratch)


OUR_WAY = Way(name=OURS, command=_journey_pipeline, needs=("pipeline.cli",))

WAYS = (
    Way(name=BASELINE, command=_module("requests_loop"), needs=("requests",), in_flight=1),
    Way(
        name="pandas, 20 threads",
        command=_module("pandas_threads"),
        needs=("pandas", "requests"),
        in_flight=20,
    ),
    Way(name="httpx", command=_module("httpx_tasks"), needs=("httpx",)),
    OUR_WAY,
)

CHECKED = Way(
    name=f"{OURS}, fields checked",
    command=partial(_journey_pipeline, check_fields=True),
    needs=("pipeline.cli",),
)
"""Ours, holding every contact against the event's fields."""
