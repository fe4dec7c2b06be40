"""Redis and Valkey Streams: a consumer group, of which this worker is one consumer.

What was delivered to a consumer and not acknowledged is pending for its name until it is. So the
worker's own pending entries come first whenever it opens the stream: nobody else had them. What
another worker left pending for `claim_idle_seconds` is claimed, under a name beside this worker's
own, which keeps it apart for good: `redelivered`.

What an entry holds is told in `redis_entries.py`.

A pending entry is this worker's until it has lain idle for `claim_idle_seconds`, by the server's
clock: delivering and claiming begin that anew. What may have lain so long is claimed back only if
it was idle for longer than any other worker can have had it; the server decides that in one step.

Whoever trims the stream removes entries whether they were read or not. What was removed before the
group was given it is told, and what was pending for a worker then.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ...errors import SourceError
from ...events import MessagesDeleted
from ..extras import need
from .elapsed import Elapsed
from .message import LeftByTime
from .redis_entries import messages_of
from .redis_gaps import Gaps, counts_rightly
from .redis_groups import backlog_of, group_of, trim
from .redis_line import Translated, connected, first_met

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .message import Backlog, Message
    from .place import Place

__all__ = ("RedisStream",)

TRIM_EVERY_SECONDS: Final = 10.0
LOOK_EVERY_SECONDS: Final = 1.0
"""The answer holds two entries whole: every now and then it is looked whether some are gone."""


class RedisStream(LeftByTime):
    """A stream, read by a group."""

    knows_workers: bool = True

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stream, self._group = place.queue, place.group
        self._redis: Any = None
        self._worker = ""
        self._pending: dict[str, str | None] = {}  # consumer -> up to which entry; None: all read
        self._claim_at = self._trim_at = self._look_at = 0.0
        self._gaps: Gaps | None = None  # until it was open once
        self._reopened = False
        self._deleted: list[MessagesDeleted] = []

    @property
    def extend_seconds(self) -> float:
        return self._place.policy.claim_idle_seconds / 4

    @property
    def hold_seconds(self) -> float:
        return self._place.policy.claim_idle_seconds

    @property
    def _idle_ms(self) -> int:
        return round(1000 * self._place.policy.claim_idle_seconds)

    @property
    def _claimed(self) -> str:
        return f"{self._worker}.claimed"

    async def open(self, worker: str, *, fresh: bool) -> None:
        await self.close()
        self._worker = worker
        self._redis = connected(self._place)
        self._reopened = self._gaps is not None
        self._pending = dict.fromkeys((self._worker, self._claimed), "0")
        async with first_met(self._place):
            if await self._found_group() is None:
                await self._make_group(fresh=fresh)

            if self._gaps is None:
                self._gaps = Gaps(rightly=await self._counts_rightly())

    async def _counts_rightly(self) -> bool:
        errors = need("redis.exceptions", extra="redis", what=self._place.label)
        try:
            return counts_rightly(await self._redis.info("server"))
        except errors.ResponseError:  # it may not be asked
            return False

    async def _found_group(self) -> dict[str, Any] | None:
        return await group_of(self._redis, self._stream, self._group)

    async def _make_group(self, *, fresh: bool) -> None:
        if not fresh and await self._redis.exists(self._stream):
            raise SourceError(
                f"{self._place.label} has no group {self._group} any more, from which this run has "
                "taken contacts: a new one would begin with the first entry, and send them again. "
                f"Make it where it is to go on: XGROUP CREATE {self._stream} {self._group} ID"
            )

        errors = need("redis.exceptions", extra="redis", what=self._place.label)
        with suppress(errors.ResponseError):  # BUSYGROUP: another worker was faster
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        with self._translated():
            return await self._take_pending(most) or await self._take_new(most, wait_seconds)

    async def _take_pending(self, most: int) -> list[Message]:
        for consumer, after in self._pending.items():
            if after is None:
                continue

            entries = await self._read(consumer, after, most)
            self._pending[consumer] = entries[-1][0].decode() if entries else None
            if entries:
                gone = [entry_id for entry_id, fields in entries if not fields]
                # The stream was trimmed. What this very process took it has, and sends.
                if gone and not self._reopened:
                    await self._redis.xack(self._stream, self._group, *gone)
                    self._note_taken(gone)

                return list(messages_of(entries, redelivered=consumer == self._claimed))

        return []

    async def _take_new(self, most: int, wait_seconds: float) -> list[Message]:
        if time.monotonic() >= self._claim_at:
            claimed = await self._claim(most)
            if claimed:
                return claimed

        await self._look_for_gaps()
        block = max(1, round(1000 * wait_seconds))
        return list(messages_of(await self._read(self._worker, ">", most, block=block)))

    async def _read(
        self, consumer: str, after: str, most: int, *, block: int | None = None
    ) -> list[tuple[bytes, Mapping[bytes, bytes]]]:
        answer = await self._redis.xreadgroup(
            self._group, consumer, {self._stream: after}, count=most, block=block
        )
        if not answer:
            return []

        (entries,) = answer.values() if isinstance(answer, dict) else [answer[0][1]]
        # RESP3 wraps the entries of a stream in a list.
        return entries[0] if entries and isinstance(entries[0], list) else entries

    async def _claim(self, most: int) -> list[Message]:
        """Claim what another worker has left, if there is anything."""
        _, entries, *gone = await self._redis.xautoclaim(
            self._stream, self._group, self._claimed, self._idle_ms, "0-0", count=most
        )
        self._note_taken(*gone)
        if not entries:
            self._claim_at = time.monotonic() + min(10.0, self.extend_seconds)

        return list(messages_of(entries, redelivered=True))

    async def _look_for_gaps(self) -> None:
        """Note what was trimmed before the group was given it."""
        if self._gaps is None or time.monotonic() < self._look_at:
            return

        self._look_at = time.monotonic() + LOOK_EVERY_SECONDS
        stream, group = await self._redis.xinfo_stream(self._stream), await self._found_group()
        if group is not None and (gap := self._gaps.found(stream, group)) is not None:
            self._note(gap.messages, gap.where, taken=False)

    def _note_taken(self, gone: Sequence[bytes] = ()) -> None:
        """Note that entries are gone that were pending for a worker."""
        if gone:
            where = f"(of entries {gone[0].decode()} to {gone[-1].decode()})"
            self._note(len(gone), where, taken=True)

    def _note(self, messages: int, where: str, *, taken: bool) -> None:
        self._deleted.append(
            MessagesDeleted(
                queue=self._place.label,
                group=self._group,
                messages=messages,
                where=where,
                taken=taken,
                limits="whoever trims the stream",
            )
        )

    def deleted(self) -> list[MessagesDeleted]:
        deleted, self._deleted = self._deleted, []
        return deleted

    def finish(self, messages: Sequence[Message]) -> None:
        """It is enough to acknowledge them."""

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        with self._translated():
            if ids := [message.handle for message in messages]:
                await self._redis.xack(self._stream, self._group, *ids)

            if self._place.policy.trim and time.monotonic() >= self._trim_at:
                self._trim_at = time.monotonic() + TRIM_EVERY_SECONDS
                await self._trim()

        return list(messages)

    async def _trim(self) -> None:
        errors = need("redis.exceptions", extra="redis", what=self._place.label)
        try:
            await trim(self._redis, self._stream)
        except (errors.NoPermissionError, errors.NoScriptError) as error:
            raise SourceError(
                f"{self._place.label} cannot be trimmed: {error}. Let its user do EVAL, XINFO, "
                "XPENDING and XTRIM, or take [source] trim out"
            ) from error

    async def give_back(self, messages: Sequence[Message]) -> None:
        await self._idle(messages, self._idle_ms)

    async def extend(self, messages: Sequence[Message], *, age_seconds: float) -> list[Message]:
        """Nobody else claims them before they are as old as `hold_seconds`.

        Another's have been idle since for less than their age less that, ours for their age: what
        lies between tells them apart. An entry that is in time and not there was deleted from the
        stream: nobody can be given it, and who has taken it sends it.
        """
        elapsed = Elapsed()
        least = max(0.0, age_seconds - self.hold_seconds / 2)
        claimed = await self._idle(messages, 0, least_ms=round(1000 * least))
        late = elapsed() >= self.hold_seconds / 2
        if not least:
            return [] if late else list(messages)

        return [] if late else [each for each in messages if each.handle in claimed]

    async def _idle(
        self, messages: Sequence[Message], milliseconds: int, *, least_ms: int = 0
    ) -> set[bytes]:
        """Have the server believe that these were idle for so long, if for `least_ms` they were.

        Returns the ids of those that were, and are pending.
        """
        found = set[bytes]()
        with self._translated():
            for consumer, redelivered in ((self._worker, False), (self._claimed, True)):
                ids = [each.handle for each in messages if each.redelivered is redelivered]
                for begin in range(0, len(ids), 1_000):
                    some = ids[begin : begin + 1_000]
                    claimed = (self._stream, self._group, consumer, least_ms, some)
                    found.update(await self._redis.xclaim(*claimed, idle=milliseconds, justid=True))

        return found

    async def close(self) -> None:
        if self._redis is not None:
            with suppress(Exception):
                await self._redis.aclose()

            self._redis = None

    async def look(self) -> str:
        self._redis = self._redis or connected(self._place)
        async with first_met(self._place):
            if not await self._redis.exists(self._stream):
                return "the stream is not there yet; it is made when it is first used"

            group = await self._found_group()
            if group is None:
                length = await self._redis.xlen(self._stream)
                return f"{length:,} entries; group {self._group} will be made, from the first on"

            told = await backlog_of(self._redis, self._stream, self._group)
            waiting = "entries" if told.waiting is None else f"{told.waiting:,} entries"
            return f"group {self._group}: {waiting} wait, {told.taken:,} are being worked on"

    async def backlog(self) -> Backlog:
        self._redis = self._redis or connected(self._place)
        with self._translated():
            return await backlog_of(self._redis, self._stream, self._group)

    async def peek(self, most: int) -> list[Message]:
        self._redis = self._redis or connected(self._place)
        with self._translated():
            group = await self._found_group()
            after = b"-" if group is None else b"(" + group["last-delivered-id"]
            return list(messages_of(await self._redis.xrange(self._stream, min=after, count=most)))

    def _translated(self) -> Translated:
        return Translated(self._place)
