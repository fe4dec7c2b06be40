"""The encoder: contacts from sources, made off the event loop.

A large load is encoded in a child process, which leaves the event loop to the senders; a small one
in a thread, which starts at once. Either way the loop sees one async method, `next`.

The child may die at any moment (killed, out of memory): it is started again behind the last chunk
that arrived, so no record is lost or read twice. A source that cannot be read again (stdin) ends
the run instead.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from anyio import to_thread

from ..errors import JourneyError, SourceError
from ..events import EncoderRestarted
from .encoding import encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from types import TracebackType

    from ..events import Emit
    from .contacts import Contacts
    from .encoding import Encoding

__all__ = ("ChildEncoder", "Encoder", "ThreadEncoder", "open_encoder")

WORTH_A_CHILD_BYTES = 8_000_000
_MOST_RESTARTS_IN_PLACE = 3
_BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from pipeline.mapping.encoding import main; main(int(sys.argv[1]))"
)

_ACCOUNT = "JOURNEY_ACCOUNT"

# Thousands of short-lived contacts make glibc give the top of its heap back to the system with
# each chunk and fault it in again with the next: keeping it saves a third of the encoder's time.
_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "8388608",
    "MALLOC_TRIM_THRESHOLD_": "8388608",
}


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


def open_encoder(encoding: Encoding, *, size_bytes: int | None, emit: Emit) -> Encoder:
    """Choose where to encode: `size_bytes` is what all sources hold, None if unknown.

    What comes from another machine may be long in coming. A child can be left waiting for it.
    """
    is_near = not any(each.source.is_distant for each in encoding.readings)
    if is_near and size_bytes is not None and size_bytes < WORTH_A_CHILD_BYTES:
        return ThreadEncoder(encoding)

    return ChildEncoder(encoding, emit=emit)


class ThreadEncoder:
    """Encodes in a worker thread, a chunk a hop."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._iterator: Iterator[Contacts] = iter(())

    async def __aenter__(self) -> ThreadEncoder:
        self._iterator = encode(self._encoding)
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def next(self) -> Contacts | None:
        """See Encoder."""
        return await to_thread.run_sync(next, self._iterator, None)


@dataclass(slots=True)
class _Child:
    process: subprocess.Popen[bytes]
    connection: Connection

    def end(self) -> int:
        # The connection is not closed here: a thread may still be waiting in `recv`, and would read
        # on from whatever gets the descriptor next. It sees the end of the stream instead, and the
        # last reference closes.
        self.process.kill()
        return self.process.wait()


class ChildEncoder:
    """Encodes in a child process, and starts another if it dies."""

    def __init__(self, encoding: Encoding, *, emit: Emit) -> None:
        self._encoding = encoding
        self._emit = emit
        self._child: _Child | None = None
        self._restarts_in_place = 0
        self._arrived: deque[Contacts] = deque()
        self._ended = False

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.process.pid if self._child else None

    async def __aenter__(self) -> ChildEncoder:
        self._child = await to_thread.run_sync(_start, self._encoding)
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
            message = await to_thread.run_sync(child.connection.recv, abandon_on_cancel=True)
        except (EOFError, OSError):
            await self._restart(child)
            return

        if isinstance(message, JourneyError):
            raise message

        if message is None:
            self._ended = True
        else:
            self._arrived.extend(message)
            self._restarts_in_place = 0

    async def _restart(self, child: _Child) -> None:
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

        self._emit(EncoderRestarted(detail=f"the encoder ended with status {status}"))
        self._child = await to_thread.run_sync(_start, self._encoding)


def _environment() -> dict[str, str]:
    """The environment without the account's secrets: the child runs rules, and needs none."""
    return {name: text for name, text in os.environ.items() if _ACCOUNT not in name.upper()}


def _start(encoding: Encoding) -> _Child:
    ours, theirs = Pipe(duplex=True)
    # The child must import this very package, whatever lies in the current directory.
    search = [str(Path(__file__).parents[2]), *sys.path]
    process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own code
        [sys.executable, "-P", "-c", _BOOTSTRAP, str(theirs.fileno()), json.dumps(search)],
        pass_fds=(theirs.fileno(),),
        env=_MEMORY | _environment(),
    )
    theirs.close()
    with suppress(BrokenPipeError, ConnectionResetError):  # it died at once: `recv` will tell
        ours.send(encoding)

    return _Child(process, ours)
