"""NATS JetStream: a pull consumer that all workers of a group share, durable under its name.

A message that is not acknowledged goes out again after `claim_idle_seconds`, or what the consumer
was made with, to whoever asks; the server says how often it did, and not to whom. The group's
consumer and, where nobody has made it, the stream (subject and name alike) are made when they are
first needed.

A message is this worker's until `ack_wait` after it went out, or after the server heard that it is
being worked on. By then it must have heard it: of a message that it gave to somebody else it takes
that word too, and says nothing. So what was not extended in time is sent only if it comes again.

A stream that is limited in age or size deletes its oldest messages, whoever has taken them or not.
What was deleted before anybody had taken it is told. Of what somebody had taken the server forgets
with the message that it was being worked on: nothing can be told of that.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...errors import SourceError
from ...events import MessagesDeleted
from ..extras import need
from .elapsed import Elapsed
from .message import Backlog, LeftByTime, Message, QueueLostError, known_as
from .nats_gaps import Gaps
from .nats_line import CONNECT_SECONDS, IDENTITY, Translated, connected, hang_up, make_stream
from .nats_pull import Pull

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .nats_gaps import Gap
    from .place import Place

__all__ = ("NatsStream",)

MOST_AT_ONCE: Final = 500
"""Messages that are asked for together: what arrives in the moment of a crash is in doubt."""

MOST_UNACKNOWLEDGED: Final = 100_000


class NatsStream(LeftByTime):
    """A stream, read by a group's consumer."""

    knows_workers: bool = False

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client: Any = None
        self._context: Any = None
        self._pull: Pull | None = None
        self._claim_seconds = place.policy.claim_idle_seconds
        self._gaps: Gaps | None = None
        self._deleted: list[MessagesDeleted] = []

    @property
    def extend_seconds(self) -> float:  # what the consumer was made with counts, once it is known
        return self._claim_seconds / 4

    @property
    def hold_seconds(self) -> float:
        return self._claim_seconds

    async def open(self, worker: str, *, fresh: bool) -> None:  # the broker knows no workers
        await self.close()
        self._client = await connected(self._place)
        self._context = self._client.jetstream(timeout=CONNECT_SECONDS)
        with Translated(self._place):
            if (info := await self._consumer()) is None:
                await self._make_consumer(fresh=fresh)
                info = await self._consumer()  # another worker's may be there instead

            self._gaps = await self._gaps_after(info)
            self._pull = await Pull.opened(self._client, self._place)

    async def _consumer(self) -> Any:
        errors = need("nats.js.errors", extra="nats", what=self._place.label)
        try:
            info = await self._context.consumer_info(self._place.queue, self._place.group)
        except errors.NotFoundError:
            return None

        if info.config.ack_policy != "explicit":
            raise SourceError(
                f"{self._place.label}: consumer {self._place.group} has the ack policy "
                f"{str(info.config.ack_policy)!r}, by which messages are done with that are still "
                'being worked on. Make it anew with "explicit", or name another [source] group'
            )

        waits = (*(info.config.backoff or ()), info.config.ack_wait)
        self._claim_seconds = min((each for each in waits if each), default=self._claim_seconds)
        return info

    async def _gaps_after(self, info: Any) -> Gaps | None:
        """What finds gaps from now on; None where the consumer passes over what is not for it."""
        wanted = {*(info.config.filter_subjects or ()), info.config.filter_subject} - {None, ""}
        if wanted:
            subjects = (await self._context.stream_info(self._place.queue)).config.subjects
            if not subjects or not wanted.issuperset(subjects):
                return None

        return Gaps(delivery=info.delivered.consumer_seq, number=info.delivered.stream_seq)

    async def _make_consumer(self, *, fresh: bool) -> None:
        errors = need("nats.js.errors", extra="nats", what=self._place.label)
        api = need("nats.js.api", extra="nats", what=self._place.label)
        if not fresh:
            raise SourceError(
                f"{self._place.label} has no consumer {self._place.group} any more, from which "
                "this run has taken contacts: a new one would begin with the first message, and "
                "send them again. Make it where it is to go on"
            )

        await make_stream(self._context, self._place)
        with suppress(errors.BadRequestError):  # another worker was faster
            await self._context.add_consumer(
                self._place.queue,
                config=api.ConsumerConfig(
                    durable_name=self._place.group,
                    ack_policy=api.AckPolicy.EXPLICIT,
                    ack_wait=self._place.policy.claim_idle_seconds,
                    max_ack_pending=MOST_UNACKNOWLEDGED,
                    max_deliver=-1,
                ),
            )

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        if self._pull is None:
            raise QueueLostError("it is not open")

        with Translated(self._place):
            self._check()
            taken = await self._pull.there(min(most, MOST_AT_ONCE))
            if not taken:
                taken = await self._pull.coming(wait_seconds)

        await self._look_for_gaps(taken)
        return [_message(each) for each in taken]

    async def _look_for_gaps(self, taken: Sequence[Any]) -> None:
        """Note what the stream has deleted before these; a line that breaks is found out later."""
        if self._gaps is None:
            return

        told = [each.metadata for each in taken]
        firsts = [
            (each.sequence.consumer, each.sequence.stream)
            for each in told
            if each.num_delivered == 1
        ]
        if gaps := self._gaps.found(firsts):
            with suppress(QueueLostError, SourceError), Translated(self._place):
                first = (await self._context.stream_info(self._place.queue)).state.first_seq
                self._deleted += [
                    self._told(gone) for gap in gaps if (gone := gap.before(first)) is not None
                ]

    def _told(self, gone: Gap) -> MessagesDeleted:
        numbers = f"{gone.begin} to {gone.end - 1}"
        return MessagesDeleted(
            queue=self._place.label,
            group=self._place.group,
            messages=gone.messages,
            bound="" if gone.is_whole else "at least",
            where=f"(sequences {numbers})" if gone.is_whole else f"(of sequences {numbers})",
            taken=False,
            limits="max_age, max_msgs and max_bytes of the stream",
        )

    def deleted(self) -> list[MessagesDeleted]:
        deleted, self._deleted = self._deleted, []
        return deleted

    def _check(self) -> None:
        """Raise QueueLostError where the connection is gone: the client itself would wait."""
        if self._client is None or not self._client.is_connected:
            raise QueueLostError("the connection is gone")

    def finish(self, messages: Sequence[Message]) -> None:
        """It is enough to acknowledge them."""

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        await self._say(b"+ACK", messages)
        with Translated(self._place):
            await self._client.flush(CONNECT_SECONDS)

        return list(messages)

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._say(b"-NAK", messages)

    async def extend(self, messages: Sequence[Message], *, age_seconds: float) -> Sequence[Message]:
        if age_seconds >= self.hold_seconds:  # another worker's, perhaps, whose time it would be
            return []

        elapsed = Elapsed()
        await self._say(b"+WPI", messages)
        with Translated(self._place):
            await self._client.flush(CONNECT_SECONDS)

        return messages if age_seconds + elapsed() < self.hold_seconds else []

    async def _say(self, word: bytes, messages: Sequence[Message]) -> None:
        with Translated(self._place):
            self._check()
            for message in messages:
                await self._client.publish(message.handle, word)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await hang_up(client)

    async def look(self) -> str:
        await self._look()
        info = await self._consumer()
        if info is not None:
            return (
                f"group {self._place.group}: {info.num_pending:,} messages wait, "
                f"{info.num_ack_pending:,} are being worked on"
            )

        if (state := await self._state()) is None:
            return "the stream is not there yet; it is made when it is first used"

        will = f"group {self._place.group} will be made, from the first on"
        return f"{state.messages:,} messages; {will}"

    async def backlog(self) -> Backlog:
        with Translated(self._place):
            await self._look()
            self._check()
            info = await self._consumer()
            if info is not None:
                waiting, taken = info.num_pending, info.num_ack_pending
                first = info.ack_floor.stream_seq + 1
            elif (state := await self._state()) is not None:
                waiting, taken, first = state.messages, 0, state.first_seq
            else:
                return Backlog(waiting=0, taken=0, oldest_seconds=0.0)

            age = await self._age(first) if waiting or taken else 0.0

        return Backlog(waiting=waiting, taken=taken, oldest_seconds=age)

    async def _state(self) -> Any:
        """How the stream stands; None where it is not there yet."""
        errors = need("nats.js.errors", extra="nats", what=self._place.label)
        try:
            return (await self._context.stream_info(self._place.queue)).state
        except errors.NotFoundError:
            return None

    async def _age(self, sequence: int) -> float | None:
        """How long ago a message was put; None where that is not to be learnt."""
        errors = need("nats.js.errors", extra="nats", what=self._place.label)
        try:
            put_at = (await self._context.get_msg(self._place.queue, sequence)).time
        except errors.NotFoundError:  # it was deleted
            return None

        return None if put_at is None else max(0.0, time.time() - put_at.timestamp())

    async def peek(self, most: int) -> list[Message]:
        await self._look()
        errors = need("nats.js.errors", extra="nats", what=self._place.label)
        info, seen = await self._consumer(), []
        try:
            state = (await self._context.stream_info(self._place.queue)).state
            first = state.first_seq if info is None else info.delivered.stream_seq + 1
            for sequence in range(first, min(first + most, state.last_seq + 1)):
                with suppress(errors.NotFoundError):  # deleted meanwhile
                    raw = await self._context.get_msg(self._place.queue, sequence)
                    seen.append(Message(identity=str(sequence), body=raw.data or b""))
        except errors.NotFoundError:
            return []

        return seen

    async def _look(self) -> None:
        if self._client is None:
            self._client = await connected(self._place)
            self._context = self._client.jetstream(timeout=CONNECT_SECONDS)


def _message(raw: Any) -> Message:
    told = raw.metadata
    given = (raw.headers or {}).get(IDENTITY)
    return Message(
        identity=known_as(given or str(told.sequence.stream), raw.data),
        body=raw.data,
        redelivered=(told.num_delivered or 1) > 1,
        handle=raw.reply,
    )
