"""Redis and Valkey Streams, written to: entries and the progress of it in one transaction."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .redis_line import BODY, IDENTITY, Translated, connected, first_met

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outlet import Outgoing
    from .place import Place

__all__ = ("RedisOutlet",)


class RedisOutlet:
    """A stream that is written to; how far, is kept in a key: `<stream>:enqueued:<name>`."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._redis: Any = None

    async def open(self, name: str) -> int:
        await self.close()
        self._redis = connected(self._place)
        async with first_met(self._place):
            return int(await self._redis.get(self._key(name)) or 0)

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:
        with Translated(self._place):
            async with self._redis.pipeline(transaction=True) as pipe:
                for message in messages:
                    fields = {IDENTITY: message.identity, BODY: message.body}
                    pipe.xadd(self._place.queue, fields)

                pipe.set(self._key(name), messages[-1].last)
                await pipe.execute()

    def _key(self, name: str) -> str:
        return f"{self._place.queue}:enqueued:{name}"

    async def close(self) -> None:
        if self._redis is not None:
            with suppress(Exception):
                await self._redis.aclose()

            self._redis = None
