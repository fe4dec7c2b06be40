"""Membership: whether a worker is still of its group, found out by whoever has the client.

While messages are waited for, or a partition is given away, nobody else may speak to the client. So
who wants to know leaves a question, which is answered where the client is at hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .kafka_line import InGroup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .place import Place

__all__ = ("Membership",)


class Membership:
    """A commit tells: the group refuses it from whoever is none of its members any more."""

    def __init__(self, place: Place, commit: Callable[[], Awaitable[None]]) -> None:
        self._place = place
        self._commit = commit
        self._question: asyncio.Future[bool] | None = None

    def ask(self) -> asyncio.Future[bool]:
        """What `answer` finds out next; raises what the commit raises."""
        self._question = self._question or asyncio.get_running_loop().create_future()
        return self._question

    async def answer(self) -> None:
        """Commit, if anybody asks."""
        question, self._question = self._question, None
        if question is None:
            return

        member = False
        try:
            with InGroup(self._place):
                await self._commit()
                member = True
        except Exception as error:  # noqa: BLE001  # whoever asks is told
            question.set_exception(error)
            question.exception()  # which may be nobody by then
        else:
            question.set_result(member)
