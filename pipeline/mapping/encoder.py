"""The encoder: contacts from sources, made off the event loop.

Work begins in a thread, and moves to a child process, which leaves the event loop to the senders,
when it turns out to be much (`workplace.py`). The thread works on until the child is ready.

The child may die at any moment (killed, out of memory): it is started again behind the last chunk
that arrived, so no record is lost or read twice. A source that cannot be read again (stdin) ends
the run instead.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from anyio import to_thread

from ..errors import JourneyError, SourceError
from ..events import EncoderRestarted
from .child import Child, spawn
from .encoding import READY, encode
from .workplace import EncoderPlace, Workplace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from ..events import Emit
    from .contacts import Contacts
    from .encoding import Encoding

__all__ = ("ChildEncoder", "Encoder", "MovingEncoder", "ThreadEncoder", "open_encoder")

_MOST_RESTARTS_IN_PLACE = 3


class Encoder(Protocol):
    """An async context manager; `next` waits for the next chunk's contacts, None at the end."""

    async def __aenter__(self) -> Encoder: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def next(self) -> Contacts | None:
        """The next chunk's contacts; None at the end. Raises JourneyError if a source breaks."""


def open_encoder(
    encoding: Encoding, *, size_bytes: int | None, place: EncoderPlace, emit: Emit
) -> Encoder:
    """Choose where to encode: `size_bytes` is what all sources hold, None if unknown.

    To a child at once goes what cannot be read again, for it cannot be moved; what comes from
    another machine and may be long in coming, for a child can be left waiting; and a rule in
    Python, which may do anything, and there finds neither secrets nor the journal.
    """
    if place == EncoderPlace.THREAD:
        return ThreadEncoder(encoding)

    distant = any(each.source.is_distant for each in encoding.readings)
    settled = size_bytes is None or distant or encoding.mapping.python is not None
    if place == EncoderPlace.PROCESS or settled:
        return ChildEncoder(encoding, emit=emit)

    return MovingEncoder(encoding, emit=emit)


class ThreadEncoder:
    """Encodes in a worker thread, a chunk a hop."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._iterator: Iterator[Contacts] = iter(())

    async def __aenter__(self) -> ThreadEncoder:
        self._iterator = encode(self._encoding)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._iterator = iter(())

    async def next(self) -> Contacts | None:
        """See Encoder."""
        return await to_thread.run_sync(next, self._iterator, None)


class ChildEncoder:
    """Encodes in a child process, and starts another if it dies. `child` is one without work."""

    def __init__(self, encoding: Encoding, *, emit: Emit, child: Child | None = None) -> None:
        self._encoding = encoding
        self._emit = emit
        self._child = child
        self._restarts_in_place = 0
        self._arrived: deque[Contacts] = deque()
        self._ended = False

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.process.pid if self._child else None

    async def __aenter__(self) -> ChildEncoder:
        self._child = await to_thread.run_sync(_start, self._encoding, self._child)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._child:
            self._child.end()
            self._child = None

    async def next(self) -> Contacts | None:
        """See Encoder."""
        while not (self._arrived or self._ended):
            await self._receive()

        if not self._arrived:
            return None

        contacts = self._arrived.popleft()
        self._encoding = self._encoding.beyond(contacts)
        return contacts

    async def _receive(self) -> None:
        child = self._child
        if child is None:
            raise RuntimeError("the encoder is not open")

        try:
            message = await to_thread.run_sync(child.connection.receive, abandon_on_cancel=True)
        except (EOFError, OSError):
            await self._restart(child)
            return

        if isinstance(message, JourneyError):
            raise message

        if message is None:
            self._ended = True
        elif message != READY:
            self._arrived.extend(message)
            self._restarts_in_place = 0

    async def _restart(self, child: Child) -> None:
        status = child.end()
        self._child = None
        if not self._encoding.readings:
            self._ended = True  # all that was asked for has arrived
            return

        self._restarts_in_place += 1
        name = self._encoding.readings[0].source.name
        if any(reading.source.fingerprint().size is None for reading in self._encoding.readings):
            raise SourceError(
                f"the process reading {name} died (status {status}) and {name} cannot be read "
                "again; run the same command with the same input to go on where it stopped"
            )

        if self._restarts_in_place > _MOST_RESTARTS_IN_PLACE:
            raise SourceError(
                f"the process reading {name} died {self._restarts_in_place} times at the same "
                f"place (status {status}); is there memory enough? `run` goes on from here"
            )

        self._child = await to_thread.run_sync(_start, self._encoding)
        self._emit(EncoderRestarted(detail=f"the encoder ended with status {status}"))


class MovingEncoder:
    """Encodes in a thread, and in a child process from when its workplace is crowded."""

    def __init__(
        self, encoding: Encoding, *, emit: Emit, workplace: Workplace | None = None
    ) -> None:
        self._encoding = encoding
        self._emit = emit
        self._workplace = workplace or Workplace()
        self._thread = ThreadEncoder(encoding)
        self._coming: Child | None = None  # started, and not yet at work
        self._child: ChildEncoder | None = None

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        if self._coming is not None:
            return self._coming.process.pid

        return self._child.pid if self._child else None

    async def __aenter__(self) -> MovingEncoder:
        await self._thread.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._thread.__aexit__()
        if self._coming:
            self._coming.end()
            self._coming = None

        if self._child:
            await self._child.__aexit__()

    async def next(self) -> Contacts | None:
        """See Encoder."""
        if self._coming and self._coming.ready():
            await self._move()

        return await (self._next_of_thread() if self._child is None else self._child.next())

    async def _next_of_thread(self) -> Contacts | None:
        began = time.monotonic()
        contacts = await self._thread.next()
        if contacts is not None:
            self._encoding = self._encoding.beyond(contacts)
            self._workplace.worked(began, time.monotonic(), share=contacts.share)
            if self._coming is None and self._workplace.crowded:
                try:
                    self._coming = await to_thread.run_sync(spawn)
                except SourceError:  # it goes on here
                    self._workplace.refused(time.monotonic())

        return contacts

    async def _move(self) -> None:
        """Have the child go on behind the last chunk."""
        await self._thread.__aexit__()  # it has the source open
        child, self._coming = self._coming, None
        self._child = ChildEncoder(self._encoding, emit=self._emit, child=child)
        await self._child.__aenter__()


def _start(encoding: Encoding, child: Child | None = None) -> Child:
    child = child or spawn()
    child.take(encoding)
    return child
