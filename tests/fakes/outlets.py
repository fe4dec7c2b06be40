"""A queue in memory that is written to: it can break off, forget, and be asked how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.intake.queues.message import QueueLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.intake.queues.outlet import Outgoing

__all__ = ("Killed", "MemoryOutlet")


class Killed(BaseException):
    """The process ends here."""


@dataclass
class MemoryOutlet:
    """`faults` are what becomes of the next calls of `put`, one each: a number of messages that it
    takes before it breaks off, an error that it raises then; None where all goes well. A
    QueueLostError tells of those that it took.

    `tells`: whether it knows up to which record it has something, as Redis does.
    """

    tells: bool = False
    faults: list[tuple[int, BaseException] | None] = field(default_factory=list)
    messages: list[Outgoing] = field(default_factory=list)
    puts: int = 0
    known: dict[str, int] = field(default_factory=dict)

    async def open(self, name: str) -> int:
        return self.known.get(name, 0) if self.tells else 0

    async def put(self, name: str, messages: Sequence[Outgoing]) -> None:
        self.puts += 1
        taken, error = (self.faults and self.faults.pop(0)) or (len(messages), None)
        self.messages += messages[:taken]
        if taken:
            self.known[name] = messages[taken - 1].last

        if isinstance(error, QueueLostError):
            confirmed = [each.identity for each in messages[:taken]]
            raise QueueLostError(str(error), confirmed=confirmed)

        if error is not None:
            raise error

    async def close(self) -> None:
        """It is there for the next process."""

    @property
    def identities(self) -> list[str]:
        return [each.identity for each in self.messages]
