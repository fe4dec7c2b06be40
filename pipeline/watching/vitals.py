"""Vitals: what a monitor sees of a run, counted from its events since this process began.

`note` takes an event at once, so it may be subscribed to the Emitter as it is; it is told the time
by the clock it was made with. Nothing here knows a contact: there are counts, times and words.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from enum import StrEnum
from typing import TYPE_CHECKING

from ..events import (
    AttemptFailed,
    BacklogSeen,
    BatchSealed,
    BatchSettled,
    ChunkRead,
    CoordinationLost,
    CoordinationRegained,
    DrainStarted,
    Event,
    FilesSeen,
    MessagesDeleted,
    QueueLost,
    QueueRegained,
    ReadingEnded,
    ReadingStarted,
    RequestEnded,
    RequestStarted,
    RunEnded,
    RunHalted,
    RunStarted,
    TokenRenewed,
)
from .latency import Latency

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Phase", "Vitals")


class Phase(StrEnum):
    """How far a run is; its value is what people read."""

    STARTING = "starting"  # it looks at its source, its journal, the event's fields
    RUNNING = "running"
    DRAINING = "draining"  # it takes no more, and finishes what is begun
    HALTED = "halted"  # sending again cannot mend it; the process is about to end
    ENDED = "ended"


class Vitals:
    """The vitals of one process."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._chunks: deque[tuple[int, float]] = deque()  # all that was read by then, and when
        self._under_way: dict[int, float] = {}  # requests by their batch, and since when
        self.run_id: str | None = None
        self.phase = Phase.STARTING
        self.reading = False
        """Whether the source is open and read."""
        self.queue_lost = False
        """Whether it is a queue that cannot be talked to just now."""
        self.uncoordinated = False
        """Whether nothing is sent because other workers cannot be asked for their part."""
        self.waiting_messages: int | None = None
        """How many messages on the queue nobody has taken, where that is known."""
        self.taken_messages: int | None = None
        """How many of them its workers, of all machines, are working on, where that is known."""
        self._oldest_message: tuple[float, float] | None = None  # its age, and when it was told
        self.deleted_messages = Counter({"untaken": 0, "taken": 0})
        """Messages that the queue has deleted before they were done with, by how far they were."""
        self.waiting_files: int | None = None
        """How many files lie in a watched folder; None where none is watched."""
        self.read = 0
        self.share: float | None = None
        """How much of all sources has been read, 0 to 1, where that can be told."""
        self.settled = Counter({"accepted": 0, "rejected": 0, "unknown": 0})
        self.batches: Counter[str] = Counter()
        """Sealed batches, by what sealed them."""
        self.requests: Counter[str] = Counter()
        """Requests that ended, by status; "none" where no answer came."""
        self.latency = Latency()
        self.retries = 0
        self.tokens = 0
        self._token_at: float | None = None
        self._token_lifetime = 0.0
        self._heard_at: float | None = None

    def note(self, event: Event) -> None:
        """Count `event`. Returns at once."""
        match event:
            case RequestStarted():
                self._under_way[event.batch_id] = self._clock()
            case RequestEnded():
                self._under_way.pop(event.batch_id, None)
                self.requests[str(event.status or "none")] += 1
                self.latency.add(event.seconds)
            case BatchSettled():
                self.settled[event.outcome] += event.contacts
                self._forget_chunks()
            case ChunkRead():
                self._take(event)
            case BatchSealed():
                self.batches[event.trigger] += 1
            case AttemptFailed():
                self.retries += 1
            case _:
                self._turn(event)

    def _turn(self, event: Event) -> None:
        """Remember what happens once in a while."""
        match event:
            case TokenRenewed():
                self.tokens += event.asked
                self._token_at, self._token_lifetime = self._clock(), event.lifetime_seconds
            case RunStarted():
                self.run_id = event.run_id
            case ReadingStarted():
                self.reading, self.phase = True, Phase.RUNNING
            case ReadingEnded():
                self.reading = False
            case FilesSeen() | BacklogSeen():
                self._see(event)
            case DrainStarted():
                self.phase = Phase.DRAINING
            case RunHalted():
                self.phase = Phase.HALTED
            case RunEnded():
                self.phase = Phase.ENDED
            case _:
                self._lose(event)

    def _lose(self, event: Event) -> None:
        """Remember what is away, whether it comes back or not."""
        match event:
            case QueueLost() | QueueRegained():
                self.queue_lost = isinstance(event, QueueLost)
            case MessagesDeleted():
                self.deleted_messages["taken" if event.taken else "untaken"] += event.messages
            case CoordinationLost() | CoordinationRegained():
                self.uncoordinated = isinstance(event, CoordinationLost)

    def _see(self, event: FilesSeen | BacklogSeen) -> None:
        if isinstance(event, FilesSeen):
            self.waiting_files = event.files
            return

        age = event.oldest_seconds
        self.waiting_messages, self.taken_messages = event.waiting, event.taken
        self._oldest_message = None if age is None else (age, self._clock())

    def _take(self, event: ChunkRead) -> None:
        self.read += event.records
        self.share = event.share
        self._heard_at = self._clock()
        self._chunks.append((self.read, self._heard_at))

    def _forget_chunks(self) -> None:
        done = self.settled.total()
        while self._chunks and self._chunks[0][0] <= done:
            self._chunks.popleft()

    @property
    def up(self) -> bool:
        """Whether the source is read just now."""
        return self.reading and not self.queue_lost

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._under_way)

    @property
    def unsettled(self) -> int:
        """Contacts that were read and have no outcome yet."""
        return max(0, self.read - self.settled.total())

    @property
    def token_age_seconds(self) -> float | None:
        """How long ago the token was obtained; None before the first."""
        return None if self._token_at is None else self._clock() - self._token_at

    @property
    def token_lifetime_seconds(self) -> float | None:
        """How long Marketing Cloud said it would live."""
        return None if self._token_at is None else self._token_lifetime

    @property
    def quiet_seconds(self) -> float | None:
        """How long ago the source last gave something; None where it never did."""
        return None if self._heard_at is None else self._clock() - self._heard_at

    @property
    def oldest_message_seconds(self) -> float | None:
        """How long ago the oldest message on the queue was put there, where that is known."""
        if self._oldest_message is None:
            return None

        age, told_at = self._oldest_message
        return age + self._clock() - told_at if age else 0.0

    @property
    def oldest_unsettled_seconds(self) -> float:
        """How long the oldest contact without an outcome has waited for it; 0 where none does.

        Contacts are taken to be settled in the order they were read in, but for those of a request
        that is under way, which are known to wait.
        """
        since = [self._chunks[0][1]] if self._chunks else []
        since += list(self._under_way.values())[:1]  # the first that began
        return self._clock() - min(since) if since else 0.0

    def lacking(self) -> list[str]:
        """Why the run is not ready, a sentence each; none where it is.

        A token that has ended while nothing was to be sent is asked for anew with the next batch.
        """
        lacks = []
        if self.phase is not Phase.RUNNING:
            lacks.append(f"the run is {self.phase}")

        if self._token_at is None:
            lacks.append("it has no token yet")

        if self.uncoordinated:
            lacks.append("the server of its coordination cannot be talked to")

        if self.queue_lost:
            lacks.append("its queue cannot be talked to")
        elif not self.reading:
            lacks.append("its source is not being read")

        return lacks

    def __repr__(self) -> str:
        return f"<Vitals {self.phase}, {self.read:,} read, {self.unsettled:,} unsettled>"
