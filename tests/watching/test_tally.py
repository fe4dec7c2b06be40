"""The tally: what it makes of events, told the time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import (
    AttemptFailed,
    BatchSettled,
    BreakerClosed,
    BreakerOpened,
    ChunkRead,
    DrainStarted,
    EncoderRestarted,
    Event,
    FieldsUnreadable,
    HoldStarted,
    LeftoversFound,
    LimitChanged,
    PaceChanged,
    RequestEnded,
    RequestStarted,
    RetryStarted,
    RunHalted,
    RunPutAside,
    RunStarted,
    TokenRenewed,
    WindowClosed,
)
from pipeline.watching.notice import Tone
from pipeline.watching.tally import Tally


def started(*, settled: int = 0, total: int | None = None) -> RunStarted:
    return RunStarted(
        run_id="r-1", resumed=settled > 0, settled=settled, total=total, directory="runs/x"
    )


def chunk(records: int, *, share: float | None = None) -> ChunkRead:
    return ChunkRead(source="a.csv", records=records, rejected=0, share=share)


def settled(contacts: int, outcome: str = "accepted") -> BatchSettled:
    return BatchSettled(batch_id=1, outcome=outcome, contacts=contacts)


def tally_of(*events: Event) -> Tally:
    tally = Tally()
    for event in events:
        tally.note(event)

    return tally


def retry(*, contacts: int = 0, lost: int = 0, continued: bool = False) -> RetryStarted:
    return RetryStarted(
        run_id="r-1", outcome="unknown", contacts=contacts, lost=lost, continued=continued
    )


def changed(**asked: Any) -> PaceChanged:
    nothing = {"requests_per_second": None, "contacts_per_hour": None, "max_in_flight": None}
    return PaceChanged(**{**nothing, "paused": None, **asked})


def test_counts_contacts_by_outcome_and_requests_by_their_ends() -> None:
    """Every outcome has a counter of its own; a request is in flight until it ends."""
    failed = AttemptFailed(batch_id=2, attempt=1, reason="503", detail="x", delay_seconds=1.0)
    tally = tally_of(
        chunk(1_500),
        settled(500),
        settled(20, "rejected"),
        settled(7, "unknown"),
        RequestStarted(batch_id=1),
        RequestStarted(batch_id=2),
        RequestEnded(batch_id=1, status=200, seconds=0.2),
        failed,
    )
    snapshot = tally.sample(0.0)
    assert (snapshot.read, snapshot.accepted, snapshot.rejected, snapshot.unknown) == (
        1_500,
        500,
        20,
        7,
    )
    assert (snapshot.requests, snapshot.in_flight, snapshot.retries) == (2, 1, 1)


def test_rate_forgets_what_is_older_than_the_window() -> None:
    """The rate is of the last ten seconds, not of the whole run."""
    tally = Tally(window_seconds=10.0)
    for second in range(30):
        tally.sample(float(second))
        tally.note(settled(1_000 if second < 15 else 200))

    assert tally.sample(30.0).per_second == pytest.approx(200.0)


def test_rate_needs_time_to_have_passed() -> None:
    """A first sample has no rate, whatever was settled before it."""
    tally = tally_of(settled(500))
    assert tally.sample(5.0).per_second == 0.0
    tally.note(settled(500))
    assert tally.sample(5.0).per_second == 0.0


def test_share_and_time_left_come_from_the_total_where_it_is_known() -> None:
    """With a total, contacts settled by an earlier process count as done."""
    tally = tally_of(started(settled=400, total=1_000))
    tally.sample(0.0)
    tally.note(settled(100))
    snapshot = tally.sample(10.0)
    assert snapshot.share == pytest.approx(0.5)
    assert snapshot.per_second == pytest.approx(10.0)
    assert snapshot.left_seconds == pytest.approx(50.0)


def test_share_is_of_what_is_settled_not_of_what_is_read() -> None:
    """Half of the source read and half of that settled is a quarter."""
    tally = tally_of(chunk(1_000, share=0.5), settled(500))
    assert tally.sample(0.0).share == pytest.approx(0.25)


def test_share_of_a_resumed_run_counts_what_was_settled_before() -> None:
    """Half of the source was read by now, three quarters of that by an earlier process."""
    tally = tally_of(started(settled=300), chunk(100, share=0.5), settled(100))
    assert tally.sample(0.0).share == pytest.approx(0.5)


def test_share_is_unknown_where_the_source_has_no_end() -> None:
    """No total and no share: neither a bar nor a time left is invented."""
    snapshot = tally_of(chunk(1_000), settled(500)).sample(0.0)
    assert snapshot.share is None
    assert snapshot.left_seconds is None


def test_no_time_is_left_at_the_end() -> None:
    """When everything is settled the display stops speaking of time."""
    tally = tally_of(chunk(100, share=1.0))
    tally.sample(0.0)
    tally.note(settled(100))
    snapshot = tally.sample(1.0)
    assert (snapshot.share, snapshot.left_seconds) == (1.0, None)


def test_time_left_is_unknown_while_nothing_moves() -> None:
    """A rate of nought promises no end."""
    tally = tally_of(started(total=1_000))
    tally.sample(0.0)
    assert tally.sample(10.0).left_seconds is None


def test_hold_counts_down_and_ends() -> None:
    """A pause is shown with the time it still takes, and is gone when it is over."""
    tally = tally_of(HoldStarted(seconds=12.0, reason="429"))
    assert tally.sample(100.0).condition == "paused, 12 s more (429)"
    assert tally.sample(107.0).condition == "paused, 5 s more (429)"
    assert tally.sample(112.0).condition is None


def test_shorter_hold_does_not_end_a_longer_one() -> None:
    """Of two pauses the later end counts."""
    tally = tally_of(HoldStarted(seconds=60.0, reason="429"))
    tally.sample(0.0)
    tally.note(HoldStarted(seconds=1.0, reason="503"))
    assert tally.sample(10.0).condition == "paused, 50 s more (503)"


def test_holds_close_together_make_one_notice() -> None:
    """A server that asks for pauses all the time does not fill the screen."""
    tally = Tally(quiet_seconds=30.0)
    for second in (0.0, 5.0, 20.0, 45.0, 80.0):
        tally.note(HoldStarted(seconds=1.0, reason="429"))
        tally.sample(second)

    assert [notice.text for notice in tally.take_notices()] == [
        "Marketing Cloud asked for a pause of 1 s (429)",
        "Marketing Cloud asked for a pause of 1 s (429)",
    ]


def test_a_hold_of_less_than_a_second_is_no_pause_of_none() -> None:
    """It is told in whole seconds, never as none."""
    tally = Tally()
    tally.note(HoldStarted(seconds=0.2, reason="429"))
    tally.sample(0.0)
    (notice,) = tally.take_notices()
    assert notice.text == "Marketing Cloud asked for a pause of 1 s (429)"
    assert tally.sample(0.1).condition == "paused, 1 s more (429)"


def test_what_limits_the_run() -> None:
    """The last that was told, and since when; what keeps everything back says until when."""
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    tally = tally_of()
    assert tally.sample(0.0).limit is None
    tally.note(LimitChanged(limit="rate", since=noon))
    moment = tally.sample(0.0)
    assert (moment.limit, moment.limited_since, moment.condition) == ("rate", noon, None)
    tally.note(WindowClosed(opens_at=noon.replace(hour=18)))
    tally.note(LimitChanged(limit="window", since=noon))
    assert tally.sample(0.0).condition == "outside delivery.window until Mon 23 Nov 18:00 UTC"
    tally.note(LimitChanged(limit="paused", since=noon))
    assert tally.sample(0.0).condition == "nothing is sent until `journey-pipeline resume`"
    tally.note(LimitChanged(limit="source", since=noon))
    assert tally.sample(0.0).condition is None


def test_trouble_is_shown_until_something_is_accepted() -> None:
    """Why batches are sent again stands below the bar while nothing gets through."""
    failed = AttemptFailed(
        batch_id=1, attempt=2, reason="refused", detail="connection refused", delay_seconds=1.0
    )
    tally = tally_of(failed)
    assert tally.sample(0.0).condition == "sending again: connection refused"
    tally.note(settled(1, "rejected"))
    assert tally.sample(1.0).condition == "sending again: connection refused"
    tally.note(settled(500))
    assert tally.sample(2.0).condition is None


@pytest.mark.parametrize(
    ("event", "tone", "text"),
    [
        (started(settled=1_200), Tone.NEWS, "going on with run r-1: 1,200 contacts settled before"),
        (
            retry(contacts=1),
            Tone.NEWS,
            "sending 1 unknown contact of run r-1 again",
        ),
        (
            retry(contacts=300, continued=True, lost=20),
            Tone.NEWS,
            (
                "going on to send 300 unknown contacts of run r-1 again; 20 more stay as they are: "
                "their source cannot be read again, and the journal has not their records (they "
                "were in flight when a process died, or unreadable)"
            ),
        ),
        (retry(), Tone.NEWS, "run r-1 has no unknown contacts to send again"),
        (
            RunPutAside(directory="run/previous/r-0"),
            Tone.NEWS,
            "the run that was here before lies in run/previous/r-0 now",
        ),
        (
            LeftoversFound(batches=1, contacts=500),
            Tone.WARNING,
            (
                "1 batch was under way when the last process ended: the fate of 500 contacts "
                "is unknown"
            ),
        ),
        (
            FieldsUnreadable(detail="403"),
            Tone.WARNING,
            "contacts go unchecked, the event's fields cannot be read: 403",
        ),
        (
            TokenRenewed(lifetime_seconds=3_600, reason="refused"),
            Tone.WARNING,
            "a token was refused before its time; a new one is in use",
        ),
        (
            EncoderRestarted(detail="killed by signal 9"),
            Tone.WARNING,
            "the encoder process ended and was started again: killed by signal 9",
        ),
        (
            BreakerOpened(reason="refused", detail="connection refused"),
            Tone.WARNING,
            "nothing gets through, one batch at a time is tried: connection refused",
        ),
        (BreakerClosed(seconds=75.2), Tone.NEWS, "it gets through again, after 75 s"),
        (
            WindowClosed(opens_at=datetime(2026, 11, 24, 8, tzinfo=UTC)),
            Tone.NEWS,
            "outside delivery.window: waiting until Tue 24 Nov 08:00 UTC",
        ),
        (
            changed(requests_per_second=2000.0, contacts_per_hour=1.5e6, max_in_flight=4),
            Tone.NEWS,
            (
                "the pace was changed: 2,000 requests a second, 1,500,000 contacts an hour, "
                "4 in flight at most"
            ),
        ),
        (
            changed(paused=True),
            Tone.NEWS,
            "the pace was changed: nothing is sent until `resume`",
        ),
        (changed(paused=False), Tone.NEWS, "the pace was changed: sending goes on"),
        (DrainStarted(reason="SIGTERM"), Tone.NEWS, "finishing what is begun: SIGTERM"),
        (RunHalted(detail="403 Forbidden"), Tone.TROUBLE, "halted: 403 Forbidden"),
    ],
)
def test_what_people_should_know_is_told_once(event: Event, tone: Tone, text: str) -> None:
    """A notice is handed out once, in its own words."""
    tally = tally_of(event)
    assert [(notice.text, notice.tone) for notice in tally.take_notices()] == [(text, tone)]
    assert tally.take_notices() == []


@pytest.mark.parametrize(
    "event",
    [
        started(),
        TokenRenewed(lifetime_seconds=3_600, reason="first"),
        TokenRenewed(lifetime_seconds=3_600, reason="ending"),
        chunk(500),
        changed(),
    ],
)
def test_the_ordinary_course_is_not_news(event: Event) -> None:
    """A fresh run, its tokens and its chunks make no notice."""
    assert tally_of(event).take_notices() == []


@given(
    steps=st.lists(
        st.tuples(
            st.floats(min_value=0, max_value=30),
            st.sampled_from(["accepted", "rejected", "unknown"]),
            st.integers(min_value=0, max_value=5_000),
        ),
        max_size=40,
    )
)
def test_whatever_happens_the_numbers_make_sense(steps: list[tuple[float, str, int]]) -> None:
    """Counts add up, the share lies between 0 and 1, rate and time left are never negative."""
    tally = tally_of(chunk(100, share=0.3))
    now, total = 0.0, 0
    for pause, outcome, contacts in steps:
        now += pause
        total += contacts
        tally.note(settled(contacts, outcome))
        snapshot = tally.sample(now)
        assert snapshot.accepted + snapshot.rejected + snapshot.unknown == total
        assert snapshot.per_second >= 0
        assert snapshot.share is not None
        assert 0 <= snapshot.share <= 1
        assert snapshot.left_seconds is None or snapshot.left_seconds >= 0


def test_repr_tells_the_counts() -> None:
    """The state can be seen in a debugger."""
    tally = tally_of(chunk(1_500), settled(500), RequestStarted(batch_id=1))
    assert repr(tally) == "<Tally 1,500 read, 500 accepted, 0 rejected, 0 unknown, 1 in flight>"
