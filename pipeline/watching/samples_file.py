"""The samples' file, `samples.ndjson` in the run directory: what a report draws.

A line a sample (samples.py). Each is as long as a five-hundredth of the time since the process
began with the run, and a second at the least: a chart of the whole has as many points as a screen,
and months of a worker take less than a megabyte. Nothing depends on the file: it is not synced, and
a disk that does not take it costs the run nothing.

It is written by the process that works on the run alone, while it holds `run.lock`.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..settling.appending import append_lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .samples import Sampler

__all__ = ("SAMPLES_NAME", "SampleFile", "append", "read_samples")

SAMPLES_NAME: Final = "samples.ndjson"
SHARE: Final = 1 / 500
LEAST_SECONDS: Final = 1.0
KEYS: Final = {"at", "seconds", "accepted", "rejected", "unknown", "requests", "limits"}
MOST_BYTES: Final = 64 << 20
"""Of what is read: what is longer was not written here."""


class SampleFile:
    """Cuts samples of a run when they are due, and appends them until it is closed."""

    def __init__(self, directory: Path, sampler: Sampler, *, now: float) -> None:
        self._directory = directory
        self._sampler = sampler
        self._began = now
        self._closed = False
        self._cut: deque[bytes] = deque()  # and not written yet
        self._writing = threading.Lock()

    def due(self, now: float) -> bool:
        """Whether a sample is long enough."""
        return self._sampler.seconds(now) >= max(LEAST_SECONDS, SHARE * (now - self._began)) - 0.05

    def look(self, now: float) -> None:
        """Note what limits the run; once a second is enough."""
        self._sampler.look(now)

    def cut(self, now: float, *, at: float) -> None:
        """A sample ends now: it is to be written."""
        sample = self._sampler.take(now, at=at)
        self._cut.append(orjson.dumps(sample, option=orjson.OPT_APPEND_NEWLINE))

    def write(self) -> None:
        """Append what was cut, in whatever thread; nothing once it is closed."""
        with self._writing:
            while self._cut and not self._closed:
                append(self._directory, self._cut.popleft())

    def close(self) -> None:
        """Append what was cut, though a thread be late with it; then none writes any more."""
        self.write()
        with self._writing:
            self._closed = True


def append(directory: Path, line: bytes) -> None:
    """Add a line to the file in `directory`, if the disk takes it."""
    with suppress(OSError):
        append_lines(directory / SAMPLES_NAME, line)


def read_samples(directory: Path) -> Iterator[dict[str, Any]]:
    """The samples of all processes that worked on the run, oldest first.

    A line that a killed process left half-written is passed over.
    """
    path = directory / SAMPLES_NAME
    with suppress(OSError):
        if path.stat().st_size > MOST_BYTES:
            return

        for line in path.read_bytes().splitlines():
            with suppress(orjson.JSONDecodeError):
                sample = orjson.loads(line)
                if isinstance(sample, dict) and sample.keys() >= KEYS:
                    yield sample
