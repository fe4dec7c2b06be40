"""Sifting: of contacts that share a key, one is sent, if the mapping says so.

What is decided, and how it is kept, is told in `settling/duplicates.py`. It is decided before
anything is sent: the sources are read and mapped once from their beginning to their end, those of
several files one after the other, and once more to be sent. Standard input, which cannot be read
twice, is kept in a file without a name in the run directory meanwhile, as it was mapped; a later
leg, given the same input again, goes by the decisions of the first.
"""

from __future__ import annotations

import pickle
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from anyio import to_thread

from .errors import UsageError
from .events import DuplicatesDecided
from .mapping.encoder import open_encoder
from .mapping.rules import Duplicates
from .settling.doubles import count_doubles
from .settling.duplicates import Spill, sifted
from .settling.schema import translated

if TYPE_CHECKING:
    from types import TracebackType

    from .events import Emit
    from .mapping.contacts import Contacts
    from .mapping.encoder import Encoder
    from .mapping.encoding import Encoding
    from .mapping.target import Target
    from .plan import Plan
    from .settling.journal import Journal
    from .settling.opening import Replay

__all__ = ("Sifter",)


class Sifter:
    """Decides once for a run, and takes out what is not sent. An async context manager."""

    def __init__(self, plan: Plan, replay: Replay, *, journal: Journal, emit: Emit) -> None:
        self._plan = plan
        self._replay = replay
        self._journal = journal
        self._directory = Path(plan.config.run.directory)
        self._emit = emit
        self._mode = plan.config.mapping.duplicates
        self._spool: IO[bytes] | None = None
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
        begun_with = decided or (Duplicates.KEEP if self._replay.counts.settled else self._mode)
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
            with translated(self._directory):
                spool = TemporaryFile(dir=self._directory)  # noqa: SIM115  # closed at the run's end
                self._spool = self._stack.enter_context(spool)

        with Spill(self._directory) as spill:
            encoding = plan.encoding(target=target)
            async with open_encoder(
                encoding,
                size_bytes=plan.size_bytes,
                place=plan.config.run.encoder,
                emit=self._emit,
            ) as encoder:
                while (contacts := await encoder.next()) is not None:
                    await to_thread.run_sync(self._take, contacts, spill)

            count = await self._journal.within(lambda store: store.decisions.decide(mode, spill))

        self._emit(DuplicatesDecided(contacts=spill.contacts, dropped=count, kept=mode.value))

    def _take(self, contacts: Contacts, spill: Spill) -> None:
        spill.add(contacts)
        if self._spool is not None:
            with translated(self._directory):
                pickle.dump(contacts, self._spool)

    def open(self, encoding: Encoding) -> Encoder:
        """What makes the run's contacts."""
        if self._spool is not None:
            return _Spooled(self._spool, limit=encoding.limit)

        return open_encoder(
            encoding,
            size_bytes=self._plan.size_bytes,
            place=self._plan.config.run.encoder,
            emit=self._emit,
        )

    async def sift(self, contacts: Contacts) -> Contacts:
        """The contacts to be sent; the others are rejected."""
        if self._mode is Duplicates.KEEP:
            return contacts

        return await self._journal.within(lambda store: sifted(contacts, store.decisions))

    async def count(self) -> None:
        """Note how many contacts of the run share their key; the sources have ended."""
        if self._replay.retry is None:
            directory = self._directory
            await self._journal.within(lambda store: count_doubles(store.connection, directory))


class _Spooled:
    """An encoder that gives out again what was kept of standard input."""

    def __init__(self, spool: IO[bytes], *, limit: int | None) -> None:
        self._spool = spool
        self._left = limit
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
        if self._left == 0 or self._spool.tell() >= self._end:
            return None

        contacts: Contacts = pickle.load(self._spool)  # noqa: S301  # our own file without a name
        if self._left is not None:
            contacts.limit(self._left)
            self._left -= len(contacts)

        return contacts
