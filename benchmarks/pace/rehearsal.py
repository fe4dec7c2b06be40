"""A run of one way against one server, in simulated time: the senders are the product's own."""

from __future__ import annotations

import asyncio
import itertools
from array import array
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import anyio

from pipeline.packing.batch import Batch, Trigger
from pipeline.sending.links import Links
from pipeline.sending.pace import Pace
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.probation import Probation
from pipeline.sending.sender import Sender

from .arc import AdaptiveConcurrency
from .servers import CLIENTS
from .virtual import LoopClock, run_at_once

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from pipeline.sending.outcome import Settlement
    from pipeline.sending.verdict import Verdict

    from .servers import Scenario, Server

__all__ = ("BASELINE", "OURS", "Rehearsal", "rehearse")

OURS = "journey-pipeline"
BASELINE = "adaptive concurrency"
WINDOW_SECONDS = 5
SAMPLE_SECONDS = 0.25
ENOUGH = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What came of it. A share is of 1; seconds are None where it never was so."""

    way: str
    scenario: Scenario
    throughput: float  # of the oracle's, once converged or recovered
    refused: float  # of all requests
    converged_seconds: float | None
    recovered_seconds: float | None  # after the change it took longest to recover from
    taken: list[int]  # each second
    refusals: list[int]
    ideal: list[float]
    limits: list[int]  # requests under way, four times a second

    @property
    def good(self) -> bool:
        """Whether it holds the bars."""
        seconds = [self.converged_seconds]
        seconds += [self.recovered_seconds] if self.scenario.changes else []
        in_time = all(each is not None and each <= 30 for each in seconds)
        return self.throughput >= ENOUGH and self.refused < 0.02 and in_time


class _Ledger:
    """A journal that takes no time."""

    async def dispatched(self, batch: Batch, attempt: int) -> None: ...

    async def returned(self, batch: Batch) -> None: ...

    async def split(self, parent: Batch, halves: tuple[Batch, Batch]) -> None: ...

    async def judged(self, parent: Batch, parts: Sequence[Batch], attempt: int) -> None: ...


class _Keeper:
    """A token that never ends."""

    def current(self) -> str:
        return "t"

    async def token(self) -> str:
        return "t"


def rehearse(scenario: Scenario, way: str, *, seed: int = 1) -> Rehearsal:
    """Run `way` through `scenario`."""
    result: Rehearsal = run_at_once(partial(_run, scenario, way, seed=seed))
    return result


async def _run(scenario: Scenario, way: str, *, seed: int) -> Rehearsal:
    server = scenario.make(Random(f"{seed}/server"))
    clock = LoopClock()
    policy = DeliveryPolicy(max_in_flight=CLIENTS, requests_per_second=1e9)
    pace: Any = (
        Pace(policy, clock=clock, emit=_ignore)
        if way == OURS
        else AdaptiveConcurrency(CLIENTS, clock=clock)
    )
    sender = _sender(server, policy, pace=pace, clock=clock, seed=seed)
    numbers = itertools.count(1)
    limits: list[int] = []

    async def send() -> None:
        while True:
            await sender.send(_batch(next(numbers)))

    with anyio.move_on_after(scenario.seconds):
        async with anyio.create_task_group() as group:
            for _ in range(CLIENTS):
                group.start_soon(send)

            while True:
                limits.append(pace.control.concurrency.limit if way == OURS else pace.limit)
                await asyncio.sleep(SAMPLE_SECONDS)

    return _measured(scenario, server, way=way, limits=limits)


def _sender(
    server: Server, policy: DeliveryPolicy, *, pace: Any, clock: LoopClock, seed: int
) -> Sender:
    async def post(_batch: Batch, _token: str) -> Verdict:
        return await server.serve()

    async def settle(_settlement: Settlement) -> None: ...

    links = Links(
        ledger=_Ledger(),
        settle=settle,
        halve=_never,
        pick=_never,
        scope=anyio.CancelScope,
        emit=_ignore,
        chance=Random(f"{seed}/chance"),
    )
    return Sender(
        policy,
        post=post,
        keeper=_Keeper(),  # type: ignore[arg-type]  # as much of it as is used here
        pace=pace,
        probation=Probation(),
        links=links,
        clock=clock,
    )


def _ignore(_event: object) -> None: ...


def _never(*_: object) -> Any:
    raise NotImplementedError("no batch is taken apart here")


def _batch(number: int) -> Batch:
    return Batch(
        batch_id=number,
        spans=(),
        keys=("k",),
        payload=b"{}",
        start=0,
        lengths=array("I"),
        trigger=Trigger.COUNT,
    )


def _measured(scenario: Scenario, server: Server, *, way: str, limits: list[int]) -> Rehearsal:
    seconds = int(scenario.seconds)
    counts = {kind: [0] * seconds for kind in ("taken", "refused")}
    for moment, kind in server.answers:
        if moment < seconds:
            counts[kind][int(moment)] += 1

    taken, refused = counts["taken"], counts["refused"]
    ideal = [server.ideal(second + 0.5) for second in range(seconds)]
    steady = _steady(scenario)
    recovered = [_reached(taken, ideal, since=int(change)) for change in scenario.changes]
    return Rehearsal(
        way=way,
        scenario=scenario,
        throughput=sum(taken[each] for each in steady) / sum(ideal[each] for each in steady),
        refused=sum(refused) / (sum(taken) + sum(refused)),
        converged_seconds=_reached(taken, ideal, since=0),
        recovered_seconds=None if None in recovered else max(recovered, default=None),  # type: ignore[type-var]
        taken=taken,
        refusals=refused,
        ideal=ideal,
        limits=limits,
    )


def _steady(scenario: Scenario) -> list[int]:
    """The seconds in which it should long have found its pace."""
    turns = (0.0, *scenario.changes)
    return [
        second
        for second in range(int(scenario.seconds))
        if all(not turn <= second < turn + 30 for turn in turns)
    ]


def _reached(taken: list[int], ideal: list[float], *, since: int) -> float | None:
    """Seconds until, for a while, nearly as much got through as might have."""
    for begin in range(since, len(taken) - WINDOW_SECONDS + 1):
        window = slice(begin, begin + WINDOW_SECONDS)
        if sum(taken[window]) >= ENOUGH * sum(ideal[window]) > 0:
            return float(begin - since)

    return None
