"""Wiring: what the stages of a run are made of, put together from its config and its journal."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..mapping.workplace import EncoderPlace
from ..packing.batcher import Batcher
from ..packing.payload import halve, pick
from ..sending.address import Address
from ..sending.clock import Clock
from ..sending.courier import Courier
from ..sending.links import Links, NoFence
from ..sending.pace import Pace
from ..sending.policy import OnUnknown
from ..sending.probation import Probation, patience_for
from ..sending.sender import Sender
from ..sending.token import keeper_of
from ..settling.beginning import note_beginning
from ..settling.budget import Budget
from ..settling.checkpoint import Checkpoint
from ..settling.doubles import KeyOrder, count_doubles
from ..settling.settler import Settler
from .outlook import outlook_of
from .sharing import shared_by
from .stages import Packer, missed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import ObjectReceiveStream
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from ..config import Config
    from ..events import Emit
    from ..intake.queues.source import QueueSource
    from ..mapping.contacts import Contacts
    from ..mapping.target import Target
    from ..packing.batch import Batch
    from ..sending.client import Client
    from ..sending.links import Fence
    from ..sending.outcome import Settlement
    from ..sending.token import TokenKeeper
    from ..settling.journal import Journal
    from ..settling.opening import Replay
    from ..settling.settler import Item
    from ..settling.upkeep import Upkeep
    from ..taking.holder import Holder
    from ..taking.lookout import Lookout
    from ..taking.taker import Taker
    from .plan import Plan
    from .stop import Stop

# What only a queue needs is imported where it is made: the run of a file starts sooner for it.

__all__ = ("Wiring",)


class Wiring:
    """One run's parts. What several of them share (numbers, probation, clock) is made once."""

    def __init__(
        self, plan: Plan, replay: Replay, *, journal: Journal, stop: Stop, emit: Emit
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._stop = stop
        self._emit = emit
        self._next_id = count(replay.next_batch_id).__next__
        self._replay = replay
        self._checkpoint = Checkpoint(None if replay.retry else replay.done)
        self._order = KeyOrder()
        self._fence: Fence = NoFence()
        self.scope = stop.scope if plan.queue is None else stop.last_scope
        """Makes a scope for waits that are left when the run stops."""
        self.clock = Clock()
        self.shared = shared_by(plan.config, clock=self.clock, emit=emit)
        self.pace = Pace(plan.config.delivery, clock=self.clock, emit=emit, shared=self.shared)
        self.probation = Probation(
            accepted=replay.counts.accepted, patience=_patience(plan.config, replay)
        )
        counts = replay.counts
        self.settler = Settler(
            journal=journal,
            checkpoint=self._checkpoint,
            emit=emit,
            replay=replay,
            budget=Budget.parse(
                # A retry can but mend: it makes no failure that was not one before.
                None if replay.retry else plan.config.delivery.max_errors,
                settled=counts.settled,
                failed=counts.rejected + counts.unknown,
            ),
        )

    def packer(
        self,
        chunks: ObjectReceiveStream[Contacts],
        *,
        batches: MemoryObjectSendStream[Batch],
        items: MemoryObjectSendStream[Item],
    ) -> Packer:
        """What seals batches."""
        policy, envelope = self._plan.config.batch, self._plan.envelope
        batcher = Batcher(policy, envelope=envelope, next_id=self._next_id)
        hurry, emit = self._journal.hurry, self._emit
        return Packer(batcher, chunks, batches=batches, items=items, hurry=hurry, emit=emit)

    def holder(self, queue: QueueSource) -> Holder:
        """What holds messages of a queue until the settler has told it of all their contacts."""
        from ..taking.fence import Fence
        from ..taking.holder import Holder

        holder = Holder(
            queue.place,
            worker=self._replay.run_id,
            fresh=not self._replay.counts.read,
            journal=self._journal,
            emit=self._emit,
        )
        self.settler.acknowledge = holder.settled
        if queue.place.policy.shared:
            self._fence = Fence(holder, stopped=lambda: self._stop.asked)

        return holder

    def lookout(self, queue: QueueSource) -> Lookout:
        """What looks at what lies on a queue."""
        from ..taking.lookout import Lookout

        return Lookout(queue.place, emit=self._emit)

    def upkeep(self, queue: QueueSource) -> Upkeep:
        """What keeps the run directory of a run that lives on small."""
        from ..settling.upkeep import Upkeep

        config = self._plan.config
        keep_seconds = config.run.keep_seconds
        # A producer's own name for a message may be meant anew a week later; a broker's never is.
        named = queue.place.kind == "amqp"
        return Upkeep(
            self._journal,
            Path(config.run.directory),
            keep_seconds=keep_seconds,
            remember_seconds=max(
                0.0 if named else keep_seconds, queue.place.policy.remember_seconds
            ),
            emit=self._emit,
        )

    def taker(self, queue: QueueSource, holder: Holder, *, target: Target | None) -> Taker:
        """What takes messages of a queue."""
        from ..mapping.workbench import Workbench
        from ..taking.taker import Taker
        from ..taking.workshop import Workshop

        config = self._plan.config
        on_unknown, place = config.delivery.on_unknown, config.run.encoder
        if place == EncoderPlace.AUTO and config.mapping.python is not None:
            place = EncoderPlace.PROCESS  # where it finds neither the account's secrets nor us

        bench = Workbench(self._plan.mapper(target), source=queue.name)
        return Taker(
            queue,
            holder,
            workshop=Workshop(bench, place=place, emit=self._emit),
            journal=self._journal,
            done=self._checkpoint.done(queue.name),
            holds=queue.place.policy.shared and on_unknown == OnUnknown.HOLD,
        )

    def keeper(self, client: Client) -> TokenKeeper:
        """The one owner of the token."""
        account = self._plan.config.account
        return keeper_of(account, client, emit=self._emit, clock=self.clock, shared=self.shared)

    def sharing(self) -> AbstractAsyncContextManager[object]:
        """What lasts as long as other workers are asked for their part."""
        return self.shared or nullcontext()

    async def target(self, client: Client, keeper: TokenKeeper) -> Target | None:
        """The event's fields, if they are asked for and told; see `outlook_of`.

        At a run's beginning it is noted in the journal what Marketing Cloud counts then.
        """
        outlook = await outlook_of(
            self._plan,
            client,
            keeper=keeper,
            emit=self._emit,
            clock=self.clock,
            counted=self._replay.retry is None and not self._replay.counts.settled,
        )
        if (beginning := outlook.beginning) is not None:
            await self._journal.within(lambda store: note_beginning(store.connection, beginning))

        return outlook.target

    def sender(
        self,
        client: Client,
        keeper: TokenKeeper,
        *,
        settle: Callable[[Settlement], Awaitable[None]],
    ) -> Sender:
        """What takes batches to their outcome, shared by all sending tasks."""
        config = self._plan.config
        address = Address(config.account, keeper)
        courier = Courier(address, config.journey, client=client, emit=self._emit, clock=self.clock)
        return Sender(
            config.delivery,
            post=courier.post,
            keeper=keeper,
            pace=self.pace,
            probation=self.probation,
            links=Links(
                ledger=self._journal,
                settle=settle,
                halve=self._halve,
                pick=self._pick,
                scope=self.scope,
                emit=self._emit,
                fence=self._fence,
            ),
            clock=self.clock,
        )

    def press(
        self, batches: MemoryObjectReceiveStream[Batch], items: MemoryObjectReceiveStream[Item]
    ) -> Callable[[], None]:
        """Tell the journal when waiting for it costs pace; returns what has it ask again."""
        self._journal.press(lambda: missed(batches, items) or self.pace.waits)
        self.pace.waited = self._journal.hurry
        return self._journal.hurry

    async def compare_keys(self) -> None:
        """Begin to find out whether contacts share their key, while answers are waited for."""
        if self._replay.retry is not None or self._plan.queue is not None:
            return

        order = self._order
        while not self._stop.asked and self.pace.standing().in_flight:
            if not await self._journal.within(lambda store: order.look(store.connection)):
                return

    async def count_doubles(self) -> None:
        """Note how many contacts of the run share their key; its sources have ended."""
        if self._replay.retry is None:
            count = partial(
                count_doubles, directory=Path(self._plan.config.run.directory), order=self._order
            )
            await self._journal.within(lambda store: count(store.connection))

    def _halve(self, batch: Batch) -> tuple[Batch, Batch]:
        ids = (self._next_id(), self._next_id())
        return halve(batch, batch_ids=ids, envelope=self._plan.envelope)

    def _pick(self, batch: Batch, indices: Sequence[int]) -> Batch:
        return pick(batch, indices, batch_id=self._next_id(), envelope=self._plan.envelope)


def _patience(config: Config, replay: Replay) -> int | None:
    if replay.retry is not None and replay.retry.outcome == "rejected":
        return None  # refused again they are what they were

    return patience_for(config.batch.max_records, max_errors=config.delivery.max_errors)
