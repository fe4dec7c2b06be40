"""The sender: every contact ends in exactly one outcome, and none is sent again that may be in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import orjson
import pytest
from aiolimiter import AsyncLimiter
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.errors import (
    CredentialsError,
    EndpointError,
    PermissionDeniedError,
    UnavailableError,
)
from pipeline.events import (
    AttemptFailed,
    BatchDispatched,
    BatchSplit,
    BreakerClosed,
    BreakerOpened,
    Event,
    HoldStarted,
    RequestEnded,
    RequestStarted,
)
from pipeline.running.stop import Stop
from pipeline.sending.account import Account
from pipeline.sending.client import open_client
from pipeline.sending.clock import Clock
from pipeline.sending.courier import Courier
from pipeline.sending.endpoint import JourneyPolicy
from pipeline.sending.links import Fence, Links, NoFence
from pipeline.sending.outcome import Accepted, Rejected, Unknown
from pipeline.sending.pace import Pace
from pipeline.sending.policy import DeliveryPolicy, OnUnknown
from pipeline.sending.probation import Probation
from pipeline.sending.sender import Sender
from pipeline.sending.token import TokenKeeper, token_from
from pipeline.sending.verdict import (
    Ambiguous,
    Fatal,
    Judged,
    OneVerdict,
    Refused,
    RenewToken,
    Taken,
    TryLater,
    Verdict,
)
from tests.fakes.batches import BatchMaker
from tests.fakes.books import Books
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Exchange, Loopback
from tests.fakes.office import Office

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pipeline.packing.batch import Batch

TAKEN = Taken(event_instance_id="e")
BUSY = TryLater(reason="unavailable", detail="d503")
SLOW_DOWN = TryLater(reason="rate_limited", detail="d429", retry_after=7.0, holds_all=True)
BAD = Refused(reason="refused_400", detail="d400", alike="refused_400")
LOST = Ambiguous(reason="connection_lost", detail="d")
STALE = RenewToken(detail="d401")
LEFT = TryLater(reason="left", detail="unprocessed")
FORBIDDEN = Fatal(error=PermissionDeniedError("d403"))


@dataclass
class Scene:
    """A sender, all that it is linked to, and a Marketing Cloud that follows a script."""

    script: list[Verdict] = field(default_factory=list)
    on_unknown: OnUnknown = OnUnknown.HOLD
    max_attempts: int = 6
    accepted: int = 0
    clock: FakeClock = field(default_factory=FakeClock)
    office: Office = field(default_factory=Office)
    books: Books = field(default_factory=Books)
    maker: BatchMaker = field(default_factory=BatchMaker)
    events: list[Event] = field(default_factory=list)
    posts: list[tuple[int, str]] = field(default_factory=list)
    post: Callable[[Batch, str], Awaitable[Verdict]] | None = None
    fence: Fence = field(default_factory=NoFence)

    def __post_init__(self) -> None:
        policy = DeliveryPolicy(
            on_unknown=self.on_unknown, max_attempts=self.max_attempts, requests_per_second=1e9
        )
        emit = self.events.append
        self.stop = Stop(emit=emit)
        self.probation = Probation(accepted=self.accepted)
        self.keeper = TokenKeeper(self.office, emit=emit, clock=self.clock)
        self.pace = Pace(policy, clock=self.clock, emit=emit)
        self.sender = Sender(
            policy,
            post=self.post or self.follow_script,
            keeper=self.keeper,
            pace=self.pace,
            probation=self.probation,
            clock=self.clock,
            links=Links(
                ledger=self.books,
                settle=self.books.settle,
                halve=self.maker.halve,
                pick=self.maker.pick,
                scope=self.stop.scope,
                emit=emit,
                fence=self.fence,
                chance=Random(1),
            ),
        )

    async def follow_script(self, batch: Batch, token: str) -> Verdict:
        await anyio.lowlevel.checkpoint()
        assert batch.batch_id in self.books.out, "a POST before its dispatch was durable"
        self.posts.append((batch.batch_id, token))
        return self.script.pop(0)

    def seen(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


async def test_accepted() -> None:
    """Journalled, posted, settled; in this order."""
    scene = Scene([TAKEN])
    await scene.sender.send(scene.maker.make(3))
    assert scene.books.lines == [("dispatched", 1, 1), ("accepted", 1, 1)]
    assert scene.books.settlements[0].outcome == Accepted(event_instance_id="e")
    assert scene.seen(BatchDispatched) == [BatchDispatched(batch_id=1, contacts=3, attempt=1)]
    assert scene.clock.slept == []


async def test_the_gate_is_the_last_before_the_wire() -> None:
    """Whatever time the journal took: from the gate to the first byte nothing comes between."""
    scene = Scene([TAKEN])
    passed = []

    class Gate(AsyncLimiter):
        async def acquire(self, amount: float = 1) -> None:
            passed.append((list(scene.books.lines), list(scene.posts)))
            await super().acquire(amount)

    scene.pace.set(requests_per_second=1000.0)
    scene.pace._gate = Gate(1000.0, 1.0)
    await scene.sender.send(scene.maker.make(3))
    assert passed == [([("dispatched", 1, 1)], [])]


async def test_sent_again_when_it_was_not_taken() -> None:
    """Given back before the wait, so that a crash in the wait leaves no doubt."""
    scene = Scene([BUSY, BUSY, TAKEN])
    await scene.sender.send(scene.maker.make())
    assert scene.books.lines == [
        ("dispatched", 1, 1),
        ("returned", 1),
        ("dispatched", 1, 2),
        ("returned", 1),
        ("dispatched", 1, 3),
        ("accepted", 1, 3),
    ]
    failed = scene.seen(AttemptFailed)
    assert [(each.attempt, each.reason) for each in failed] == [  # type: ignore[union-attr]
        (1, "unavailable"),
        (2, "unavailable"),
    ]
    assert scene.clock.slept == [each.delay_seconds for each in failed]  # type: ignore[union-attr]


async def test_a_429_holds_every_sender() -> None:
    """The pause is everybody's, and as long as the server said."""
    scene = Scene([SLOW_DOWN, TAKEN])
    await scene.sender.send(scene.maker.make())
    assert scene.seen(HoldStarted) == [HoldStarted(seconds=7.0, reason="d429")]
    assert scene.clock.time >= 1007.0


async def test_a_429_without_a_delay_holds_a_second_at_least() -> None:
    """Backing off alone would leave the others to run into it."""
    scene = Scene([TryLater(reason="rate_limited", detail="d", holds_all=True), TAKEN])
    await scene.sender.send(scene.maker.make())
    assert scene.seen(HoldStarted) == [HoldStarted(seconds=1.0, reason="d")]
    assert scene.clock.time >= 1001.0


async def test_nothing_gets_through() -> None:
    """When nothing else was accepted either, the run halts and the batch is unprocessed."""
    scene = Scene([BUSY] * 6, accepted=5)
    with pytest.raises(UnavailableError, match="d503"):
        await scene.sender.send(scene.maker.make())

    assert len(scene.posts) == 6
    assert scene.books.settlements == []
    assert scene.books.lines[-1] == ("returned", 1)


def while_another_goes(scene: Scene, *at_posts: int) -> None:
    """Another batch is accepted while these posts (numbers from 1) are under way."""

    async def others_go(batch: Batch, token: str) -> Verdict:
        verdict = await scene.follow_script(batch, token)
        if len(scene.posts) in at_posts:
            scene.probation.accept()

        return verdict

    scene.sender._post = others_go


async def test_only_this_batch_gets_not_through() -> None:
    """When others are accepted to the last, it is the batch: it is rejected."""
    scene = Scene([BUSY] * 6)
    while_another_goes(scene, 6)
    await scene.sender.send(scene.maker.make(2))
    assert scene.books.keys(Rejected) == ["k1", "k2"]
    outcome = scene.books.settlements[-1].outcome
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "attempts_exhausted"
    assert "d503" in outcome.detail


async def test_others_that_were_accepted_before_prove_nothing() -> None:
    """Before the last wait, that is: nothing gets through now."""
    scene = Scene([BUSY] * 6)
    while_another_goes(scene, 3)
    with pytest.raises(UnavailableError):
        await scene.sender.send(scene.maker.make(2))

    assert scene.books.keys(Rejected) == []
    assert scene.books.lines[-1] == ("returned", 1)


async def test_an_outage_is_sat_out() -> None:
    """Where something got through before, no attempt in an outage counts; then it goes on."""
    scene = Scene([TAKEN, *[BUSY] * 40, TAKEN])
    for _ in range(2):
        await scene.sender.send(scene.maker.make())

    assert scene.books.keys(Accepted) == ["k1", "k2"]
    assert len(scene.seen(BreakerOpened)) == len(scene.seen(BreakerClosed)) == 1


async def test_an_endless_outage_halts() -> None:
    """After so many seconds in which nothing got through; the batch stays unprocessed."""
    scene = Scene([TAKEN, *[BUSY] * 1000])
    await scene.sender.send(scene.maker.make())
    began = scene.clock.time
    with pytest.raises(UnavailableError, match="d503"):
        await scene.sender.send(scene.maker.make())

    assert 900 <= scene.clock.time - began <= 1000
    assert scene.books.lines[-1] == ("returned", 2)


async def test_in_doubt_it_is_held() -> None:
    """What may have been taken is never sent twice."""
    scene = Scene([LOST])
    await scene.sender.send(scene.maker.make())
    assert scene.books.lines == [("dispatched", 1, 1), ("unknown", 1, 1)]
    assert scene.books.settlements[0].outcome == Unknown(reason="connection_lost", detail="d")


async def test_in_doubt_it_is_resent_where_that_was_asked() -> None:
    """Sent again; never given back, as it may have been taken."""
    scene = Scene([LOST, BUSY, TAKEN], on_unknown=OnUnknown.RESEND)
    await scene.sender.send(scene.maker.make())
    assert scene.books.lines == [
        ("dispatched", 1, 1),
        ("dispatched", 1, 2),
        ("dispatched", 1, 3),
        ("accepted", 1, 3),
    ]


@pytest.mark.parametrize("last", [LOST, BUSY])
async def test_doubt_remains_when_attempts_run_out(last: Verdict) -> None:
    """A batch that may have been taken once stays unknown, however its attempts end."""
    scene = Scene([LOST, BUSY, last], on_unknown=OnUnknown.RESEND, max_attempts=3)
    await scene.sender.send(scene.maker.make())
    assert scene.books.lines[-1] == ("unknown", 1, 3)
    assert ("returned", 1) not in scene.books.lines


async def test_doubt_remains_when_the_run_halts() -> None:
    """An error that halts does not make an earlier attempt undone."""
    scene = Scene([LOST, FORBIDDEN], on_unknown=OnUnknown.RESEND)
    with pytest.raises(PermissionDeniedError):
        await scene.sender.send(scene.maker.make())

    assert scene.books.lines[-1] == ("unknown", 1, 2)


async def test_a_contact_at_fault_stands_alone() -> None:
    """Halved until it does; the rest is sent, byte for byte as it was."""
    scene = Scene(accepted=1)
    bodies: list[bytes] = []

    async def judge(batch: Batch, token: str) -> Verdict:
        await anyio.lowlevel.checkpoint()
        details = orjson.loads(batch.payload)["BatchDetails"]
        assert [each["ContactKey"] for each in details] == list(batch.keys)
        if "k6" in batch.keys:
            return BAD

        bodies.extend(batch.body(index) for index in range(len(batch)))
        return TAKEN

    scene.sender._post = judge
    whole = scene.maker.make(11)
    await scene.sender.send(whole)
    assert scene.books.keys(Rejected) == ["k6"]
    assert scene.books.keys(Accepted) == sorted(set(whole.keys) - {"k6"})
    assert bodies == [whole.body(index) for index in range(11) if index != 5]
    assert scene.seen(BatchSplit)[0] == BatchSplit(batch_id=1, contacts=11, detail="d400")
    assert scene.books.out == set()
    splits = {line[1] for line in scene.books.lines if line[0] == "split"}
    assert splits.isdisjoint(each.batch.batch_id for each in scene.books.settlements)


@given(
    contacts=st.integers(1, 40),
    seed=st.integers(),
    share=st.sampled_from([0.0, 0.05, 0.3]),
    trouble=st.lists(st.sampled_from([TAKEN, BUSY, LOST, SLOW_DOWN, STALE]), max_size=12),
)
def test_every_contact_has_one_outcome(
    contacts: int, seed: int, share: float, trouble: list[Verdict]
) -> None:
    """Whatever comes in between, the bad are rejected or unknown, and nobody is counted twice."""
    random = Random(seed)
    bad = {f"k{number + 1}" for number in range(contacts) if random.random() < share}
    anyio.run(partial(one_outcome_each, contacts, bad=bad, trouble=trouble))


async def one_outcome_each(contacts: int, *, bad: set[str], trouble: list[Verdict]) -> None:
    scene = Scene(accepted=1, max_attempts=99)

    async def judge(batch: Batch, token: str) -> Verdict:
        await anyio.lowlevel.checkpoint()
        if trouble and (verdict := trouble.pop(0)) != TAKEN:
            return verdict

        return BAD if bad & set(batch.keys) else TAKEN

    scene.sender._post = judge
    try:
        await scene.sender.send(scene.maker.make(contacts))
    except CredentialsError:
        assert scene.books.out == set()
        return

    settled = [key for each in scene.books.settlements for key in each.batch.keys]
    assert sorted(settled) == sorted(f"k{number + 1}" for number in range(contacts))
    assert set(scene.books.keys(Rejected)) <= bad
    assert set(scene.books.keys(Accepted)).isdisjoint(bad)
    assert scene.books.out == set()


@dataclass
class Fenced:
    """A fence that says what it is told to say, and then lets everything out."""

    holding: list[bool]
    kept: list[int] | None = None
    asked_of: list[tuple[int, ...]] = field(default_factory=list)
    withheld: list[int] = field(default_factory=list)

    def holds(self, batch: Batch) -> bool:
        return self.holding.pop(0) if self.holding else True

    async def renew(self, batch: Batch) -> list[int]:
        await anyio.lowlevel.checkpoint()
        positions = [position for _, position in batch.places()]
        self.asked_of.append(tuple(positions))
        return list(range(len(batch))) if self.kept is None else self.kept

    def withhold(self, batch: Batch, kept: Sequence[int]) -> None:
        places = enumerate(batch.places())
        self.withheld += [at for index, (_, at) in places if index not in kept]


async def test_what_is_not_sure_is_asked_for_before_it_waits_and_before_its_request() -> None:
    """The journal takes its time: a process may have been stopped meanwhile."""
    fence = Fenced([False, True, False])
    scene = Scene([TAKEN], fence=fence)
    await scene.sender.send(scene.maker.make(3))
    assert scene.books.lines == [
        ("dispatched", 1, 1),
        ("returned", 1),
        ("dispatched", 1, 1),
        ("accepted", 1, 1),
    ]
    assert (len(fence.asked_of), fence.withheld, len(scene.posts)) == (2, [], 1)
    assert scene.pace.standing().in_flight == 0


@pytest.mark.parametrize("kept", [[], [0, 2]])
async def test_what_another_worker_may_have_is_not_sent(kept: list[int]) -> None:
    """The rest goes as a batch of its own; nothing of it has an outcome here."""
    fence = Fenced([True, False], kept)
    scene = Scene([TAKEN], fence=fence)
    await scene.sender.send(scene.maker.make(4))
    assert scene.books.lines[:2] == [("dispatched", 1, 1), ("returned", 1)]
    (asked,) = fence.asked_of
    assert fence.withheld == [at for index, at in enumerate(asked) if index not in kept]
    sent = [at for each in scene.books.settlements for _, at in each.batch.places()]
    assert sent == [asked[index] for index in kept]
    assert len(scene.posts) == bool(kept)
    assert (scene.books.out, scene.pace.standing().in_flight) == (set(), 0)


async def test_what_is_in_doubt_stays_so_where_another_worker_may_have_it() -> None:
    """An attempt of this one may have been taken: it is told, and made no more."""
    fence = Fenced([True, True, False], [])
    scene = Scene([LOST, TAKEN], OnUnknown.RESEND, fence=fence)
    await scene.sender.send(scene.maker.make(2))
    assert scene.books.lines[-1][0] == "unknown"
    assert (len(scene.posts), fence.withheld) == (1, [])


async def test_a_wrong_request_rejects_nobody() -> None:
    """While nothing was ever accepted, ten refused alike halt the run; all stay unprocessed."""
    scene = Scene([BAD] * 200)
    with pytest.raises(EndpointError):
        await scene.sender.send(scene.maker.make(64))

    assert scene.books.settlements == []
    assert scene.books.out == set()
    assert scene.probation.held == 10


async def test_the_first_contacts_may_be_at_fault() -> None:
    """Refused first and cleared by a later acceptance, they are rejected after all."""
    scene = Scene([BAD, BAD, TAKEN])
    for _ in range(2):
        await scene.sender.send(scene.maker.make())

    assert scene.books.settlements == []
    assert scene.books.out == set()  # a crash now leaves them unprocessed, not unknown
    await scene.sender.send(scene.maker.make())
    assert scene.books.keys(Rejected) == ["k1", "k2"]
    assert scene.books.keys(Accepted) == ["k3"]
    assert scene.probation.finish() == ()


async def test_judged_contact_by_contact() -> None:
    """Those taken are accepted, those refused rejected, and only those told to come again do."""
    scene = Scene([Judged(verdicts=(TAKEN, BAD, BUSY, TAKEN, BUSY)), TAKEN])
    whole = scene.maker.make(5)
    await scene.sender.send(whole)
    assert scene.books.keys(Accepted) == ["k1", "k3", "k4", "k5"]
    assert scene.books.keys(Rejected) == ["k2"]
    assert scene.books.lines == [
        ("dispatched", 1, 1),
        ("judged", 1, (2, 3, 4)),
        ("accepted", 2, 1),
        ("rejected", 3, 1),
        ("returned", 4),
        ("dispatched", 4, 2),
        ("accepted", 4, 2),
    ]
    assert [number for number, _ in scene.posts] == [1, 4]
    again = scene.books.settlements[-1].batch
    assert again.places() == [("contacts.csv", 3), ("contacts.csv", 5)]
    assert [again.body(index) for index in range(2)] == [whole.body(2), whole.body(4)]
    assert scene.books.out == set()


async def test_attempts_of_a_part_are_counted_on() -> None:
    """A contact that is told to come again for ever is rejected in the end, and it alone."""
    scene = Scene([Judged(verdicts=(TAKEN, BUSY)), BUSY, BUSY], max_attempts=3)
    while_another_goes(scene, 2, 3)
    await scene.sender.send(scene.maker.make(2))
    assert scene.books.keys(Rejected) == ["k2"]
    assert len(scene.posts) == 3


async def test_refused_contact_by_contact_from_the_first() -> None:
    """While nothing was accepted, verdicts that refuse everybody alike halt the run, too."""
    scene = Scene([Judged(verdicts=(BAD,) * 30)])
    with pytest.raises(EndpointError):
        await scene.sender.send(scene.maker.make(30))

    assert scene.books.settlements == []
    assert scene.books.out == set()


async def test_stopped_after_a_verdict() -> None:
    """What is known is settled; what was told to come again is left for the next run."""
    scene = Scene()

    async def judge(batch: Batch, token: str) -> Verdict:
        await anyio.lowlevel.checkpoint()
        scene.stop.drain("test")
        return Judged(verdicts=(BUSY, TAKEN, BAD))

    scene.sender._post = judge
    await scene.sender.send(scene.maker.make(3))
    assert scene.books.keys(Accepted) == ["k2"]
    assert scene.books.keys(Rejected) == ["k3"]
    assert scene.books.out == set()


@given(
    verdicts=st.lists(st.sampled_from([TAKEN, BAD, BUSY]), min_size=1, max_size=30),
    fatal=st.booleans(),
)
def test_every_judged_contact_has_one_outcome(verdicts: list[OneVerdict], *, fatal: bool) -> None:
    """Whatever is said of the others, a contact ends by what was said of it."""
    anyio.run(partial(judged_each, verdicts, fatal=fatal))


async def judged_each(verdicts: list[OneVerdict], *, fatal: bool) -> None:
    scene = Scene([Judged(verdicts=tuple(verdicts)), FORBIDDEN if fatal else TAKEN], accepted=1)
    asked_again = BUSY in verdicts
    try:
        await scene.sender.send(scene.maker.make(len(verdicts)))
    except PermissionDeniedError:
        assert asked_again
        verdicts = [LEFT if verdict == BUSY else verdict for verdict in verdicts]

    names = {number: f"k{number}" for number in range(1, len(verdicts) + 1)}
    refused = {names[at] for at, verdict in enumerate(verdicts, 1) if verdict == BAD}
    left = {names[at] for at, verdict in enumerate(verdicts, 1) if verdict == LEFT}
    assert set(scene.books.keys(Rejected)) == refused
    assert set(scene.books.keys(Accepted)) == set(names.values()) - refused - left
    assert scene.books.out == set()


async def test_a_refused_token() -> None:
    """Renewed, and the batch sent once more in the same attempt."""
    scene = Scene([STALE, TAKEN])
    await scene.sender.send(scene.maker.make())
    assert scene.posts == [(1, "t1"), (1, "t2")]
    assert scene.books.lines == [
        ("dispatched", 1, 1),
        ("returned", 1),
        ("dispatched", 1, 1),
        ("accepted", 1, 1),
    ]


async def test_a_fresh_token_refused() -> None:
    """Twice in one attempt halts the run; the batch stays unprocessed."""
    scene = Scene([STALE, STALE])
    with pytest.raises(CredentialsError, match=r"account\.client_id"):
        await scene.sender.send(scene.maker.make())

    assert scene.office.asked == 2
    assert scene.books.lines[-1] == ("returned", 1)


async def test_a_new_attempt_may_renew_again() -> None:
    """A token that dies once in each attempt is no reason to halt."""
    scene = Scene([STALE, BUSY, STALE, TAKEN])
    await scene.sender.send(scene.maker.make())
    assert scene.office.asked == 3


async def test_a_token_that_was_replaced_meanwhile_is_not_fresh() -> None:
    """Refused because somebody renewed it while the batch was under way: not a wrong credential."""
    scene = Scene([STALE, STALE, TAKEN])

    async def replaced(batch: Batch, token: str) -> Verdict:
        if token == "t2":
            await scene.keeper.renew("t2")

        return await scene.follow_script(batch, token)

    scene.sender._post = replaced
    await scene.sender.send(scene.maker.make())
    assert [token for _, token in scene.posts] == ["t1", "t2", "t3"]


async def test_what_halts() -> None:
    """An error that sending again cannot mend is raised; the batch stays unprocessed."""
    scene = Scene([FORBIDDEN])
    with pytest.raises(PermissionDeniedError):
        await scene.sender.send(scene.maker.make())

    assert scene.books.lines == [("dispatched", 1, 1), ("returned", 1)]


class StuckClock(FakeClock):
    """Whoever sleeps, sleeps for ever."""

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep_forever()


async def stopped_while_waiting(scene: Scene, batch: Batch) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(scene.sender.send, batch)
        await anyio.wait_all_tasks_blocked()
        scene.stop.drain("test")


async def test_stopped_in_a_backoff() -> None:
    """The wait is left; the batch was given back before it."""
    scene = Scene([BUSY], clock=StuckClock())
    await stopped_while_waiting(scene, scene.maker.make())
    assert scene.books.lines == [("dispatched", 1, 1), ("returned", 1)]


async def test_stopped_in_a_pause() -> None:
    """The wait is left; the batch was never dispatched."""
    scene = Scene(clock=StuckClock())
    scene.pace.hold(100)
    await stopped_while_waiting(scene, scene.maker.make())
    assert scene.books.lines == []


async def test_stopped_without_a_token() -> None:
    """Waiting for a token is a wait like the others."""
    scene = Scene(office=Office(gate=anyio.Event()))
    await stopped_while_waiting(scene, scene.maker.make())
    assert scene.books.lines == []


async def test_stopped_in_doubt() -> None:
    """What may have been taken is settled as unknown, not left for another run to send."""
    scene = Scene([LOST], on_unknown=OnUnknown.RESEND, clock=StuckClock())
    await stopped_while_waiting(scene, scene.maker.make())
    assert scene.books.lines == [("dispatched", 1, 1), ("unknown", 1, 2)]


async def test_stopped_before_it_begins() -> None:
    """A batch that comes to a stopped run is not sent."""
    scene = Scene()
    scene.stop.drain("test")
    await scene.sender.send(scene.maker.make())
    assert scene.books.lines == []


async def test_stopped_at_full_speed() -> None:
    """Where no wait is needed the stop is heeded all the same."""
    scene = Scene([TAKEN])
    await scene.sender.send(scene.maker.make())
    scene.stop.drain("test")
    await scene.sender.send(scene.maker.make())
    assert scene.books.keys(Accepted) == ["k1"]
    assert len(scene.posts) == 1


async def test_stopped_between_halves() -> None:
    """What was split is unprocessed until a half of it is dispatched."""
    scene = Scene(accepted=1)

    async def judge(batch: Batch, token: str) -> Verdict:
        await anyio.lowlevel.checkpoint()
        if len(batch) > 2:
            return BAD

        scene.stop.drain("test")
        return TAKEN

    scene.sender._post = judge
    await scene.sender.send(scene.maker.make(4))
    assert scene.books.keys(Accepted) == ["k1", "k2"]
    assert scene.books.out == set()


async def test_a_stop_leaves_a_post_alone() -> None:
    """What is under way is finished and settled."""
    scene = Scene()
    release = anyio.Event()

    async def slow(batch: Batch, token: str) -> Verdict:
        await release.wait()
        return TAKEN

    scene.sender._post = slow
    async with anyio.create_task_group() as group:
        group.start_soon(scene.sender.send, scene.maker.make())
        await anyio.wait_all_tasks_blocked()
        scene.stop.drain("test")
        await anyio.wait_all_tasks_blocked()
        release.set()

    assert scene.books.lines == [("dispatched", 1, 1), ("accepted", 1, 1)]


async def test_cancelled_in_the_middle_of_a_post() -> None:
    """It stays dispatched without an outcome: that is unknown."""
    scene = Scene()

    async def endless(batch: Batch, token: str) -> Verdict:
        await anyio.sleep_forever()
        return TAKEN

    scene.sender._post = endless
    async with anyio.create_task_group() as group:
        group.start_soon(scene.sender.send, scene.maker.make())
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    assert scene.books.lines == [("dispatched", 1, 1)]
    assert scene.books.out == {1}


async def test_a_storm_of_refused_tokens_on_the_wire() -> None:
    """Ten in flight refused at once: one renewal, and each is sent once more, and accepted."""
    good = ["first"]
    waiting = 0
    everybody = anyio.Event()

    async def act(exchange: Exchange) -> None:
        nonlocal waiting
        body = await exchange.body()
        if exchange.path == "/v1/requestToken":
            good.append(f"token-{len(good)}")
            granted = {"accessToken": good[-1], "expiresIn": 3600}
            await exchange.answer(200, orjson.dumps(granted))
            return

        if exchange.headers["authorization"] == "Bearer token-1":
            waiting += 1
            if waiting == 10:
                everybody.set()

            await everybody.wait()
            await exchange.answer(401, b'{"errorcode":0,"message":"Not Authorized"}')
        elif exchange.headers["authorization"] == "Bearer token-2":
            assert orjson.loads(body)["RecordCount"] == 2
            await exchange.answer(201, b'"6ffc2d53-1f9a-4d0e-9c0b-0d8f2f6f0a11"')

    policy = DeliveryPolicy(max_in_flight=10, requests_per_second=1e9)
    scene = Scene()
    clock = Clock()
    emit = scene.events.append
    async with Loopback(act) as server, open_client(policy, clock=clock) as client:
        account = Account(
            auth_url=server.url,
            rest_url=server.url,
            client_id="id",
            client_secret=SecretStr("secret"),
        )
        courier = Courier(
            account,
            JourneyPolicy(event_definition_key="APIEvent-1"),
            client=client,
            emit=emit,
            clock=clock,
        )
        scene.sender._post = courier.post
        scene.sender._keeper = TokenKeeper(
            token_from(account, client, clock=clock), emit=emit, clock=clock
        )
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(10):
                    group.start_soon(partial(scene.sender.send, scene.maker.make(2)))

    assert good == ["first", "token-1", "token-2"]
    assert len(scene.books.keys(Accepted)) == 20
    assert len(server.exchanges) == 2 + 20
    assert len(scene.seen(RequestStarted)) == len(scene.seen(RequestEnded)) == 20
