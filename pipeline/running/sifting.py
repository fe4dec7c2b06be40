"""Sifting: of contacts that share a key, one is sent, if the mapping says so.

What is decided, and how it is kept, is told in `settling/duplicates.py`. It is decided before
anything is sent: the sources are read and mapped once from their beginning to their end, those of
several files one after the other, and once more to be sent. Standard input, which cannot be read
twice, is kept in a file without a name in the run directory meanwhile, as it was mapped; a later
leg, given the same input again, goes by the decisions of the first. A limit counts the contacts
that are sent.
"""

from __future__ import annotations

import pickle
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from anyio import to_thread

from ..errors import UsageError
from ..events import DuplicatesDecided
from ..mapping.encoder import open_encoder
from ..mapping.rules import Duplicates
from ..settling.duplicates import Spill, sifted
from ..settling.nameless import NamelessFiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from ..events import Emit
    from ..mapping.contacts import Contacts
    from ..mapping.encoder import Encoder
    from ..mapping.encoding import Encoding
    from ..mapping.target import Target
    from ..settling.duplicates import Scratch
    from ..settling.journal import Journal
    from ..settling.opening import Replay
    from .plan import Plan

__all__ = ("Sifter",)


class Sifter:
    """Decides once for a run, and takes out what is not sent. An async context manager.

    A dry run has no replay, and a scratch for a journal.
    """

    def __init__(
        self, plan: Plan, replay: Replay | None, *, journal: Journal | Scratch, emit: Emit
    ) -> None:
        self._plan = plan
        self._begun = replay is not None and bool(replay.counts.settled)
        self._journal = journal
        self._directory = None if replay is None else Path(plan.config.run.directory)
        self._emit = emit
        self._mode = plan.config.mapping.duplicates
        self._spool: NamelessFiles | None = None
        self._stack = ExitStack()

    async def __aenter__(self) -> Sifter:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    async def prepare(self, target: Target | None) -> None:
        """Decide, unless it is decided or all are to be sent. May be cancelled.

        Raises:
            UsageError: The run was begun with another rule.
            JourneyError: A source breaks off.
        """
        decided = await self._journal.within(lambda store: store.decisions.mode)
        begun_with = decided or (Duplicates.KEEP if self._begun else self._mode)
        if begun_with != self._mode:
            raise UsageError(
                f'this run was begun with mapping.duplicates = "{begun_with}", and contacts are '
                f'sent already: put it back ("{self._mode}" is given now), or use --again'
            )

        if decided is None and self._mode is not Duplicates.KEEP:
            await self._decide(target)

    async def _decide(self, target: Target | None) -> None:
        mode = self._mode
        self._emit(DuplicatesDecided(contacts=0, dropped=None, kept=mode.value))
        plan = self._plan
        if plan.size_bytes is None:
            self._spool = self._stack.enter_context(NamelessFiles(self._directory))

        with Spill(self._directory) as spill:
            async with self._encoder(plan.encoding(target=target)) as encoder:
                while (contacts := await encoder.next()) is not None:
                    await to_thread.run_sync(self._take, contacts, spill)

            count = await self._journal.within(lambda store: store.decisions.decide(mode, spill))

        self._emit(DuplicatesDecided(contacts=spill.contacts, dropped=count, kept=mode.value))

    def _take(self, contacts: Contacts, spill: Spill) -> None:
        spill.add(contacts)
        if self._spool is not None:
            with self._spool.translated():
                pickle.dump(contacts, self._spool.files[0])

    def open(self, encoding: Encoding) -> Encoder:
        """What makes the run's contacts, those that are not sent among the rejected."""
        if self._mode is Duplicates.KEEP:
            return self._encoder(encoding)

        if self._spool is not None:
            return _Sifted(_Spooled(self._spool.files[0]), self._sift, limit=encoding.limit)

        unlimited = self._encoder(replace(encoding, limit=None))
        return _Sifted(unlimited, self._sift, limit=encoding.limit)

    def _encoder(self, encoding: Encoding) -> Encoder:
        place = self._plan.config.run.encoder
        size = self._plan.size_bytes
        return open_encoder(encoding, size_bytes=size, place=place, emit=self._emit)

    async def _sift(self, contacts: Contacts) -> Contacts:
        return await self._journal.within(lambda store: sifted(contacts, store.decisions))


class _Sifted:
    """An encoder whose contacts are all sent, as many as the limit says."""

    def __init__(
        self,
        encoder: Encoder,
        sift: Callable[[Contacts], Awaitable[Contacts]],
        *,
        limit: int | None,
    ) -> None:
        self._encoder = encoder
        self._sift = sift
        self._left = limit
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> _Sifted:
        await self._stack.enter_async_context(self._encoder)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def next(self) -> Contacts | None:
        """See Encoder."""
        found = None if self._left == 0 else await self._encoder.next()
        if found is None:
            return None

        contacts = await self._sift(found)
        if self._left is not None:
            contacts.limit(self._left)
            self._left -= len(contacts)

        return contacts


class _Spooled:
    """An encoder that gives out again what was kept of standard input."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._end = spool.tell()

    async def __aenter__(self) -> _Spooled:
        self._spool.seek(0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def next(self) -> Contacts | None:
        """See Encoder."""
        return await to_thread.run_sync(self._load)

    def _load(self) -> Contacts | None:
        if self._spool.tell() >= self._end:
            return None

        contacts: Contacts = pickle.load(self._spool)  # noqa: S301  # our own file without a name
        return contacts
