"""The taker: takes messages, has their contacts placed in the journal, and maps them.

Once the run is to stop, nothing more is taken; what was taken is worked on to its end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from anyio import CancelScope, to_thread

from ..intake.queues.bodies import parse_body
from ..intake.queues.gathered import Gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from ..intake.queues.bodies import Body
    from ..intake.queues.message import Message
    from ..intake.queues.source import QueueSource
    from ..intake.ranges import Ranges
    from ..mapping.contacts import Contacts
    from ..mapping.mapper import Mapper
    from ..settling.journal import Journal
    from ..settling.messages import Placed
    from .holder import Holder

__all__ = ("Taker",)

CHUNK_CONTACTS: Final = 4_000
"""How many contacts are wanted at a time."""
CHUNK_BYTES: Final = 4 << 20
MOST_MESSAGES: Final = 4_000
LARGE_CONTACTS: Final = 500.0
LARGE_BYTES: Final = 200_000.0
WAIT_SECONDS: Final = 0.5
"""How long the queue is waited for at a time: so long a stop may take to be noticed."""


class Taker:
    """An encoder whose source is a queue."""

    def __init__(
        self,
        source: QueueSource,
        holder: Holder,
        *,
        mapper: Mapper,
        journal: Journal,
        done: Ranges,
        holds: bool,
    ) -> None:
        """`done` are the positions that have an outcome, and grows as contacts are settled.

        `holds`: a contact that another worker may have sent is not sent.
        """
        self._name = source.name
        self._holder = holder
        self._mapper = mapper
        self._journal = journal
        self._done = done
        self._holds = holds
        self._left: int | None = None
        self._stopped: Callable[[], bool] = bool
        self._ready: deque[Contacts] = deque()
        # What is not known yet is taken for large: few are taken at first, more if they are small.
        self._size = LARGE_CONTACTS  # contacts in a message, about
        self._weight = LARGE_BYTES  # bytes of a message, about

    def until(self, stopped: Callable[[], bool], *, limit: int | None) -> Self:
        """End when `stopped` says so, or after `limit` contacts."""
        self._stopped, self._left = stopped, limit
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def next(self) -> Contacts | None:
        """The next contacts; None at the end. Raises SourceError where somebody must see to it."""
        while not self._ready:
            if self._left == 0 or self._stopped():
                return None

            await self._fill()

        contacts = self._ready.popleft()
        if self._left is not None:
            contacts.limit(self._left)
            self._left -= len(contacts)
            if not self._left:
                self._ready.clear()

        return contacts

    async def _fill(self) -> None:
        """Take once, and make of it what there is to be sent."""
        wanted = min(CHUNK_CONTACTS / self._size, CHUNK_BYTES / self._weight, MOST_MESSAGES)
        take = partial(self._holder.queue.take, max(1, int(wanted)), WAIT_SECONDS)
        with CancelScope(shield=True):
            taken = await self._holder.reached(take)
            if taken:
                await self._receive(taken)

        if taken is None:
            await self._holder.back_off()

    async def _receive(self, taken: Sequence[Message]) -> None:
        custody = self._holder.custody
        if any(message.anonymous for message in taken):
            taken = await self._named(taken)

        new, again = self._sorted(taken)
        if new:
            bodies = await to_thread.run_sync(self._parsed, new)
            self._weigh(new, bodies)
            placed = await self._place(new, bodies)
            await self._encode([*zip(new, bodies, placed, strict=True)])

        for message in again:
            if message.identity in custody:
                custody.renew(message)
            else:  # it was done with as soon as it was seen
                custody.hold(message, first=0, records=0, left=0)

        self._holder.look_after()

    async def _named(self, taken: Sequence[Message]) -> list[Message]:
        """Tell messages apart that have no name: by what comes again, else by a number."""
        name, named, given = self._name, [], set[str]()
        digests = {message.identity for message in taken if message.anonymous}
        missed = await self._journal.within(
            lambda store: {each: store.messages.missed(name, each) for each in digests}
        )
        for message in taken:
            if not message.anonymous:
                named.append(message)
                continue

            digest = message.identity
            found = (each for each in missed[digest] if self._is_again(message, each))
            identity = next((each for each in found if each not in given), None)
            identity = identity or f"{digest}.{uuid4().hex}"
            given.add(identity)
            named.append(replace(message, identity=identity))

        return named

    def _is_again(self, message: Message, missed: str) -> bool:
        """Whether it may be the one that is missed: what is held comes again by another line."""
        custody = self._holder.custody
        if missed in custody:
            return not custody.came_by(missed, message.line)

        return message.redelivered

    def _sorted(self, taken: Sequence[Message]) -> tuple[list[Message], list[Message]]:
        """Those that are not held, each once; and the others."""
        new: dict[str, Message] = {}
        again = []
        for message in taken:
            if message.identity in self._holder.custody or message.identity in new:
                again.append(message)
            else:
                new[message.identity] = message

        return list(new.values()), again

    def _parsed(self, messages: Sequence[Message]) -> list[Body]:
        return [
            parse_body(each.body, source=self._name, identity=each.identity) for each in messages
        ]

    def _weigh(self, messages: Sequence[Message], bodies: Sequence[Body]) -> None:
        """Learn how large messages are: larger ones count at once, smaller ones by and by."""
        size = max(1.0, sum(body.count for body in bodies) / len(bodies))
        weight = max(1.0, sum(len(each.body) for each in messages) / len(messages))
        self._size = max(size, (self._size + size) / 2)
        self._weight = max(weight, (self._weight + weight) / 2)

    async def _place(self, messages: Sequence[Message], bodies: Sequence[Body]) -> list[Placed]:
        """Write down what was taken, and learn which positions it has."""
        name = self._name
        wanted = [
            (each.identity, body.count, each.redelivered)
            for each, body in zip(messages, bodies, strict=True)
        ]
        return await self._journal.within(lambda store: store.messages.take(name, wanted))

    async def _encode(self, placed: list[tuple[Message, Body, Placed]]) -> None:
        sending, doubted, known = Gathered(), Gathered(), Gathered()
        done = self._done
        for message, body, place in sorted(placed, key=lambda each: each[2].first):
            first, left = place.first, body.count
            touched = place.known and done.touches(first, first + body.count - 1)
            if touched:
                left = sum(at not in done for at in range(first, first + body.count))
                known.add(body, first, wanted=lambda at: at in done)

            doubt = place.doubt and self._holds
            wanted = (lambda at: at not in done) if touched else None
            (doubted if doubt else sending).add(body, first, wanted=wanted)
            self._holder.custody.hold(message, first=first, records=body.count, left=left)

        if known.positions:
            await self._complete(known)

        for gathered in (sending, doubted):
            if gathered:
                contacts = await self._mapped(gathered)
                contacts.in_doubt = gathered is doubted
                self._ready.append(contacts)

    async def _mapped(self, gathered: Gathered) -> Contacts:
        return await to_thread.run_sync(self._mapper.map, gathered.chunk(self._name))

    async def _complete(self, known: Gathered) -> None:
        """Write down what was in flight when a process died: it is here again, and not for long."""
        contacts = await self._mapped(known)
        name, at = self._name, contacts.positions
        bodies = [*zip(at, (body.decode() for body in contacts.bodies), strict=True)]
        await self._journal.within(lambda store: store.messages.complete(name, bodies))

    def __repr__(self) -> str:
        return f"<Taker of {self._name}, about {self._size:,.0f} contacts a message>"
