"""The taker: takes messages, has their contacts placed in the journal, and maps them.

While contacts are made of what was taken, the next messages are taken, if more seem to be at hand;
they are parsed and placed once those contacts are there, so that no more than that is in nobody's
journal. Once the run is to stop, nothing more is taken; what was taken is worked on to its end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from anyio import CancelScope

from ..mapping.workbench import Portion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from ..intake.queues.message import Message
    from ..intake.queues.source import QueueSource
    from ..intake.ranges import Ranges
    from ..mapping.contacts import Contacts
    from ..settling.journal import Journal
    from ..settling.messages import Placed
    from .holder import Holder
    from .workshop import Workshop

__all__ = ("Taker",)

CHUNK_CONTACTS: Final = 4_000
"""How many contacts are wanted at a time."""
CHUNK_BYTES: Final = 4 << 20
MOST_MESSAGES: Final = 4_000
LARGE_CONTACTS: Final = 500.0
LARGE_BYTES: Final = 200_000.0
WAIT_SECONDS: Final = 0.5
"""How long the queue is waited for at a time: so long a stop may take to be noticed."""
AHEAD_SECONDS: Final = 0.02
"""The same while contacts are being made of what was taken before, and more seems at hand."""


class _Kind(Enum):
    """What contacts are made for."""

    SENT = auto()
    DOUBTED = auto()  # another worker may have sent them
    KNOWN = auto()  # they have an outcome, and the journal has not what they are


class Taker:
    """An encoder whose source is a queue."""

    def __init__(
        self,
        source: QueueSource,
        holder: Holder,
        *,
        workshop: Workshop,
        journal: Journal,
        done: Ranges,
        holds: bool,
    ) -> None:
        """`done` are the positions that have an outcome, and grows as contacts are settled.

        `holds`: a contact that another worker may have sent is not sent.
        """
        self._name = source.name
        self._holder = holder
        self._workshop = workshop
        self._journal = journal
        self._done = done
        self._holds = holds
        self._left: int | None = None
        self._stopped: Callable[[], bool] = bool
        self._ready: deque[Contacts] = deque()
        self._begun: list[_Kind] = []  # what the workshop is at
        self._begun_contacts = 0
        self._more = False  # whether more is wanted, and the queue seems to have more at hand
        # What is not known yet is taken for large: few are taken at first, more if they are small.
        self._size = LARGE_CONTACTS  # contacts in a message, about
        self._weight = LARGE_BYTES  # bytes of a message, about

    def until(self, stopped: Callable[[], bool], *, limit: int | None) -> Self:
        """End when `stopped` says so, or after `limit` contacts."""
        self._stopped, self._left = stopped, limit
        return self

    async def __aenter__(self) -> Self:
        await self._workshop.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._workshop.__aexit__(kind, error, trace)

    async def next(self) -> Contacts | None:
        """The next contacts; None at the end. Raises SourceError where somebody must see to it."""
        while not self._ready:
            if self._left == 0:
                return None

            if self._begun and (self._stopped() or not self._more):
                with CancelScope(shield=True):
                    await self._collect()
            elif self._stopped():
                return None
            else:
                await self._fill()

        contacts = self._ready.popleft()
        if self._left is not None:
            contacts.limit(self._left)
            self._left -= len(contacts)
            if not self._left:
                self._ready.clear()

        return contacts

    async def _fill(self) -> None:
        """Take once, and have made of it what there is to be sent; collect what was begun."""
        wanted = min(CHUNK_CONTACTS / self._size, CHUNK_BYTES / self._weight, MOST_MESSAGES)
        most = max(1, int(wanted))
        wait_seconds = AHEAD_SECONDS if self._begun else WAIT_SECONDS
        with CancelScope(shield=True):
            taken = await self._holder.take(most, wait_seconds)
            await self._collect()
            if taken:
                await self._receive(taken)

        at_hand = sum(map(len, self._ready)) + self._begun_contacts
        enough = self._left is not None and at_hand >= self._left
        self._more = taken is not None and len(taken) >= most and not enough
        if taken is None and not self._ready:
            await self._holder.back_off()

    async def _receive(self, taken: Sequence[Message]) -> None:
        custody = self._holder.custody
        if any(message.anonymous for message in taken):
            taken = await self._named(taken)

        new, again = self._sorted(taken)
        if new:
            counts = await self._workshop.lay([(each.identity, each.body) for each in new])
            self._weigh(new, counts)
            placed = await self._place(new, counts)
            await self._begin(new, placed)

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

    def _weigh(self, messages: Sequence[Message], counts: Sequence[int]) -> None:
        """Learn how large messages are: larger ones count at once, smaller ones by and by."""
        size = max(1.0, sum(counts) / len(counts))
        weight = max(1.0, sum(len(each.body) for each in messages) / len(messages))
        self._size = max(size, (self._size + size) / 2)
        self._weight = max(weight, (self._weight + weight) / 2)

    async def _place(self, messages: Sequence[Message], counts: Sequence[int]) -> list[Placed]:
        """Write down what was taken, and learn which positions it has."""
        name = self._name
        wanted = [
            (each.identity, count, each.redelivered)
            for each, count in zip(messages, counts, strict=True)
        ]
        return await self._journal.within(lambda store: store.messages.take(name, wanted))

    async def _begin(self, messages: Sequence[Message], placed: Sequence[Placed]) -> None:
        """Have contacts made of what is to be sent, of what is in doubt, of what has an outcome."""
        sending: list[Portion] = []
        doubted: list[Portion] = []
        known: list[Portion] = []
        for index, place in sorted(enumerate(placed), key=lambda each: each[1].first):
            positions = range(place.first, place.first + place.records)
            wanted, settled = None, self._settled(place)
            if settled:
                wanted = frozenset(positions) - settled
                known.append(Portion(index=index, first=place.first, wanted=settled))

            doubt = place.doubt and self._holds
            portion = Portion(index=index, first=place.first, wanted=wanted)
            (doubted if doubt else sending).append(portion)
            left = place.records - len(settled)
            self._begun_contacts += left
            self._holder.custody.hold(
                messages[index], first=place.first, records=place.records, left=left
            )

        kinds = ((known, _Kind.KNOWN), (sending, _Kind.SENT), (doubted, _Kind.DOUBTED))
        begun = [(portions, kind) for portions, kind in kinds if portions]
        await self._workshop.begin([portions for portions, _ in begun])
        self._begun = [kind for _, kind in begun]

    async def _collect(self) -> None:
        """What was begun becomes ready, once it is made."""
        if not self._begun:
            return

        begun, self._begun, self._begun_contacts = self._begun, [], 0
        for kind, contacts in zip(begun, await self._workshop.made(), strict=True):
            if kind is _Kind.KNOWN:
                await self._complete(contacts)
            elif contacts or contacts.rejected:
                contacts.in_doubt = kind is _Kind.DOUBTED
                self._ready.append(contacts)

    def _settled(self, place: Placed) -> frozenset[int]:
        """The positions of a message that have an outcome."""
        first, last = place.first, place.first + place.records - 1
        if not (place.known and self._done.touches(first, last)):
            return frozenset()

        return frozenset(at for at in range(first, last + 1) if at in self._done)

    async def _complete(self, contacts: Contacts) -> None:
        """Write down what was in flight when a process died: it is here again, and not for long."""
        name, at = self._name, contacts.positions
        bodies = [*zip(at, (body.decode() for body in contacts.bodies), strict=True)]
        if bodies:
            await self._journal.within(lambda store: store.messages.complete(name, bodies))

    def __repr__(self) -> str:
        return f"<Taker of {self._name}, about {self._size:,.0f} contacts a message>"
