"""The taker: takes messages, has their contacts placed in the journal, and maps them.

While contacts are made of what was taken, the next messages are taken, if more seem to be at hand;
they are parsed and placed once those contacts are there. Once the run is to stop, nothing more is
taken; what was taken is worked on to its end.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from anyio import CancelScope

from ..intake.ranges import Ranges, runs_of
from ..mapping.workbench import Portion
from .register import Register

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from ..intake.queues.message import Message
    from ..intake.queues.source import QueueSource
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
        self._register = Register(
            source.name,
            custody=holder.custody,
            journal=journal,
            notes=holds and not holder.queue.knows_workers,
        )
        self._left: int | None = None
        self._passed = Ranges()  # positions, where the run is to end by their number
        self._stopped: Callable[[], bool] = bool
        self._ready: deque[Contacts] = deque()
        self._begun: list[_Kind] = []  # what the workshop is at
        self._begun_contacts = 0
        self._more = False  # whether more is wanted, and the queue seems to have more at hand
        # What is not known yet is taken for large: few are taken at first, more if they are small.
        self._size = LARGE_CONTACTS  # contacts in a message, about
        self._weight = LARGE_BYTES  # bytes of a message, about
        self._largest = 0  # contacts of a message

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
            await self._pass(contacts, self._left)

        return contacts

    async def _pass(self, contacts: Contacts, left: int) -> None:
        """Keep of these what is not too many, and give back what was not begun by then."""
        contacts.limit(left)
        self._left = left - len(contacts)
        passed = [*contacts.positions, *(each.position for each in contacts.rejected)]
        for first, last in runs_of(sorted(passed)):
            self._passed.add(first, last)

        if not self._left:
            self._ready.clear()
            with CancelScope(shield=True):
                await self._holder.give_back(self._passed.touches)

    def _wanted(self) -> int:
        """How many messages to take: where the run is to end, as if they were the largest known."""
        wanted = min(CHUNK_CONTACTS / self._size, CHUNK_BYTES / self._weight, MOST_MESSAGES)
        if self._left is not None:
            left = self._left - self._begun_contacts
            wanted = min(wanted, left / (self._largest or LARGE_CONTACTS))

        return max(1, int(wanted))

    async def _fill(self) -> None:
        """Take once, and have made of it what there is to be sent; collect what was begun."""
        most = self._wanted()
        wait_seconds = AHEAD_SECONDS if self._begun else WAIT_SECONDS
        with CancelScope(shield=True):
            taken = await self._holder.take(most, wait_seconds)
            arrived = await self._register.arrived(taken) if taken else ()
            await self._collect()
            if arrived:
                await self._receive(arrived)

        at_hand = sum(map(len, self._ready)) + self._begun_contacts
        enough = self._left is not None and at_hand >= self._left
        self._more = taken is not None and len(taken) >= most and not enough
        if taken is None and not self._ready:
            await self._holder.back_off()

    async def _receive(self, taken: Sequence[Message]) -> None:
        custody = self._holder.custody
        new, again = self._register.sort(taken)
        if new:
            counts = await self._workshop.lay([(each.identity, each.body) for each in new])
            self._weigh(new, counts)
            placed = await self._register.place(new, counts)
            await self._begin(new, placed)

        for message in again:
            if message.identity in custody:
                custody.renew(message)
            else:  # it was done with as soon as it was seen
                custody.hold(message, first=0, records=0, left=0)

        self._holder.look_after()

    def _weigh(self, messages: Sequence[Message], counts: Sequence[int]) -> None:
        """Learn how large messages are: larger ones count at once, smaller ones by and by."""
        self._largest = max(self._largest, *counts)
        size = max(1.0, sum(counts) / len(counts))
        weight = max(1.0, sum(len(each.body) for each in messages) / len(messages))
        self._size = max(size, (self._size + size) / 2)
        self._weight = max(weight, (self._weight + weight) / 2)

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
