"""NATS JetStream, written to: the stream's last message says how far it came."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..extras import need
from .nats_line import CONNECT_SECONDS, IDENTITY, Translated, connected, hang_up, make_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .outlet import Outgoing
    from .place import Place

__all__ = ("NatsOutlet",)

ANSWER_SECONDS = 30


class NatsOutlet:
    """A stream that is written to. What is put twice within its window, it takes once."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._client: Any = None
        self._context: Any = None

    async def open(self, name: str) -> int:
        await self.close()
        self._client = await connected(self._place)
        self._context = self._client.jetstream(timeout=CONNECT_SECONDS)
        errors = need("nats.js.errors", extra="nats", what=self._place.label)
        with Translated(self._place):
            await make_stream(self._context, self._place)
            info = await self._context.stream_info(self._place.queue)
            if not info.state.messages:
                return 0

            try:
                last = await self._context.get_msg(self._place.queue, info.state.last_seq)
            except errors.NotFoundError:
                return 0

        key, _, place = (last.headers or {}).get(IDENTITY, "").partition("-")
        return int(place.rpartition("-")[2]) if key == name else 0

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:  # see open
        with Translated(self._place):
            under_way = [
                await self._context.publish_async(
                    self._place.queue, message.body, headers={IDENTITY: message.identity}
                )
                for message in messages
            ]
            await asyncio.wait_for(asyncio.gather(*under_way), ANSWER_SECONDS)

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await hang_up(client)
