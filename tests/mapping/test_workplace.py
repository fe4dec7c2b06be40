"""The workplace: who has little to do stays, who has much to do moves, once it pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping.workplace import (
    CROWDED_SHARE,
    REST_SECONDS,
    WINDOW_SECONDS,
    WORTH_SECONDS,
    Workplace,
)


def worked(
    *, chunk_seconds: float, every_seconds: float, chunks: int, share: float | None = None
) -> float | None:
    """When the workplace is crowded: after how many seconds of work; None if it never is."""
    workplace = Workplace()
    for number in range(chunks):
        began = number * every_seconds
        workplace.worked(began, began + chunk_seconds, share=share)
        if workplace.crowded:
            return (number + 1) * chunk_seconds

    return None


def test_a_paced_load_stays() -> None:
    """Ten requests a second, 500 contacts each at 2 µs: a hundredth of the time, for ever."""
    assert worked(chunk_seconds=0.002, every_seconds=0.2, chunks=100_000) is None


def test_filling_the_streams_at_first_is_no_load() -> None:
    """What is read in one go before the senders are all busy is no sign of what comes."""
    workplace = Workplace()
    now = 0.0
    for _ in range(20):
        workplace.worked(now, now + 0.002)
        now += 0.002
        assert not workplace.crowded

    for _ in range(1_000):
        now += 0.2
        workplace.worked(now - 0.002, now)
        assert not workplace.crowded


def test_a_load_at_full_speed_moves() -> None:
    """As soon as it has shown that it is one."""
    assert worked(chunk_seconds=0.002, every_seconds=0.002, chunks=1_000) == pytest.approx(
        WORTH_SECONDS, abs=0.003
    )


def test_what_is_nearly_done_stays() -> None:
    """A move is not worth it for the rest of a file."""
    assert worked(chunk_seconds=0.002, every_seconds=0.002, chunks=100, share=0.9) is None
    assert worked(chunk_seconds=0.002, every_seconds=0.002, chunks=100, share=0.4) is not None


def test_long_ago_does_not_count() -> None:
    """A burst a while ago is no load now."""
    workplace = Workplace()
    workplace.worked(0.0, WORTH_SECONDS, share=0.01)
    assert workplace.crowded
    later = 3 * WINDOW_SECONDS
    workplace.worked(later, later + CROWDED_SHARE * WINDOW_SECONDS / 2)
    assert not workplace.crowded


def test_where_no_process_could_be_had_none_is_asked_for_soon() -> None:
    workplace = Workplace()
    workplace.worked(0.0, WORTH_SECONDS, share=0.01)
    assert workplace.crowded
    workplace.refused(WORTH_SECONDS)
    for began, crowded in ((1.0, False), (REST_SECONDS - 1.0, False), (REST_SECONDS + 1.0, True)):
        workplace.worked(began, began + WORTH_SECONDS, share=0.01)
        assert workplace.crowded is crowded


@given(st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 2))), st.none() | st.floats(0, 1))
def test_never_below_what_a_child_costs(
    work: list[tuple[float, float]], share: float | None
) -> None:
    """Whatever the pattern: crowded means that enough was done, and enough is left."""
    workplace = Workplace()
    now = done = 0.0
    for busy, idle in work:
        workplace.worked(now, now + busy, share=share)
        done += busy
        now += busy + idle
        if workplace.crowded:
            assert done >= WORTH_SECONDS * 0.999
            assert share is None or not share or done * (1 - share) / share >= WORTH_SECONDS * 0.999
