"""The taker: takes messages, has contacts made of them, and the journal say where these are placed.

While contacts are made of what was taken, the next messages are taken, if more seem to be at hand,
and the workshop has them as soon as they are there: it works on while the journal is written. Once
the run is to stop, nothing more is taken; what was taken is worked on to its end. Where there is no
time for that, the workshop is not waited for, as long as its work may take: what it is at stays on
the queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
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
    from ..mapping.workbench import Made
    from ..settling.journal import Journal
    from ..settling.messages import Placed
    from .holder import Holder
    from .workshop import Job, Workshop

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


@dataclass(frozen=True, slots=True)
class _Begun:
    """Messages of which contacts are being made."""

    messages: Sequence[Message]
    job: Job[Made]


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
        self._begun: deque[_Begun] = deque()  # what the workshop is at
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
            self._begun.clear()
            with CancelScope(shield=True):
                await self._holder.give_back(self._passed.touches)

    @property
    def _coming(self) -> float:
        """Contacts in what the workshop is at, as if in each message were as many as in any."""
        return sum(len(each.messages) for each in self._begun) * (self._largest or LARGE_CONTACTS)

    def _wanted(self) -> int:
        """How many messages to take: where the run is to end, as if they were the largest known."""
        wanted = min(CHUNK_CONTACTS / self._size, CHUNK_BYTES / self._weight, MOST_MESSAGES)
        if self._left is not None:
            left = self._left - self._coming
            wanted = min(wanted, left / (self._largest or LARGE_CONTACTS))

        return max(1, int(wanted))

    async def _fill(self) -> None:
        """Take once, and have contacts made of it; collect what was begun before."""
        most = self._wanted()
        wait_seconds = AHEAD_SECONDS if self._begun else WAIT_SECONDS
        with CancelScope(shield=True):
            taken = await self._holder.take(most, wait_seconds)
            arrived = await self._register.arrived(taken) if taken else ()

        if arrived:
            await self._receive(arrived)

        # What comes again may have its outcome, and be acknowledged however long others wait.
        ahead = 0 if any(message.redelivered for message in arrived) else 1
        while len(self._begun) > ahead:
            await self._collect()

        enough = self._left is not None and self._coming + sum(map(len, self._ready)) >= self._left
        known = bool(self._largest)  # how large messages are: else few are taken at first
        self._more = taken is not None and len(taken) >= most and known and not enough
        if taken is None and not (self._ready or self._begun):
            await self._holder.back_off()

    async def _receive(self, arrived: Sequence[Message]) -> None:
        """Have contacts made of what is new, and none of what is here already."""
        custody = self._holder.custody
        new = []
        for message in arrived:
            if message.identity in custody:
                custody.renew(message)
                if custody.lacks(message.identity):  # what was withheld is made anew
                    new.append(message)
            else:
                custody.expect(message)
                new.append(message)

        if new:
            weight = max(1.0, sum(len(each.body) for each in new) / len(new))
            self._weight = max(weight, (self._weight + weight) / 2)
            job = await self._workshop.make(_told(new))
            self._begun.append(_Begun(new, job))

        self._holder.look_after()

    async def _collect(self) -> None:
        """What was begun first becomes ready, once it is made."""
        begun = self._begun.popleft()
        made = await self._workshop.done(begun.job)
        # Larger ones count at once, smaller ones by and by.
        self._largest = max(self._largest, *made.counts)
        size = max(1.0, sum(made.counts) / len(made.counts))
        self._size = max(size, (self._size + size) / 2)
        with CancelScope(shield=True):
            placed = await self._register.place(begun.messages, made.counts)

        if any(place.known or place.doubt != placed[0].doubt for place in placed):
            await self._make_again(begun.messages, placed)
            return

        for message, place in zip(begun.messages, placed, strict=True):
            self._hold(message, place, settled=0)

        made.contacts.move(placed[0].first - 1)
        self._offer(made.contacts, in_doubt=placed[0].doubt and self._holds)
        self._holder.look_after()

    async def _make_again(self, messages: Sequence[Message], placed: Sequence[Placed]) -> None:
        """Have contacts made of what is to be sent, of what is in doubt, of what has an outcome."""
        sending: list[Portion] = []
        doubted: list[Portion] = []
        known: list[Portion] = []
        over: list[tuple[Message, Placed]] = []  # all of it has an outcome
        for index, place in sorted(enumerate(placed), key=lambda each: each[1].first):
            positions = range(place.first, place.first + place.records)
            resumed = self._holder.custody.resume(messages[index].identity)
            wanted, settled = resumed, frozenset[int]()
            if resumed is None and (settled := self._settled(place)):
                wanted = frozenset(positions) - settled
                known.append(Portion(index=index, first=place.first, wanted=settled))

            doubt = place.doubt and self._holds
            portion = Portion(index=index, first=place.first, wanted=wanted)
            (doubted if doubt else sending).append(portion)
            if resumed is not None:  # some of it was withheld, and it is held still
                continue

            if len(settled) == place.records:
                over.append((messages[index], place))
            else:
                self._hold(messages[index], place, settled=len(settled))

        job = await self._workshop.make_of(_told(messages), (known, sending, doubted))
        settled_before, sent, held = await self._workshop.done(job)
        await self._complete(settled_before)
        for message, place in over:  # not sooner: it is acknowledged by that, and seen no more
            self._hold(message, place, settled=place.records)

        self._offer(sent, in_doubt=False)
        self._offer(held, in_doubt=True)
        self._holder.look_after()

    def _hold(self, message: Message, place: Placed, *, settled: int) -> None:
        left = place.records - settled
        self._holder.custody.hold(message, first=place.first, records=place.records, left=left)

    def _offer(self, contacts: Contacts, *, in_doubt: bool) -> None:
        if contacts or contacts.rejected:
            contacts.in_doubt = in_doubt
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
            with CancelScope(shield=True):
                await self._journal.within(lambda store: store.messages.complete(name, bodies))

    def __repr__(self) -> str:
        return f"<Taker of {self._name}, about {self._size:,.0f} contacts a message>"


def _told(messages: Sequence[Message]) -> list[tuple[str, bytes]]:
    """Of messages, what the workshop is told."""
    return [(each.identity, each.body) for each in messages]
