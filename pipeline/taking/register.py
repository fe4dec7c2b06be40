"""The register: what was taken, told apart, and written down in the journal.

It is written down twice. As soon as a message is there, that it is: should this process be killed
before anything of it is sent, the next one knows that nobody has sent it, whatever the queue says.
And, once it is known how many contacts it holds, which positions they have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..intake.queues.custody import Custody
    from ..intake.queues.message import Message
    from ..settling.journal import Journal
    from ..settling.messages import Placed

__all__ = ("Register",)


class Register:
    """Of one source."""

    def __init__(self, name: str, *, custody: Custody, journal: Journal, notes: bool) -> None:
        """`notes`: what is there is written down before it has positions.

        Of no use where the queue itself tells what this worker had, or where doubt counts nothing.
        """
        self._name = name
        self._custody = custody
        self._journal = journal
        self._notes = notes

    async def arrived(self, taken: Sequence[Message]) -> Sequence[Message]:
        """Write down that these are there; each with what it is known by from now on."""
        if any(message.anonymous for message in taken):
            taken = await self._named(taken)

        if self._notes:
            name, custody = self._name, self._custody
            fresh = [
                each.identity
                for each in taken
                if not each.redelivered and each.identity not in custody
            ]
            if fresh:
                await self._journal.within(lambda store: store.messages.arrived(name, fresh))

        return taken

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
            known = (*missed[digest], *self._custody.expected(digest))
            found = (each for each in known if self._is_again(message, each))
            identity = next((each for each in found if each not in given), None)
            identity = identity or f"{digest}.{uuid4().hex}"
            given.add(identity)
            named.append(replace(message, identity=identity))

        return named

    def _is_again(self, message: Message, missed: str) -> bool:
        """Whether it may be the one that is missed: what is here comes again by another line."""
        if missed in self._custody:
            return not self._custody.came_by(missed, message.line)

        return message.redelivered

    async def place(self, messages: Sequence[Message], counts: Sequence[int]) -> list[Placed]:
        """Write down how many contacts each holds, and learn which positions they have."""
        name = self._name
        wanted = [
            (each.identity, count, each.redelivered)
            for each, count in zip(messages, counts, strict=True)
        ]
        return await self._journal.within(lambda store: store.messages.take(name, wanted))
