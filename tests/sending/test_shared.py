"""Many workers, one pace and one token, on a real Valkey."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import orjson
import pytest
from anyio import create_task_group

from pipeline.errors import EndpointError, UnavailableError
from pipeline.events import CoordinationLost, CoordinationRegained, HoldStarted, TokenRenewed
from pipeline.sending.account import Account, AuthVersion
from pipeline.sending.clock import Clock
from pipeline.sending.coordination import CoordinationPolicy
from pipeline.sending.limits import Limit
from pipeline.sending.pace import Pace
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.shared import Shared
from pipeline.sending.token import TokenKeeper
from pipeline.sending.verdict import TryLater
from tests.fakes.brokers import Valkey, free_port
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.office import Office

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from pipeline.events import Event
    from tests.fakes.program import Program
    from tests.fakes.simulator_process import SimulatorProcess

URL = "http://127.0.0.1:9"
ACCOUNT = Account(auth_url=URL, rest_url=URL, client_id="one")
OTHER = Account(auth_url=URL, rest_url=URL, client_id="two")


@pytest.fixture(scope="module")
def one_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with Valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture
def valkey(one_valkey: Valkey) -> Valkey:
    one_valkey._client().flushall()
    return one_valkey


class Worker:
    """What one worker shares, and what it told."""

    def __init__(self, valkey: Valkey, account: Account = ACCOUNT, *, patience: float = 5) -> None:
        self.events: list[Event] = []
        self.clock = Clock()
        self.shared = Shared(
            CoordinationPolicy(url=f"redis://127.0.0.1:{valkey.port}/0"),
            account,
            patience_seconds=patience,
            clock=self.clock,
            emit=self.events.append,
        )

    def keeper(self, office: Office) -> TokenKeeper:
        return TokenKeeper(office, emit=self.events.append, clock=self.clock, shared=self.shared)

    def pace(self, **policy: Any) -> Pace:
        return Pace(
            DeliveryPolicy(**policy),
            clock=self.clock,
            emit=self.events.append,
            shared=self.shared,
        )

    def seen(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def workers(
    valkey: Valkey, *accounts: Account, **options: Any
) -> AsyncIterator[list[Worker]]:
    async with AsyncExitStack() as stack:
        found = [Worker(valkey, account, **options) for account in accounts]
        for worker in found:
            await stack.enter_async_context(worker.shared)

        yield found


async def test_one_alone_asks_for_a_token(valkey: Valkey) -> None:
    """However many workers begin at once, one token is asked for, and all send with it."""
    office = Office()
    async with workers(valkey, *[ACCOUNT] * 5) as all_of_them:
        keepers = [worker.keeper(office) for worker in all_of_them]
        tokens: list[str] = []

        async def first(keeper: TokenKeeper) -> None:
            tokens.append(await keeper.token())

        async with create_task_group() as tasks:
            for keeper in keepers:
                tasks.start_soon(first, keeper)

        assert tokens == ["t1"] * 5
        assert office.asked == 1
        told = [event for worker in all_of_them for event in worker.seen(TokenRenewed)]
        assert Counter(event.asked for event in told) == {True: 1, False: 4}
        assert all(3590 < event.lifetime_seconds <= 3600 for event in told)
        assert sum(keeper.renewals for keeper in keepers) == 1


async def test_a_refused_token_is_renewed_once(valkey: Valkey) -> None:
    """Who meets it first asks; who meets it later is given what was asked for."""
    office = Office()
    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two):
        keepers = one.keeper(office), two.keeper(office)
        assert [await keeper.token() for keeper in keepers] == ["t1", "t1"]
        assert [await keeper.renew("t1") for keeper in keepers] == ["t2", "t2"]
        assert office.asked == 2


async def test_a_token_near_its_end_is_nobodys_first(valkey: Valkey) -> None:
    """What is about to end is left to those who have it, and renewed by one for all."""
    office = Office(lifetime_seconds=1.0)  # renewed 0.15 s before
    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two):
        first, second = one.keeper(office), two.keeper(office)
        assert await first.token() == "t1"
        await anyio.sleep(0.9)
        assert await second.token() == "t2"
        assert await first.token() == "t2"


async def test_other_credentials_have_a_token_of_their_own(valkey: Valkey) -> None:
    """And a pace of their own: nothing of one account concerns another."""
    office = Office()
    async with workers(valkey, ACCOUNT, OTHER) as (one, two):
        assert await one.keeper(office).token() == "t1"
        assert await two.keeper(office).token() == "t2"
        await one.shared.hold(60)
        assert (await one.shared.slot(1, requests_per_second=5, contacts_per_hour=None)).limit is (
            Limit.HOLD
        )
        assert (await two.shared.slot(1, requests_per_second=5, contacts_per_hour=None)).taken


async def test_one_that_dies_while_it_asks(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its claim ends by itself, and another asks."""
    monkeypatch.setattr("pipeline.sending.shared.ASKING_SECONDS", 0.5)
    office = Office(gate=anyio.Event())
    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two), create_task_group() as tasks:
        tasks.start_soon(one.keeper(office).token)
        await anyio.sleep(0.2)
        assert office.asked == 1
        assert await two.keeper(Office()).token() == "t1"
        tasks.cancel_scope.cancel()


async def test_credentials_that_are_refused_are_asked_for_by_each(valkey: Valkey) -> None:
    """Whoever is refused lets go, so that the next one finds out for itself at once."""
    office = Office(errors=[EndpointError("no")])
    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two):
        with pytest.raises(EndpointError):
            await one.keeper(office).token()

        with anyio.fail_after(1):
            assert await two.keeper(office).token() == "t2"


async def test_a_host_is_trusted_no_more_for_coming_this_way(valkey: Valkey) -> None:
    """Who can write to the server cannot send the token elsewhere."""
    async with workers(valkey, ACCOUNT) as (one,):
        key = f"journey-pipeline:{{{one.shared._whose}}}:token"
        for foreign in (b"not ours", b"[]", b"{}"):
            valkey._client().set(key, foreign, px=60_000)
            assert await one.shared._known(None) is None

        valkey._client().set(key, b'{"token":"t8","early_seconds":1}', px=60_000)
        assert (await one.shared._known(None)) is not None
        cell = {"token": "t9", "rest_base": "https://evil.example", "early_seconds": 1}
        valkey._client().set(key, orjson.dumps(cell), px=60_000)
        keeper = one.keeper(Office())
        assert await keeper.token() == "t9"
        assert keeper.rest_base is None


@pytest.mark.parametrize("other", [{"account_id": "7"}, {"scope": "offline"}, {"auth": "v1"}])
def test_what_a_token_is_good_for(valkey: Valkey, other: dict[str, Any]) -> None:
    """A token of one business unit, or of other permissions, is no other's."""
    one = Account(auth_url=URL, rest_url=URL, client_id="one", auth=AuthVersion.V2)
    assert Worker(valkey, one).shared._whose != Worker(valkey, replace(one, **other)).shared._whose


async def test_a_token_that_was_ended_with_the_last(valkey: Valkey) -> None:
    """A token taken over from another worker proves nothing when it is refused: one asks anew."""
    office = Office()
    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two):
        first, second = one.keeper(office), two.keeper(office)
        await first.token()
        await second.token()
        assert await first.renew("t1") == "t2"
        assert await second.renew("t1") == "t2"
        assert (first.fresh("t2"), second.fresh("t2")) == (True, False)
        assert await second.renew("t2") == "t3"
        assert second.fresh("t3")


async def test_one_that_asks_for_longer_than_its_claim(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was given late does not take the place of what another has asked for since."""
    monkeypatch.setattr("pipeline.sending.shared.ASKING_SECONDS", 0.3)
    slow, tokens = Office(gate=anyio.Event()), []

    async def ask(keeper: TokenKeeper) -> None:
        tokens.append(await keeper.token())

    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two), create_task_group() as tasks:
        tasks.start_soon(ask, one.keeper(slow))
        await anyio.sleep(0.1)
        quick = Office(asked=10)
        assert await two.keeper(quick).token() == "t11"
        assert slow.gate is not None
        slow.gate.set()

    assert tokens == ["t11"]


async def test_another_pace_counts_at_once(valkey: Valkey) -> None:
    """What went under a slow pace does not hold up those who are asked for a fast one."""
    async with workers(valkey, ACCOUNT) as (one,):
        slow = await one.shared.slot(500, requests_per_second=0.01, contacts_per_hour=1_000)
        assert slow.taken
        again = await one.shared.slot(500, requests_per_second=0.01, contacts_per_hour=1_000)
        assert not again.taken
        assert again.seconds > 1_000
        fast = await one.shared.slot(500, requests_per_second=100, contacts_per_hour=1e9)
        assert fast.taken
        assert fast.seconds < 0.1


async def test_a_server_that_is_taken_over(valkey: Valkey) -> None:
    """A replica that takes no writes is waited for, like one that is away."""
    async with workers(valkey, ACCOUNT, patience=30) as (one,), create_task_group() as tasks:
        await one.shared.hold(0.01)
        valkey._client().replicaof("127.0.0.1", free_port())
        tasks.start_soon(one.shared.hold, 0.01)
        await anyio.sleep(0.3)
        (lost,) = one.seen(CoordinationLost)
        assert "read" in lost.detail.lower()
        valkey._client().replicaof("NO", "ONE")

    assert one.seen(CoordinationRegained)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/0",
        "redis://127.0.0.1:abc/0",
        "redis://127.0.0.1:70000/0",
        "redis://127.0.0.1/0?password=hunter2",
        "redis://:hun/ter2@127.0.0.1:6379/0",
        "redis://:hun#ter2@127.0.0.1:6379/0",
        "redis://:hun@ter2@127.0.0.1:6379/0",
        "redis://",
    ],
)
def test_a_url_that_is_none(url: str) -> None:
    """It is refused when it is read, and not a word of it is said: it may be a password."""
    with pytest.raises(ValueError, match="url must be") as refused:
        CoordinationPolicy(url=url)

    assert "hun" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["redis://h", "rediss://me:a%2Fb@h.example:1/3", "redis://[::1]:6379/0", "unix:///s/v?db=1"],
)
def test_a_url(url: str) -> None:
    """Its password is known as it is, and not told."""
    policy = CoordinationPolicy(url=url)
    assert policy.password in (None, "a/b")
    assert "a%2Fb" not in policy.label


async def test_the_pace_is_kept_by_all_together(valkey: Valkey) -> None:
    """Three workers of a pace of 100 a second send 100 a second, evenly, and each its part."""
    went: list[tuple[float, int]] = []
    async with workers(valkey, *[ACCOUNT] * 3) as all_of_them, create_task_group() as tasks:

        async def send(number: int, pace: Pace) -> None:
            while True:
                permit = await pace.wait(500)
                went.append((anyio.current_time(), number))
                pace.came_back(permit, None)

        for number, worker in enumerate(all_of_them):
            pace = worker.pace(requests_per_second=100.0, max_in_flight=20)
            for _ in range(10):
                tasks.start_soon(send, number, pace)

        await anyio.sleep(4)
        tasks.cancel_scope.cancel()

    moments = [moment for moment, _ in went]
    begin = moments[0]
    assert 0.9 * 390 < len([moment for moment in moments if moment < begin + 3.9]) <= 1.01 * 390 + 4
    worst = max(sum(1 for other in moments if moment <= other < moment + 1) for moment in moments)
    assert worst <= 105
    parts = Counter(number for _, number in went)
    assert min(parts.values()) > 0.2 * len(went)


async def test_contacts_an_hour_are_those_of_all(valkey: Valkey) -> None:
    """Five hundred contacts at 3.6 million an hour take half a second, whoever sends them."""
    async with workers(valkey, ACCOUNT, ACCOUNT) as pair:
        began = anyio.current_time()
        for worker in (*pair, *pair):
            pace = worker.pace(requests_per_second=1000.0, contacts_per_hour=3_600_000.0)
            pace.came_back(await pace.wait(500), None)

        assert 1.4 < anyio.current_time() - began < 3


async def test_a_hold_is_for_all(valkey: Valkey) -> None:
    """What one was told with a 429, the others keep to before they send again."""
    async with workers(valkey, ACCOUNT, ACCOUNT) as (one, two):
        first, second = one.pace(), two.pace()
        permit = await first.wait(500)
        said = TryLater(reason="throttled", detail="slow", retry_after=0.6, holds_all=True)
        first.came_back(permit, said)
        await first.spread()
        began = anyio.current_time()
        await second.wait(500)
        assert 0.4 < anyio.current_time() - began < 3
        (hold,) = two.seen(HoldStarted)
        assert hold.reason == "another worker was told to wait"


async def test_nothing_goes_while_the_server_is_away(tmp_path: Path) -> None:
    """It is waited for, told of once, and given up on after an outage's time; then all goes on."""
    with Valkey(tmp_path) as valkey:
        async with workers(valkey, ACCOUNT, patience=1.2) as (one,):
            pace = one.pace(requests_per_second=1000.0)
            pace.came_back(await pace.wait(1), None)
            valkey._process.kill()
            with anyio.move_on_after(0.3) as waiting:
                await pace.wait(1)

            assert waiting.cancelled_caught
            assert len(one.seen(CoordinationLost)) == 1
            with pytest.raises(
                UnavailableError, match=r"coordination\.url: redis://127.* away for"
            ):
                await pace.wait(1)

            async with create_task_group() as tasks:
                tasks.start_soon(pace.wait, 1)
                await anyio.sleep(0.2)
                valkey._process.start()

            assert one.seen(CoordinationRegained)
            assert len(one.seen(CoordinationLost)) == 1


async def test_a_server_that_wants_another_password(valkey: Valkey) -> None:
    """Is told of in a sentence, without the password."""
    policy = CoordinationPolicy(url=f"redis://:hunter2-secret@127.0.0.1:{valkey.port}/0")
    assert policy.password == "hunter2-secret"
    assert "hunter2" not in policy.label + repr(policy)
    shared = Shared(policy, ACCOUNT, patience_seconds=1, clock=Clock(), emit=lambda _: None)
    async with shared:
        with pytest.raises(EndpointError, match=r"coordination\.url: .* refuses") as refused:
            await shared.hold(1)

    assert "hunter2" not in str(refused.value)


def test_many_processes_of_one_credential(
    valkey: Valkey, simulator: SimulatorProcess, program: Program, tmp_path: Path
) -> None:
    """Runs beside each other neither end each other's token nor add up to more than the pace."""
    running = []
    for number in range(3):
        first = 1 + 8_000 * number
        write_contacts(tmp_path / f"c{number}.csv", range(first, first + 8_000))
        write_config(
            tmp_path / f"c{number}.toml",
            url=simulator.url,
            source=f"c{number}.csv",
            batch={"max_records": 50},
            delivery={"requests_per_second": 80.0},
            coordination={"url": f"redis://127.0.0.1:{valkey.port}/0"},
            run={"directory": f"run{number}"},
        )
        running.append(program.start("run", f"c{number}.toml", "--json"))

    summaries = [process.ended().json for process in running]
    assert [summary["accepted"] for summary in summaries] == [8_000] * 3
    assert sum(summary["tokens"] for summary in summaries) == 1
    assert sum(summary["retries"] for summary in summaries) == 0
    assert simulator.summary()["contacts"]["taken"] == 24_000
    assert not simulator.contacts(taken="2+")
    began = min(datetime.fromisoformat(summary["started_at"]) for summary in summaries)
    ended = max(datetime.fromisoformat(summary["ended_at"]) for summary in summaries)
    assert ended - began > timedelta(seconds=5.5)  # 480 requests at 80 a second


def test_a_server_that_is_not_there(
    simulator: SimulatorProcess, program: Program, tmp_path: Path
) -> None:
    """Nothing is sent, and the sentence names the key."""
    write_contacts(tmp_path / "c.csv", range(1, 11))
    write_config(
        tmp_path / "c.toml",
        url=simulator.url,
        source="c.csv",
        delivery={"max_outage_seconds": 1.0},
        coordination={"url": f"redis://127.0.0.1:{free_port()}/0"},
    )
    ran = program("run", "c.toml")
    assert ran.code == 3
    assert "coordination.url: redis://127.0.0.1" in ran.stderr
    assert simulator.summary()["contacts"]["taken"] == 0
