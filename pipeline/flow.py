"""The run: opens the resources, the streams and the task groups. Who reads this knows the run.

    read ──chunks──▶ pack ──batches──▶ send (max_in_flight of them) ──outcomes──▶ settle
                      └───────────── what was read, what was rejected ──────────────▲

What each stage does is in `stages.py`, what it is made of in `wiring.py`. What flows back are the
positions that are done: the settler writes them down, and a run that goes on passes over them.

A full stream is the backpressure: memory is bounded by what lies in the streams and in flight,
whatever the size of the input. The end of a stream is the end of the work.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from anyio import (
    BrokenResourceError,
    create_memory_object_stream,
    create_task_group,
    to_thread,
)

from .errors import InterruptedRunError, JourneyError, ungrouped
from .events import RunEnded, SourceChanged
from .mapping.contacts import Contacts
from .packing.batch import Batch
from .running.ending import Ending
from .running.legs import announce, open_leg, plan_leg
from .running.sifting import Sifter
from .running.stages import Reader, hand, send, settle
from .running.steering import idle_pace, steer
from .running.stop import Stop, heed_signals
from .running.wiring import Wiring
from .sending.client import open_client
from .settling.directory import RunDirectory
from .settling.journal import Journal
from .settling.settler import Item
from .settling.tally import Tally
from .watching.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable
    from typing import Any

    from .config import Config
    from .events import Emit
    from .events.emitter import Emitter
    from .intake.queues.source import QueueSource
    from .mapping.encoder import Encoder
    from .mapping.target import Target
    from .running.legs import Ended, RunOptions
    from .running.plan import Plan
    from .running.stages import Packer
    from .sending.client import Client
    from .sending.token import TokenKeeper
    from .settling.opening import Replay
    from .watching.sight import Companion

__all__ = ("accompanied", "run", "run_leg")

Result = TypeVar("Result")

CHUNKS_AHEAD = 2
"""Chunks that may wait between reading and packing: the next is read while one is packed."""


async def run(
    config: Config,
    options: RunOptions,
    *,
    emitter: Emitter,
    watch: Callable[[], Coroutine[Any, Any, None]] | None = None,
    companions: Iterable[Companion] = (),
) -> Ended:
    """Inject the config's source into its journey, from the beginning or from where it stopped.

    `watch` is a task that runs beside the work and is cancelled at its end (the progress display);
    `companions` are there from before the plan is made until the books are closed.

    Raises:
        UsageError: Nothing was sent; the config, the source or the run directory must be mended.
        InterruptedRunError: A signal came before the run had begun.
        JourneyError: The journal cannot be written any more; what it holds stands.
    """

    async def work(stop: Stop, sight: Sight) -> Ended:
        leg = partial(run_leg, config, options, emitter=emitter, stop=stop)
        return await leg(sight=sight, watch=watch)

    return await accompanied(work, config, emitter=emitter, companions=companions)


async def accompanied(
    work: Callable[[Stop, Sight], Awaitable[Result]],
    config: Config,
    *,
    emitter: Emitter,
    companions: Iterable[Companion],
) -> Result:
    """Do `work` while signals are heeded, companions are there, and its runs are steered."""
    stop, sight = Stop(emit=emitter.emit), Sight()
    with ungrouped(BrokenResourceError):
        async with create_task_group() as beside:
            heed = partial(heed_signals, drain_seconds=config.worker.drain_seconds)
            await beside.start(heed, stop)
            for companion in companions:
                await beside.start(companion, sight)

            steering = partial(steer, Path(config.run.directory), sight=sight, stop=stop)
            beside.start_soon(partial(steering, emit=emitter.emit))
            result = await work(stop, sight)
            beside.cancel_scope.cancel()

    return result


async def run_leg(
    config: Config,
    options: RunOptions,
    *,
    emitter: Emitter,
    stop: Stop,
    sight: Sight,
    watch: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> Ended:
    """One process's work on one run; raises as `run` does."""
    with stop.scope() as planning:
        # Abandoned where it waits for the first bytes of a pipe, which may never come.
        plan = await to_thread.run_sync(plan_leg, config, options, abandon_on_cancel=True)

    if planning.cancelled_caught:
        raise InterruptedRunError("interrupted before anything was sent")

    await to_thread.run_sync(config.account.require)
    async with AsyncExitStack() as stack:
        # 1. The run directory is ours alone; its journal says where the run stands.
        directory = stack.enter_context(RunDirectory(config.run.directory))
        sight.prepare(idle_pace(config.delivery, sight, emit=emitter.emit))
        opening = partial(open_leg, directory, plan, options, stopped=lambda: stop.asked)
        opened = await to_thread.run_sync(opening)
        tally = Tally(opened.replay.counters)
        emitter.subscribe(tally.observe)
        journal = await stack.enter_async_context(Journal(opened.store, tally=tally))
        announce(opened, directory=config.run.directory, emit=emitter.emit)

        # 2. The work; beside it whoever watches. A second signal leaves the whole of it.
        wiring = Wiring(plan, opened.replay, journal=journal, stop=stop, emit=emitter.emit)
        stack.enter_context(sight.opened(directory.path, wiring.pace))
        sifter = Sifter(plan, opened.replay, journal=journal, emit=emitter.emit)
        injection = Injection(
            plan, options, replay=opened.replay, wiring=wiring, sifter=sifter, stop=stop
        )
        with stop.whole():
            async with create_task_group() as beside:
                if watch is not None:
                    beside.start_soon(watch)

                await injection.work(emitter.emit)
                beside.cancel_scope.cancel()

        # 3. The books are closed, and must balance.
        ended = await injection.ending.closed()
        await to_thread.run_sync(ended.summary.write, directory.path / "summary.json")
        emitter.emit(RunEnded(state=ended.summary.state))
        return ended


class Injection:
    """The work of one leg of a run, from its sources to its closed books."""

    def __init__(
        self,
        plan: Plan,
        options: RunOptions,
        *,
        replay: Replay,
        wiring: Wiring,
        sifter: Sifter,
        stop: Stop,
    ) -> None:
        self._sifter = sifter
        self._plan = plan
        self._options = options
        self._replay = replay
        self._wiring = wiring
        self._stop = stop
        self.ending = Ending(
            replay,
            settler=wiring.settler,
            count=wiring.count_doubles,
            stop=stop,
            limit=options.limit,
            lives_on=plan.queue is not None,
        )

    async def work(self, emit: Emit) -> None:
        """Read, pack, send and settle until the sources end or the run stops."""
        wiring = self._wiring
        if self._replay.idle:
            return

        opening = open_client(self._plan.config.delivery, clock=wiring.clock)
        async with wiring.sharing(), opening as client, self._sifter:
            keeper = wiring.keeper(client)
            try:
                wiring.settler.hold_to_budget()  # which an earlier leg may have spent
                with self._stop.scope() as waiting:
                    target = await wiring.target(client, keeper)
                    if target is not None:
                        await to_thread.run_sync(self._plan.hold_against, target)

                    await self._sifter.prepare(target)
                    if self._plan.config.worker.listen is not None:
                        await keeper.token()  # which a worker has before there is work
            except JourneyError as error:
                self._stop.halt(error)
                return

            if waiting.cancelled_caught:
                return

            if (queue := self._plan.queue) is not None:
                await self._take_from(queue, client, keeper=keeper, target=target, emit=emit)
                return

            limit = self._options.limit
            encoding = self._plan.encoding(target=target, replay=self._replay, limit=limit)
            async with self._sifter.open(encoding) as encoder:
                await self._flow(encoder, client, keeper=keeper, emit=emit)

    async def _take_from(
        self,
        queue: QueueSource,
        client: Client,
        *,
        keeper: TokenKeeper,
        target: Target | None,
        emit: Emit,
    ) -> None:
        """The flow of a queue; what is done with is acknowledged beside it, and at its end.

        Beside it too whatever keeps the run directory small.
        """
        stop = self._stop
        async with self._wiring.holder(queue) as holder, create_task_group() as beside:
            beside.start_soon(holder.keep, stop.halt)
            beside.start_soon(self._wiring.lookout(queue).keep)
            beside.start_soon(self._wiring.upkeep(queue).run)
            taker = self._wiring.taker(queue, holder, target=target)
            taker.until(lambda: stop.asked, limit=self._options.limit)
            async with taker:
                await self._flow(taker, client, keeper=keeper, emit=emit)

            beside.cancel_scope.cancel()

    async def _flow(
        self, encoder: Encoder, client: Client, *, keeper: TokenKeeper, emit: Emit
    ) -> None:
        """The streams, and a task for each stage; as many senders as may be in flight."""
        wiring, stop = self._wiring, self._stop
        in_flight = self._plan.config.delivery.max_in_flight
        chunks_in, chunks_out = create_memory_object_stream[Contacts](CHUNKS_AHEAD)
        # As many as senders: those who were answered together find their next batches sealed.
        batches_in, batches_out = create_memory_object_stream[Batch](in_flight)
        items_in, items_out = create_memory_object_stream[Item](2 * in_flight)
        reader = Reader(encoder, chunks_in, stop=stop, emit=emit, scope=wiring.scope)
        hurry = wiring.press(batches_out, items_out)
        packer = wiring.packer(chunks_out, batches=batches_in, items=items_in.clone())
        sender = wiring.sender(client, keeper, settle=partial(hand, stream=items_in, hurry=hurry))
        async with create_task_group() as settling:
            settling.start_soon(partial(settle, items_out, wiring.settler, stop=stop))
            async with items_in, create_task_group() as others:  # closed when the last has settled
                others.start_soon(reader.run)
                others.start_soon(self._pack, packer, reader)
                for _ in range(in_flight):
                    others.start_soon(
                        partial(send, batches_out.clone(), sender, stop=stop, scope=wiring.scope)
                    )

                batches_out.close()

        if reader.trouble is not None:
            stop.halt(reader.trouble)

        if reader.ended and not stop.asked:
            await self.ending.come(reader.contacts, probation=wiring.probation)
            for change in await to_thread.run_sync(self._plan.changes):
                emit(SourceChanged(detail=change))

    async def _pack(self, packer: Packer, reader: Reader) -> None:
        await packer.run()
        if reader.ended and self._options.limit is None:
            await self._wiring.compare_keys()
