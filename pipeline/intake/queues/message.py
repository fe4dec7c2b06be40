"""What a message is, and what a queue can do: take, extend, acknowledge."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ...events import MessagesDeleted

__all__ = (
    "Backlog",
    "LeftByTime",
    "Message",
    "Queue",
    "QueueLostError",
    "digest_of",
    "known_as",
)


class QueueLostError(Exception):
    """The queue cannot be talked to just now; open it again. Its text is a sentence's end.

    `confirmed`: the identities of those messages that were to be put, and that it has for good.
    """

    def __init__(self, told: str, *, confirmed: Iterable[str] = ()) -> None:
        super().__init__(told)
        self.confirmed = frozenset(confirmed)


def digest_of(body: bytes) -> str:
    """What tells what a message holds from what any other does."""
    return blake2b(body, digest_size=10).hexdigest()


def known_as(name: str, body: bytes) -> str:
    """The identity of a message that its producer or its broker calls `name`.

    Producers are free to give a name twice, and a broker's numbers begin again where a queue is
    made anew: another message of the same name is another one.
    """
    return f"{name.encode('utf-8', 'backslashreplace').decode()}#{digest_of(body)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it was delivered.

    `redelivered`: the queue gave it out before, to whom this worker cannot know. `anonymous`: its
    identity is what it holds, which another message may hold, too; `line` says by which opening of
    the queue, or assignment of its partition, it came, and by one it comes once.
    `handle` is what the queue needs to acknowledge this very delivery.
    """

    identity: str
    body: bytes = field(repr=False)
    redelivered: bool = False
    anonymous: bool = False
    line: int = 0
    handle: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What lies on a queue for a group, as far as the broker tells; None where it does not.

    `waiting`: messages that nobody has taken. `taken`: those that a worker, whichever, is working
    on; None also where they count among those that wait. `oldest_seconds`: how long ago the oldest
    of all these was put there, 0 where there is none.
    """

    waiting: int | None
    taken: int | None = None
    oldest_seconds: float | None = None


class LeftByTime:
    """A queue that takes nothing away before its time, whatever becomes of the line to it."""

    losses: int = 0

    def keeps(self, message: Message) -> bool:
        """See Queue: time alone decides."""
        return True


class Queue(Protocol):
    """A queue as one worker uses it. No method is cancelled in the middle.

    Every method raises QueueLostError where opening the queue again may mend it, and SourceError
    where somebody must see to it.
    """

    @property
    def extend_seconds(self) -> float | None:
        """How often what is held must be extended; None where holding costs nothing."""

    @property
    def hold_seconds(self) -> float:
        """For how long the broker leaves what it gave, or what was extended, to this worker."""

    @property
    def losses(self) -> int:
        """Another number once the broker may have taken away some of what it gave; 0: nothing."""

    def keeps(self, message: Message) -> bool:
        """Whether nothing is known by which the broker has taken this delivery away."""

    @property
    def knows_workers(self) -> bool:
        """Whether it tells what this worker had before from what another one had."""

    async def open(self, worker: str, *, fresh: bool) -> None:
        """Connect; may be called again after QueueLostError, and then begins with what is pending.

        `worker` is this worker's name, the same after a restart. `fresh`: it has never taken
        anything, so that the group may be made where there is none.
        """

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        """Up to `most` messages; none if there are none for that long."""

    def finish(self, messages: Sequence[Message]) -> None:
        """These are done with, and will be acknowledged; called whatever else is going on.

        Says nothing to the queue yet.
        """

    async def acknowledge(self, messages: Sequence[Message]) -> list[Message]:
        """Have the queue forget these; returns those that it was told of.

        The others were delivered by a connection that is gone: they come again.
        """

    async def give_back(self, messages: Sequence[Message]) -> None:
        """Nothing of these was begun, nor will be: whoever asks may have them at once."""

    async def extend(
        self, messages: Sequence[Message], *, age_seconds: float
    ) -> Collection[Message]:
        """These are still being worked on; which of them nobody else can have been given.

        All were sure to be this worker's `age_seconds` before this was called, or later.
        """

    def deleted(self) -> list[MessagesDeleted]:
        """What the queue was seen to have deleted since this was last asked."""

    async def close(self) -> None:
        """Leave in good order; what is not acknowledged stays with the queue. Never raises."""

    async def look(self) -> str:
        """Say what is there, for a person; changes nothing."""

    async def backlog(self) -> Backlog:
        """What lies there; changes nothing, and needs no `open`. A client is asked that alone."""

    async def peek(self, most: int) -> list[Message]:
        """See up to `most` messages that nobody has taken; none where seeing would be taking."""
