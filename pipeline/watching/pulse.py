"""Pulse: once a second a run is looked at; what was seen is kept for who looks later."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from .samples import Sampler
from .samples_file import SampleFile
from .sight import Sight

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import TaskStatus

    from .vitals import Vitals

__all__ = ("Pulse",)

BEAT_SECONDS: Final = 1.0
KEPT: Final = 900
"""Samples in memory: a quarter of an hour."""


class Pulse:
    """A companion of the run, and its recorder (sight.py)."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals
        self._sight = Sight()
        self._file: SampleFile | None = None
        self._beat = anyio.Event()
        self._ended = False
        self.samples: deque[dict[str, Any]] = deque(maxlen=KEPT)
        """The newest, oldest first."""

    async def __call__(self, sight: Sight, *, task_status: TaskStatus[None]) -> None:
        """Look until cancelled."""
        sampler = Sampler(self._vitals, sight, now=time.monotonic())
        self._sight, sight.recorder = sight, self
        task_status.started()
        try:
            while True:
                await anyio.sleep(BEAT_SECONDS)
                now = time.monotonic()
                self.samples.append(sampler.take(now, at=time.time()))
                self._wake()
                file = self._file
                if file is not None:
                    file.look(now)
                    if file.due(now):
                        file.cut(now, at=time.time())
                        await to_thread.run_sync(file.write)
        finally:
            self._ended = True
            self._wake()

    def begin(self, directory: Path) -> None:
        """Keep in its directory what is seen of a run that begins."""
        now = time.monotonic()
        sampler = Sampler(self._vitals, self._sight, now=now)
        self._file = SampleFile(directory, sampler, now=now)

    def end(self) -> None:
        """Keep what was seen since, and no more from now on."""
        file, self._file = self._file, None
        if file is not None:
            now = time.monotonic()
            file.look(now)
            file.cut(now, at=time.time())
            file.close()

    async def beat(self) -> dict[str, Any] | None:
        """Wait for the next sample, and return it; None where there will be none."""
        await self._beat.wait()
        return None if self._ended else self.samples[-1]

    def _wake(self) -> None:
        beat, self._beat = self._beat, anyio.Event()
        beat.set()
