"""The token: one at a time, before it ends, and again when refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from pipeline.errors import CredentialsError, UnavailableError
from pipeline.events import Event, TokenRenewed
from pipeline.sending.token import TokenKeeper, early_seconds
from pipeline.sending.verdict import Granted
from tests.fakes.clock import FakeClock
from tests.fakes.office import Office

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass
class Desk:
    """A keeper with all it stands on."""

    office: Office = field(default_factory=Office)
    clock: FakeClock = field(default_factory=FakeClock)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keeper = TokenKeeper(self.office, emit=self.events.append, clock=self.clock)


async def together(count: int, ask: Callable[[], Awaitable[str]]) -> list[str]:
    """What `count` callers get who ask at the same moment."""
    answers: list[str] = []

    async def one() -> None:
        answers.append(await ask())

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)

    return answers


@pytest.mark.parametrize(
    ("lifetime", "early"), [(3600, 300), (7200, 300), (1079, 161.85), (10, 1.5)]
)
def test_how_early(lifetime: float, early: float) -> None:
    """300 seconds before the end, or 15 % of a short life."""
    assert early_seconds(lifetime) == pytest.approx(early)


async def test_one_request_when_the_first_is_needed() -> None:
    """However many ask first, one request is made; later it costs none."""
    desk = Desk()
    assert desk.office.asked == 0
    assert desk.keeper.current() is None
    assert await together(20, desk.keeper.token) == ["t1"] * 20
    assert await desk.keeper.token() == "t1"
    assert desk.office.asked == desk.keeper.renewals == 1
    assert desk.events == [TokenRenewed(lifetime_seconds=3600.0, reason="first")]
    assert desk.keeper.ready


async def test_a_storm_of_refusals_is_one_renewal() -> None:
    """Twenty senders refused at once get one new token; who comes late gets it, too."""
    desk = Desk()
    await desk.keeper.token()
    assert await together(20, lambda: desk.keeper.renew("t1")) == ["t2"] * 20
    assert await desk.keeper.renew("t1") == "t2"
    assert desk.office.asked == 2
    assert desk.events[-1] == TokenRenewed(lifetime_seconds=3600.0, reason="refused")


async def test_renewed_before_its_end() -> None:
    """Past the early mark the next caller renews it."""
    desk = Desk()
    await desk.keeper.token()
    desk.clock.time += 3299
    assert desk.keeper.current() == await desk.keeper.token() == "t1"
    desk.clock.time += 1
    assert desk.keeper.current() is None
    assert await desk.keeper.token() == "t2"
    assert desk.events[-1] == TokenRenewed(lifetime_seconds=3600.0, reason="ending")
    assert await desk.keeper.token() == "t2"


async def test_nobody_waits_for_an_early_renewal() -> None:
    """While one renews, the others go on with the old token as long as it is good."""
    desk = Desk()
    await desk.keeper.token()
    desk.clock.time += 3400
    desk.office.gate = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(desk.keeper.token)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1):
            assert await desk.keeper.token() == "t1"

        desk.office.gate.set()

    assert await desk.keeper.token() == "t2"
    assert desk.office.asked == 2


async def test_an_ended_token_is_waited_for() -> None:
    """An ended token is never given out, whoever is renewing it."""
    desk = Desk()
    await desk.keeper.token()
    desk.clock.time += 3600
    assert not desk.keeper.ready
    assert await together(5, desk.keeper.token) == ["t2"] * 5
    assert desk.office.asked == 2


async def test_an_early_renewal_that_fails_costs_nothing() -> None:
    """The old token goes on working; half a minute later there is another try."""
    desk = Desk()
    await desk.keeper.token()
    desk.clock.time += 3400
    desk.office.errors = [UnavailableError("down")]
    assert await desk.keeper.token() == "t1"
    assert await desk.keeper.token() == "t1"
    assert desk.office.asked == 2
    desk.clock.time += 30
    assert await desk.keeper.token() == "t3"


async def test_no_token_when_it_is_needed() -> None:
    """Without a token that works the trouble is the caller's."""
    desk = Desk()
    desk.office.errors = [UnavailableError("down")]
    with pytest.raises(UnavailableError):
        await desk.keeper.token()

    assert await desk.keeper.token() == "t2"
    desk.office.errors = [CredentialsError("no")]
    with pytest.raises(CredentialsError):
        await desk.keeper.renew("t2")


async def test_refused_credentials_are_told_at_once() -> None:
    """An early renewal that is refused for good halts, though the old token still works."""
    desk = Desk()
    await desk.keeper.token()
    desk.clock.time += 3400
    desk.office.errors = [CredentialsError("no")]
    with pytest.raises(CredentialsError):
        await desk.keeper.token()


async def test_a_cancelled_asker_leaves_no_lock_behind() -> None:
    """Whoever asks next asks anew."""
    desk = Desk()
    desk.office.gate = anyio.Event()
    with anyio.move_on_after(0.01):
        await desk.keeper.token()

    desk.office.gate.set()
    assert await desk.keeper.token() == "t2"


async def test_no_token_in_its_repr() -> None:
    """Neither keeper nor grant show it."""
    desk = Desk()
    await desk.keeper.token()
    assert "t1" not in repr(desk.keeper)
    assert "t1" not in repr(Granted(token="t1", lifetime_seconds=2))
