"""Encoding: read, map, encode — one synchronous iterator, run in a thread or a child process.

The child is this module run with a connection as file descriptor; it imports intake and mapping
and nothing else of the program, so that it is small and starts fast.

Protocol of the connection (crossing.py): the child says READY; the parent sends an `Encoding`,
before or after; the child answers with lists of `Contacts`, several chunks to a message where they
are at hand, and last with None, or with the JourneyError that ended it. A connection that closes
without a last message means that the child died. Where the parent sends a workbench instead, what
follows is told in workbench.py.
"""

from __future__ import annotations

import gc
import signal
import socket
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import JourneyError
from ..intake.source import START, FileSource, Mark
from .mapper import Mapper
from .sent import SentChunk, sent_again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..intake.ranges import Ranges
    from ..intake.source import Chunk
    from .contacts import Contacts, ContactShape
    from .crossing import Crossing
    from .rules import MappingPolicy
    from .target import Target
    from .workbench import Workbench

__all__ = ("READY", "Encoding", "Reading", "encode", "main", "serve")

READY = "ready"

MESSAGE_BYTES = 1024 * 1024
"""Contacts that cross the connection together: each crossing wakes a thread of the parent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A source, what of it is done already, where to begin reading, and where to end.

    `last` is the last position of interest, None for all. `weight` is its part of all sources'
    bytes (0 to 1), for the share read; None if unknown.
    """

    source: FileSource
    after: Ranges
    start: Mark = START
    last: int | None = None
    weight: float | None = None

    def chunks(self) -> Iterator[Chunk]:
        """Yield what is to be read."""
        for chunk in self.source.chunks(self.after, self.start):
            yield chunk
            if self.last is not None and chunk.mark.position >= self.last:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """All that is needed to turn sources into contacts, wherever that happens. Picklable."""

    readings: tuple[Reading, ...]
    mapping: MappingPolicy
    shape: ContactShape
    target: Target | None
    max_contact_bytes: int
    limit: int | None = None

    def beyond(self, contacts: Contacts) -> Encoding:
        """The same, less what `contacts` and all before them hold: where a new child goes on."""
        index = next(
            index
            for index, reading in enumerate(self.readings)
            if reading.source.name == contacts.source
        )
        limit = None if self.limit is None else self.limit - len(contacts)
        if limit == 0:
            return replace(self, readings=(), limit=0)

        reading = replace(self.readings[index], start=contacts.mark)
        return replace(self, readings=(reading, *self.readings[index + 1 :]), limit=limit)


def encode(encoding: Encoding) -> Iterator[Contacts]:
    """Yield the contacts of every source, in order; raises JourneyError if a source breaks off."""
    mapper = Mapper(
        encoding.mapping,
        shape=encoding.shape,
        target=encoding.target,
        max_contact_bytes=encoding.max_contact_bytes,
    )
    left = encoding.limit
    if left == 0:  # a child that died behind the last chunk: its mark is no place to read from
        return

    share_before: float | None = 0.0
    for reading in encoding.readings:
        weight = reading.weight
        for chunk in reading.chunks():
            if isinstance(chunk, SentChunk):
                contacts = sent_again(chunk, encoding.shape)
            else:
                contacts = mapper.map(chunk)

            if share_before is not None and weight is not None and chunk.share is not None:
                contacts.share = share_before + weight * chunk.share

            if left is not None:
                contacts.limit(left)
                left -= len(contacts)

            yield contacts
            if left == 0:
                return

        share_before = None if share_before is None or weight is None else share_before + weight


def serve(connection: Crossing) -> None:
    """Be the child: take an Encoding from the connection, send back its contacts.

    Or take a workbench, and serve the connection with that.
    """
    connection.send(READY)
    encoding: Encoding | Workbench = connection.receive()
    if not isinstance(encoding, Encoding):
        encoding.serve(connection)
        return

    # What comes from a file is at hand at once; what comes from a pipe may be all for a while.
    room_bytes = MESSAGE_BYTES if all(each.weight is not None for each in encoding.readings) else 0
    gathered: list[Contacts] = []
    size = 0
    ending: JourneyError | None = None
    try:
        for contacts in encode(encoding):
            gathered.append(contacts)
            size += len(contacts.joined)
            if size >= room_bytes:
                connection.send(gathered)
                gathered, size = [], 0
    except JourneyError as error:
        ending = error

    connection.send(gathered)
    connection.send(ending)


def main(descriptor: int) -> None:
    """The child's life: serve one connection, given as a file descriptor, then end."""
    from .crossing import Crossing  # noqa: PLC0415  # only the child needs it

    # A chunk is thousands of lists and dicts, none in a cycle and all gone with the chunk: looking
    # for cycles among them after every 700 is a tenth of the work, and finds nothing.
    gc.freeze()
    gc.set_threshold(100_000)
    gc.enable()  # child.py has it off while modules are loaded
    # A terminal's Ctrl-C reaches the whole group; when to stop is the parent's to decide.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        serve(Crossing(socket.socket(fileno=descriptor)))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        sys.exit(0)  # the parent is gone or wants no more
