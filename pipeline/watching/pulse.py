"""Pulse: once a second a run is looked at; what was seen is kept for who looks later."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from .samples import Sampler
from .samples_file import SampleFile, append

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from .sight import Sight
    from .vitals import Vitals

__all__ = ("Pulse",)

BEAT_SECONDS: Final = 1.0
KEPT: Final = 900
"""Samples in memory: a quarter of an hour."""


class Pulse:
    """A companion of the run (sight.py)."""

    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals
        self._beat = anyio.Event()
        self._ended = False
        self.samples: deque[dict[str, Any]] = deque(maxlen=KEPT)
        """The newest, oldest first."""

    async def __call__(self, sight: Sight, *, task_status: TaskStatus[None]) -> None:
        """Look until cancelled."""
        now = time.monotonic()
        sampler = Sampler(self._vitals, sight, now=now)
        file, runs = SampleFile(Sampler(self._vitals, sight, now=now), now=now), 1
        task_status.started()
        try:
            while True:
                await anyio.sleep(BEAT_SECONDS)
                now = time.monotonic()
                self.samples.append(sampler.take(now, at=time.time()))
                self._wake()
                if sight.runs > runs:  # what is begun is of another one's time
                    file, runs = (
                        SampleFile(Sampler(self._vitals, sight, now=now), now=now),
                        sight.runs,
                    )

                file.look(now)
                if sight.directory is not None and file.due(now):
                    await to_thread.run_sync(
                        append, sight.directory, file.line(now, at=time.time())
                    )
        finally:
            self._ended = True
            self._wake()
            if sight.directory is not None:
                append(sight.directory, file.line(time.monotonic(), at=time.time()))

    async def beat(self) -> dict[str, Any] | None:
        """Wait for the next sample, and return it; None where there will be none."""
        await self._beat.wait()
        return None if self._ended else self.samples[-1]

    def _wake(self) -> None:
        beat, self._beat = self._beat, anyio.Event()
        beat.set()
