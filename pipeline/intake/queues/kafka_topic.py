"""Kafka: a topic, whose partitions are divided among the workers of a group.

Kafka gives nothing back and marks nothing as delivered: a group commits how far it has read, and
what lies behind is read again by whoever is assigned the partition. What this worker commits with
that tells the next one what it took (`kafka_offsets.py`). Where a partition is taken away in good
order, because a worker came or went, what was taken of it is first settled and committed.

The client is asked again and again whether there is anything, or it would lose its partitions;
where no more messages are wanted, they are paused meanwhile. A worker that dies loses them after
`claim_idle_seconds`, but no sooner than 6 and no later than 45 seconds, as brokers have it. So does
one that was stopped for so long: its partitions are another worker's then, and what was taken of
them. That it is still a member, and they its own, it knows from a commit that is not refused.

Kafka deletes messages by their age, whoever has read them or not. What is gone that way before this
group has taken it is told: nobody can send it any more.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from ..extras import need
from .kafka_line import ANSWER_SECONDS, InGroup, Translated, sharing
from .kafka_membership import Membership
from .kafka_offsets import Offsets, all_idle, message_of
from .kafka_view import KafkaView, check_remembered, commit, committed_of, deleted_before
from .message import Backlog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ...events import MessagesDeleted
    from .message import Message
    from .place import Place

__all__ = ("KafkaTopic",)

ASK_EVERY_SECONDS: Final = 30.0
FLOCK_SECONDS: Final = 0.02
"""What comes within it, comes together."""
YIELD_SECONDS: Final = 60.0
"""How long a partition that is taken away is kept until what was taken of it is settled."""


class KafkaTopic:
    """A topic, read by a group."""

    knows_workers: bool = True
    losses: int = 0

    def __init__(self, place: Place) -> None:
        self._place = place
        self._view = KafkaView(place)
        self._consumer: Any = None
        self._worker = ""
        self._fresh = False  # until it has committed something
        self._assigned: set[int] = set()
        self._offsets: dict[int, Offsets] = {}  # of those assigned, as soon as they are known
        self._stash: list[Any] = []  # received, and not yet passed on
        self._told: list[Message] = []  # done with, and not yet committed
        self._committed: list[Message] = []  # and nobody was told so
        self._deleted: list[MessagesDeleted] = []  # and nobody was told so
        self._closing = False
        self._membership = Membership(place, lambda: self._commit({*self._offsets}))
        self._lines = 0  # assignments of partitions, until now
        self._asked_at = 0.0
        self._taking = asyncio.Lock()

    @property
    def hold_seconds(self) -> float:
        return min(45.0, max(6.0, self._place.policy.claim_idle_seconds))

    @property
    def extend_seconds(self) -> float:
        return self.hold_seconds / 4

    def keeps(self, message: Message) -> bool:
        told = self._offsets.get(message.handle[0])
        return told is not None and told.line == message.line

    async def open(self, worker: str, *, fresh: bool) -> None:  # the group is made by its use
        self._worker = worker
        self._fresh = self._fresh or fresh
        if self._consumer is None:
            aio = need("confluent_kafka.aio", extra="kafka", what=self._place.label)
            told = sharing(self._place, session_seconds=self.hold_seconds)
            self._consumer = aio.AIOConsumer(told, max_workers=4)
            await self._consumer.subscribe(
                [self._place.queue],
                on_assign=self._welcome,
                on_revoke=self._give_way,
                on_lost=self._lose,
            )

        with Translated(self._place):
            await self._consumer.list_topics(self._place.queue, timeout=ANSWER_SECONDS)

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        async with self._client():
            self._asked_at = time.monotonic()
            with Translated(self._place):
                with InGroup(self._place):
                    return await self._take(most, wait_seconds)

                await self._consume(1, wait_seconds)  # nothing is paused while it is divided
                return []

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[None]:
        """Have the client for oneself; who asks meanwhile is answered."""
        async with self._taking:
            try:
                yield
            finally:
                await self._membership.answer()

    async def _take(self, most: int, wait_seconds: float) -> list[Message]:
        if self._told:
            await self._settle()

        if not self._stash:
            await self._receive(most, wait_seconds)

        await self._find()
        return await self._pass_on() if self._stash else []

    async def _receive(self, most: int, wait_seconds: float) -> None:
        if await self._consume(most, FLOCK_SECONDS):
            return

        if await self._consume(1, wait_seconds) and most > 1:
            await self._consume(most - 1, FLOCK_SECONDS)

    async def _consume(self, most: int, wait_seconds: float) -> bool:
        """Put what comes into the stash, as the client does not give it again; whether any came.

        An error that comes with messages is raised once they are there.
        """
        received = await self._consumer.consume(most, timeout=wait_seconds)
        # Partitions may have been taken away within this very call.
        self._stash += [
            raw for raw in received if raw.error() is None and raw.partition() in self._assigned
        ]
        kafka = need("confluent_kafka", extra="kafka", what=self._place.label)
        for raw in received:
            if (error := raw.error()) is not None:
                raise kafka.KafkaException(error)

        return bool(received)

    async def _pass_on(self) -> list[Message]:
        """Commit that these are taken, and by whom; then they may be passed on."""
        received = self._stash
        gone = await deleted_before(self._consumer, self._place, received, offsets=self._offsets)
        messages = [message_of(raw, self._offsets[raw.partition()]) for raw in received]
        await self._commit({raw.partition() for raw in received})
        self._stash = []
        self._deleted += gone
        # A partition that was taken away meanwhile is another's, with all that is in it.
        return [message for message in messages if message.handle[0] in self._offsets]

    async def _find(self) -> None:
        """Learn what is committed of the partitions that were assigned."""
        new = sorted(self._assigned - self._offsets.keys())
        if not new:
            return

        committed = await committed_of(self._consumer, self._place, new)
        if not self._fresh:
            await check_remembered(self._consumer, self._place, committed)

        for found in committed:
            self._lines += 1
            told = Offsets.found(self._worker, found.offset, found.metadata, line=self._lines)
            self._offsets[found.partition] = told

    async def _commit(self, partitions: set[int]) -> None:
        offsets = {each: self._offsets[each] for each in partitions & self._offsets.keys()}
        if offsets:
            await commit(self._consumer, self._place, offsets)
            self._fresh = False

    def finish(self, messages: Sequence[Message]) -> None:  # giving way waits for it
        for message in messages:
            partition, offset = message.handle
            if partition in self._offsets:
                self._offsets[partition].finish(offset)

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        self._told += [message for message in messages if message.handle[0] in self._offsets]
        # Who has the client commits it before the next are taken.
        if not self._taking.locked():
            async with self._client():
                with Translated(self._place), InGroup(self._place):
                    await self._settle()

        told, self._committed = self._committed, []
        return told

    async def _settle(self) -> None:
        """Commit what is done with."""
        await self._commit({message.handle[0] for message in self._told})
        kept: list[Message] = []
        for message in self._told:
            told = self._offsets.get(message.handle[0])
            passed = told is None or message.handle[1] < told.low
            (self._committed if passed else kept).append(message)

        self._told = kept

    async def give_back(self, messages: Sequence[Message]) -> None:  # leaving commits it
        for partition, told in self._offsets.items():
            told.give_back(
                message.handle[1] for message in messages if message.handle[0] == partition
            )

    async def extend(self, messages: Sequence[Message], *, age_seconds: float) -> list[Message]:
        """Time is the group's, and a commit that is not refused says that this is a member."""
        answer = self._membership.ask()
        if not self._taking.locked():  # else who has the client answers
            async with self._client():
                if time.monotonic() >= self._asked_at + ASK_EVERY_SECONDS:
                    await self._ask()

        with Translated(self._place):
            member = await answer

        return [message for message in messages if member and self.keeps(message)]

    async def _ask(self) -> None:
        self._asked_at = time.monotonic()
        with Translated(self._place):
            await self._consumer.pause(await self._consumer.assignment())
            try:
                await self._consume(1, 0.0)
            finally:
                await self._consumer.resume(await self._consumer.assignment())

    async def _welcome(self, consumer: Any, places: list[Any]) -> None:  # the library's
        """Partitions are this worker's from now on."""
        self._assigned |= {place.partition for place in places}

    async def _give_way(self, consumer: Any, places: list[Any]) -> None:
        """Partitions are taken away: settle what was taken of them, and commit it, in this call."""
        unsent = {(raw.partition(), raw.offset()) for raw in self._stash}  # and never will be
        partitions = self._leave(places)
        try:
            end = time.monotonic() + (0.0 if self._closing else YIELD_SECONDS)
            while time.monotonic() < end and not all_idle(self._offsets, partitions, but=unsent):
                await self._membership.answer()
                await asyncio.sleep(FLOCK_SECONDS)

            with suppress(Exception):
                await self._commit(partitions)
        finally:
            self._forget(partitions)

    async def _lose(self, consumer: Any, places: list[Any]) -> None:  # the library's
        """Partitions are another worker's already."""
        self._forget(self._leave(places))

    def _leave(self, places: list[Any]) -> set[int]:
        """Nothing more of these partitions is passed on; which ones they are."""
        partitions = {place.partition for place in places}
        self._assigned -= partitions
        self._stash = [raw for raw in self._stash if raw.partition() not in partitions]
        return partitions

    def _forget(self, partitions: set[int]) -> None:
        self.losses += 1
        for partition in partitions:
            self._offsets.pop(partition, None)

    def deleted(self) -> list[MessagesDeleted]:
        deleted, self._deleted = self._deleted, []
        return deleted

    async def close(self) -> None:
        await self._view.close()
        consumer, self._consumer = self._consumer, None
        self._closing = True
        if consumer is not None:
            self._consumer = consumer  # giving way commits by it
            with suppress(Exception):
                await consumer.close()

            self._consumer = None

    async def look(self) -> str:
        return await self._view.look()

    async def backlog(self) -> Backlog:
        return Backlog(waiting=await self._view.waiting())

    async def peek(self, most: int) -> list[Message]:
        return await self._view.peek(most)
