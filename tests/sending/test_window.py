"""Delivery windows: open when a wall clock there says so, whatever its owners do to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import WindowClosed
from pipeline.sending.concurrency import Concurrency
from pipeline.sending.control import Control
from pipeline.sending.limits import Limit
from pipeline.sending.pace import Pace
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.verdict import Ambiguous, Taken
from pipeline.sending.window import Window
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from pipeline.events import Event

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTE = timedelta(minutes=1)


def berlin(*moment: int, fold: int = 0) -> datetime:
    return datetime(*moment, tzinfo=BERLIN, fold=fold)  # type: ignore[arg-type, misc]  # its parts


@pytest.mark.parametrize(
    ("text", "moment", "held"),
    [
        ("Mon-Fri 08:00-20:00", (2026, 11, 23, 7, 59), False),  # a Monday
        ("Mon-Fri 08:00-20:00", (2026, 11, 23, 8, 0), True),
        ("Mon-Fri 08:00-20:00", (2026, 11, 27, 19, 59, 59), True),
        ("Mon-Fri 08:00-20:00", (2026, 11, 27, 20, 0), False),
        ("Mon-Fri 08:00-20:00", (2026, 11, 28, 12, 0), False),
        ("mon - fri 8:00 - 20:00,Sat 10:00-14:00", (2026, 11, 28, 12, 0), True),
        ("Sat-Mon 10:00-14:00", (2026, 11, 23, 12, 0), True),
        ("Sat-Mon 10:00-14:00", (2026, 11, 24, 12, 0), False),
        ("22:00-06:00", (2026, 11, 23, 5, 59), True),
        ("22:00-06:00", (2026, 11, 23, 6, 0), False),
        ("Fri 22:00-06:00", (2026, 11, 28, 5, 59), True),  # into Saturday
        ("Fri 22:00-06:00", (2026, 11, 27, 5, 59), False),
        ("Sun 22:00-06:00", (2026, 11, 23, 5, 59), True),  # over the week's end
        ("Sat-Sun 00:00-24:00", (2026, 11, 29, 23, 59, 59), True),
        ("Sat-Sun 00:00-24:00", (2026, 11, 30, 0, 0), False),
        ("12:00-00:00", (2026, 11, 30, 23, 59), True),
    ],
)
def test_windows(text: str, moment: tuple[int, ...], held: object) -> None:
    """From its first minute to before its last, on the days it names."""
    assert Window.parse(text, "Europe/Berlin").is_open(berlin(*moment)) is held


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon",
        "8-20",
        "08:00-08:00",
        "24:00-06:00",
        "08:60-09:00",
        "25:00-26:00",
        "08:00-24:01",
        "Mo-Fr 08:00-20:00",
        "Mon Fri 08:00-20:00",
        "Mon-Fri 08:00-20:00,",
        "\u06608:00-20:00",  # a digit, but none of ours
    ],
)
def test_what_is_no_window(text: str) -> None:
    """Refused by name, with what may be written."""
    with pytest.raises(ValueError, match=r"^window.*(Mon-Fri|no time of day|holds no time)"):
        Window.parse(text, None)


@pytest.mark.parametrize("name", ["", "Berlin", "../../etc/passwd", "/etc/passwd", "Europe", "\0"])
def test_what_is_no_time_zone(name: str) -> None:
    """Refused by name; no file outside the time zones is read."""
    with pytest.raises(ValueError, match=r"^time_zone .* is not known: name it as in"):
        Window.parse("08:00-20:00", name)


def test_the_night_that_loses_an_hour() -> None:
    """On the night to 29 March 2026 a clock in Berlin goes from 02:00 to 03:00."""
    window = Window.parse("02:30-04:00", "Europe/Berlin")
    opens = window.opens_at(berlin(2026, 3, 29, 1, 0))
    assert opens == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert f"{window.there(opens):%H:%M %Z}" == "03:00 CEST"
    gone = Window.parse("Sun 02:15-02:45", "Europe/Berlin")
    assert gone.opens_at(berlin(2026, 3, 29, 1, 0)) == berlin(2026, 4, 5, 2, 15)


def test_the_night_that_has_an_hour_twice() -> None:
    """On 25 October 2026 the hour from 02:00 comes twice in Berlin: it is open twice."""
    window = Window.parse("02:00-02:30", "Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert window.opens_at(first) == first
    assert window.is_open(first + 29 * MINUTE)
    assert not window.is_open(first + 30 * MINUTE)
    assert window.opens_at(first + 30 * MINUTE) == first + 60 * MINUTE
    assert window.is_open(first + 89 * MINUTE)
    assert not window.is_open(first + 90 * MINUTE)


def test_by_this_machines_clock() -> None:
    """Without a time zone it is this machine's."""
    here = datetime(2026, 11, 23, 12, 0).astimezone()
    assert Window.parse("Mon 12:00-12:01", None).is_open(here)
    assert not Window.parse("Mon 12:01-12:00", None).is_open(here)


spans = st.builds(
    "{}{:02}:{:02}-{:02}:{:02}".format,
    st.sampled_from(["", "Mon ", "Sun ", "Fri-Mon ", "Tue-Thu "]),
    st.integers(0, 11),
    st.integers(0, 59),
    st.integers(12, 23),
    st.integers(0, 59),
) | st.builds(
    "{} {:02}:{:02}-0{}:{:02}".format,
    st.sampled_from(DAYS),
    st.integers(10, 23),
    st.integers(0, 59),
    st.integers(0, 9),
    st.integers(0, 59),
)


@given(
    text=st.lists(spans, min_size=1, max_size=3).map(", ".join),
    zone=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2026, 3, 1), datetime(2026, 11, 30), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_when_it_opens(text: str, zone: str, moment: datetime) -> None:
    """It is open then, and not one minute before: no moment that would do is passed over."""
    window = Window.parse(text, zone)
    opens = window.opens_at(moment)
    assert window.is_open(opens)
    assert opens >= moment
    if window.is_open(moment):
        assert opens == moment
        return

    at = opens
    for _ in range(min(3000, int((at - moment) / MINUTE))):
        at -= MINUTE
        assert not window.is_open(at)

    assert (opens - moment) <= timedelta(days=8)


@given(zone=st.sampled_from(ZONES), moment=st.datetimes(timezones=st.just(UTC)))
def test_every_hour_of_the_week(zone: str, moment: datetime) -> None:
    """A window and what it leaves out are never open together, and one of them always is."""
    if not datetime(1970, 1, 2, tzinfo=UTC) < moment < datetime(2400, 1, 1, tzinfo=UTC):
        return

    day = Window.parse("Mon-Sun 06:30-22:15", zone)
    night = Window.parse("Mon-Sun 22:15-06:30", zone)
    assert day.is_open(moment) != night.is_open(moment)


class AtNoon(FakeClock):
    """Second 1000 is Monday, 23 November 2026, 12:00 UTC."""


def make_pace(clock: FakeClock, events: list[Event], window: str) -> Pace:
    policy = DeliveryPolicy(requests_per_second=1e9, window=window, time_zone="UTC")
    return Pace(policy, clock=clock, emit=events.append)


async def test_senders_wait_for_the_window() -> None:
    """Nobody goes before it opens; it is said once until when; then all go at their pace."""
    clock, events = AtNoon(), []  # type: ignore[var-annotated]  # of Event
    pace = make_pace(clock, events, "Tue 08:00-08:01")
    went: list[float] = []
    assert pace.take(1) is None

    async def sender() -> None:
        pace.came_back(await pace.wait(1), None)
        went.append(clock.now())

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(sender)

    opens = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
    assert [clock.wall()] * 3 == [opens] * 3
    assert went == [1000.0 + 20 * 3600] * 3
    assert events == [WindowClosed(opens_at=opens)]
    assert max(clock.slept) <= 20.0  # the wall clock may be set, or the machine asleep


async def test_it_closes_to_the_second() -> None:
    """Not one request goes after its end, and every one that asked before it."""
    clock, events = AtNoon(), []  # type: ignore[var-annotated]  # of Event
    pace = make_pace(clock, events, "Mon 11:00-12:01")
    clock.time += 59.999
    permit = pace.take(1)
    assert permit is not None
    clock.time += 0.001
    assert pace.take(1) is None
    pace.came_back(permit, Taken(event_instance_id="e"))
    assert events == [WindowClosed(opens_at=datetime(2026, 11, 30, 11, 0, tzinfo=UTC))]
    assert pace.control.stands(clock.now()).limit is Limit.WINDOW  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["paused", "window_seconds"])
def test_a_night_is_no_outage(how: str) -> None:
    """An outage lasts as long as something might have been sent, and no longer."""
    control = Control(DeliveryPolicy(), now=0.0)
    lost = Ambiguous(reason="timeout", detail="no answer")
    control.came_back(control.go(1, 0.0), Taken(event_instance_id="e"), 1.0)
    control.came_back(control.go(1, 1.0), lost, 2.0)
    setattr(control, how, 5.0)
    control.stands(10.0)
    setattr(control, how, 0)
    control.stands(50_000.0)
    assert control.breaker.outage_seconds(50_010.0) == 18.0
    control.came_back(control.go(1, 50_010.0), Taken(event_instance_id="e"), 50_011.0)
    assert control.breaker.outage_seconds(60_000.0) == 0.0


def test_after_a_month() -> None:
    """However long nothing was sent, the concurrency goes on finding its limit."""
    concurrency = Concurrency(40)
    for begin in (0.0, 30 * 86_400.0):
        for each in range(200):
            now = begin + each
            places = [concurrency.went() for _ in range(concurrency.limit)]
            for place in places:
                concurrency.came_back(place)
                concurrency.good(place, 0.2, now + 0.2)

    assert concurrency.limit == 40
