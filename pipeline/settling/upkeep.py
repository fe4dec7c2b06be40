"""Upkeep: what a run that lives on does beside its work, so that it stays small.

When a day is over its result files are put aside (rotation.py), and those of a day long past take
their contacts out of the journal (compaction.py). Once an hour messages are forgotten that no queue
will bring again (messages.py). Files are read and written in a thread; what the journal is asked
for is short, and others may come in between.
"""

from __future__ import annotations

import os
import time
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
from anyio import to_thread

from ..errors import RunDirectoryError
from ..events import JournalCompacted, ResultFilesRotated, ResultsMissed
from .accepted import left_out
from .compaction import Stride, contacts_of
from .parts import read_parts, remember_part
from .result_file import holds
from .results import NAMES, write_part
from .rotation import next_day
from .schema import opened_to_read, sync_directory, translated
from .store import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..events import Emit
    from .journal import Journal
    from .parts import Part
    from .store import JournalStore

    Whole = tuple[Part, int]

__all__ = ("Upkeep",)

LOOK_SECONDS: Final = 60.0
"""The clock is looked at so often: it may be set, or have stood still with the machine."""

REST_SECONDS: Final = 0.2
"""Between two steps, for those who wait for the journal."""

FORGET_EVERY_SECONDS: Final = 3_600.0
DAY_SECONDS: Final = 86_400.0
"""Outside of these the clock was set: what was planned by it is planned anew."""


class Upkeep:
    """The upkeep of the run in a directory. `once` does all that is due."""

    def __init__(
        self,
        journal: Journal,
        directory: Path,
        *,
        keep_seconds: float,
        remember_seconds: float,
        emit: Emit,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keep_seconds` for the journal's contacts, `remember_seconds` for messages."""
        self._journal = journal
        self._directory = directory
        self._keep_seconds = keep_seconds
        self._remember_seconds = remember_seconds
        self._emit = emit
        self._clock = clock
        self._day_over = self._forget_at = -1.0
        self._stride = Stride()

    async def run(self) -> None:
        """One task's work, until it is cancelled. Raises RunDirectoryError as the journal does."""
        while True:
            await self.once()
            await anyio.sleep(min(LOOK_SECONDS, max(0.0, self._day_over - self._clock())))

    async def once(self, *, rest_seconds: float = REST_SECONDS) -> None:
        """Do what is due."""
        now = self._clock()
        if not self._day_over - DAY_SECONDS <= now < self._day_over:
            await self._rotate(now)
            self._day_over = next_day(now)
            await self._compact(now - self._keep_seconds, rest_seconds=rest_seconds)

        if not self._forget_at - FORGET_EVERY_SECONDS <= now < self._forget_at:
            self._forget_at = now + FORGET_EVERY_SECONDS
            await self._repeat(self._forget, rest_seconds=rest_seconds)

    async def _repeat(self, work: Callable[[JournalStore], bool], *, rest_seconds: float) -> None:
        """Do some of the work, and again until nothing of it is left."""
        left = True
        while left:
            left = await self._journal.within(work)
            await anyio.sleep(rest_seconds if left else 0.0)

    def _forget(self, store: JournalStore) -> bool:
        return store.messages.forget(remember_seconds=self._remember_seconds)

    async def _rotate(self, now: float) -> None:
        await to_thread.run_sync(self._sync)
        files = await self._journal.within(lambda store: store.rotation.rotate(now))
        if files:
            self._emit(ResultFilesRotated(files=tuple(files)))

        for part in await to_thread.run_sync(self._displaced):
            written = await self._made_sure_of(part)
            if written is not None:
                await self._journal.within(partial(_remember, part=written[0]))

        for missed in await to_thread.run_sync(self._missed):
            self._emit(ResultsMissed(detail=missed))

    def _sync(self) -> None:
        """Have what was written on disk already when the journal asks for it."""
        for name in NAMES:
            with suppress(OSError):
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                descriptor = os.open(self._directory / f"{name}.ndjson", flags)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _displaced(self) -> list[Part]:
        """What was to be put aside, and did not lie at its place."""
        with closing(opened_to_read(self._directory / FILE_NAME)) as connection:
            return [part for part in read_parts(connection) if part.bytes < 0]

    def _missed(self) -> list[str]:
        with closing(opened_to_read(self._directory / FILE_NAME)) as connection:
            return [str(missed) for missed in left_out(connection, by_size=True)]

    async def _compact(self, before: float, *, rest_seconds: float) -> None:
        while True:
            await self._repeat(self._step, rest_seconds=rest_seconds)
            part = await self._journal.within(lambda store: store.compaction.ripe(before))
            if part is None:
                return

            whole = await self._made_sure_of(part)
            if whole is None or not await self._journal.within(partial(_begin, whole=whole)):
                return

            self._emit(JournalCompacted(file=part.file, contacts=whole[1]))

    async def _made_sure_of(self, part: Part) -> Whole | None:
        """See to it that a part is on disk; None, and it is told of, where it cannot be."""
        try:
            return await to_thread.run_sync(self._whole, part)
        except RunDirectoryError as error:
            self._emit(ResultsMissed(detail=str(error)))
            return None

    def _whole(self, part: Part) -> Whole:
        """The part as it is on disk: as it is remembered, or written anew; and its contacts."""
        path = self._directory / part.file
        journal = self._directory / FILE_NAME
        with closing(opened_to_read(journal)) as connection, translated(path):
            if holds(path, part.bytes, part.crc, sync=True):
                sync_directory(self._directory)
            else:
                written, crc = write_part(connection, self._directory, part)
                part = replace(part, bytes=written, crc=crc)

            return part, contacts_of(connection, part)

    def _step(self, store: JournalStore) -> bool:
        """Take some batches out of the journal; whether there may be more."""
        began = time.perf_counter()
        batches = store.compaction.step(self._stride.batches)
        if batches:
            self._stride.took(time.perf_counter() - began)

        return bool(batches)


def _remember(store: JournalStore, *, part: Part) -> None:
    remember_part(store.connection, part, written=part.bytes, crc=part.crc)


def _begin(store: JournalStore, *, whole: Whole) -> bool:
    part, contacts = whole
    _remember(store, part=part)
    return store.compaction.begin(part, contacts=contacts)
