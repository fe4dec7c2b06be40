"""Wiring: what the stages of a run are made of, put together from its config and its journal."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import move_on_after

from .errors import EventDefinitionError, HaltError
from .events import FieldsRead, FieldsUnreadable, ListenersRead
from .mapping.target import Target, parse_fields
from .packing.batcher import Batcher
from .packing.payload import halve, pick
from .sending.address import Address
from .sending.clock import Clock
from .sending.courier import Courier
from .sending.journeys import let_in, told_of
from .sending.links import Links
from .sending.lookup import Lookup
from .sending.pace import Pace
from .sending.policy import OnUnknown
from .sending.probation import Probation, patience_for
from .sending.sender import Sender
from .sending.token import TokenKeeper, token_from
from .settling.budget import Budget
from .settling.checkpoint import Checkpoint
from .settling.doubles import count_doubles
from .settling.settler import Settler
from .taking.holder import Holder
from .taking.taker import Taker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Any

    from .config import Config
    from .events import Emit
    from .intake.queues.source import QueueSource
    from .packing.batch import Batch
    from .plan import Plan
    from .sending.client import Client
    from .sending.outcome import Settlement
    from .settling.journal import Journal
    from .settling.opening import Replay
    from .stop import Stop

__all__ = ("Wiring", "keeper_of", "target_of")

LISTING_SECONDS = 5.0
"""How long a run looks through the tenant's journeys for those that listen."""


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
        self.scope = stop.scope if plan.queue is None else stop.last_scope
        """Makes a scope for waits that are left when the run stops."""
        self.clock = Clock()
        self.pace = Pace(plan.config.delivery, clock=self.clock, emit=emit)
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

    def batcher(self) -> Batcher:
        """What seals batches."""
        config = self._plan.config
        return Batcher(config.batch, envelope=self._plan.envelope, next_id=self._next_id)

    def holder(self, queue: QueueSource) -> Holder:
        """What holds messages of a queue until the settler has told it of all their contacts."""
        holder = Holder(
            queue.place,
            worker=self._replay.run_id,
            fresh=not self._replay.counts.read,
            journal=self._journal,
            emit=self._emit,
        )
        self.settler.acknowledge = holder.settled
        return holder

    def taker(self, queue: QueueSource, holder: Holder, *, target: Target | None) -> Taker:
        """What takes messages of a queue."""
        on_unknown = self._plan.config.delivery.on_unknown
        return Taker(
            queue,
            holder,
            mapper=self._plan.mapper(target),
            journal=self._journal,
            done=self._checkpoint.done(queue.name),
            holds=queue.place.policy.shared and on_unknown == OnUnknown.HOLD,
        )

    def keeper(self, client: Client) -> TokenKeeper:
        """The one owner of the token."""
        return keeper_of(self._plan, client, emit=self._emit, clock=self.clock)

    async def target(self, client: Client, keeper: TokenKeeper) -> Target | None:
        """See `target_of`."""
        return await target_of(self._plan, client, keeper=keeper, emit=self._emit, clock=self.clock)

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
            ),
            clock=self.clock,
        )

    async def count_doubles(self) -> None:
        """Note how many contacts of the run share their key; its sources have ended."""
        if self._replay.retry is None:
            directory = Path(self._plan.config.run.directory)
            await self._journal.within(lambda store: count_doubles(store.connection, directory))

    def _halve(self, batch: Batch) -> tuple[Batch, Batch]:
        ids = (self._next_id(), self._next_id())
        return halve(batch, batch_ids=ids, envelope=self._plan.envelope)

    def _pick(self, batch: Batch, indices: Sequence[int]) -> Batch:
        return pick(batch, indices, batch_id=self._next_id(), envelope=self._plan.envelope)


def _patience(config: Config, replay: Replay) -> int | None:
    if replay.retry is not None and replay.retry.outcome == "rejected":
        return None  # refused again they are what they were

    return patience_for(config.batch.max_records, max_errors=config.delivery.max_errors)


def keeper_of(plan: Plan, client: Client, *, emit: Emit, clock: Clock) -> TokenKeeper:
    """A keeper of the account's token."""
    fetch = token_from(plan.config.account, client, clock=clock)
    return TokenKeeper(fetch, emit=emit, clock=clock)


async def target_of(
    plan: Plan, client: Client, *, keeper: TokenKeeper, emit: Emit, clock: Clock
) -> Target | None:
    """The event's fields, to hold contacts against; None where they cannot be read.

    Raises:
        HaltError: The credentials are refused, or there is no such event definition. Other
            trouble is reported and costs the run nothing but the check.
    """
    journey = plan.config.journey
    if not journey.check_fields:
        return None

    await keeper.token()
    lookup = Lookup(plan.config.account, client=client, keeper=keeper, clock=clock)
    key = journey.event_definition_key
    try:
        definition = await lookup.event_definition(key)
        emit(await _listeners(lookup, definition, key=key))
        fields = await lookup.fields(definition)
    except EventDefinitionError:
        raise
    except HaltError as error:
        emit(FieldsUnreadable(detail=str(error)))
        return None

    emit(FieldsRead(event_definition_key=key, fields=len(fields)))
    return Target(fields=parse_fields({"fields": fields}), event_definition_key=key)


async def _listeners(lookup: Lookup, definition: dict[str, Any], *, key: str) -> ListenersRead:
    """Who listens to the event; whatever cannot be found out in some seconds is taken for well."""
    if definition.get("publishedInteractionCount") == 0:
        return ListenersRead(
            listening=False, lines=("publish the journey whose entry event it is",)
        )

    with suppress(HaltError), move_on_after(LISTING_SECONDS):
        journeys = await lookup.journeys(key)
        return ListenersRead(
            listening=not journeys or let_in(journeys), lines=tuple(told_of(journeys))
        )

    return ListenersRead(listening=True, lines=())
