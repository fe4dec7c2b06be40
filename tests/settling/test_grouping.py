"""When a group is written: gathered for while nobody is missed, and never for long."""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settling.grouping import (
    DISPATCH,
    GATHER_SECONDS,
    OUTCOME,
    PERIOD_SECONDS,
    URGENT,
    Grouping,
    Patience,
)

A_MOMENT = 1e-9
ALWAYS, NEVER = [0.0], [inf]


class Written(NamedTuple):
    """When a group was begun, and who was in it: (when it came, its patience)."""

    at: float
    orders: list[tuple[float, Patience]]


def groups_of(arrivals: list[tuple[float, Patience]], turns: list[float]) -> list[Written]:
    """What a journal does whose disk takes no time.

    `turns` are the moments, ascending, at which the senders begin to be pressed, cease to be, and
    so on. The journal hears of each beginning, and asks again when it is about to write.
    """
    grouping = Grouping()
    coming = sorted(arrivals, key=lambda one: one[0])
    beginnings = [at for at in turns[::2] if at < inf]
    waiting: list[tuple[float, Patience]] = []
    written: list[Written] = []
    now, timer = 0.0, inf

    def due(now: float) -> float:
        return grouping.due(pressed=bisect_right(turns, now) % 2 == 1)

    while coming or waiting:
        comes = coming[0][0] if coming else inf
        begins = beginnings[0] if beginnings else inf
        now = max(now, min(timer, comes, begins))
        if begins <= now:
            beginnings.pop(0)
            timer = min(timer, due(now))
        elif comes <= now:
            order = coming.pop(0)
            waiting.append(order)
            grouping.came(*order)
            timer = min(timer, due(now))
        elif due(now) > now:
            timer = due(now)
        else:
            grouping.begun(now)
            written.append(Written(now, waiting))
            waiting, timer = [], inf

    return written


def test_pressed_senders_wait_for_nothing_but_the_last_group() -> None:
    written = groups_of([(1.0, DISPATCH), (1.001, DISPATCH), (1.002, DISPATCH)], ALWAYS)
    assert [(group.at, len(group.orders)) for group in written] == [
        (1.0, 1),
        (1.0 + PERIOD_SECONDS, 2),
    ]


@pytest.mark.parametrize("turns", [ALWAYS, NEVER])
def test_an_outcome_waits_for_the_next_dispatch(turns: list[float]) -> None:
    ((at, orders),) = groups_of([(1.0, OUTCOME), (1.003, DISPATCH)], turns)
    assert (at, len(orders)) == (1.003, 2)


def test_what_comes_after_a_quiet_time_waits_for_nobody() -> None:
    written = groups_of([(1.0, DISPATCH), (2.0, DISPATCH)], NEVER)
    assert [group.at for group in written] == [1.0, 2.0]


def test_senders_that_nobody_misses_share_one_commit() -> None:
    arrivals = [(1.0 + 0.002 * number, DISPATCH) for number in range(8)]
    written = groups_of(arrivals, NEVER)
    assert [len(group.orders) for group in written] == [1, 7]
    assert written[1].at == pytest.approx(1.0 + GATHER_SECONDS)


def test_gathering_ends_when_batches_lie_ready() -> None:
    arrivals = [(1.0, DISPATCH), (1.01, DISPATCH)]
    assert groups_of(arrivals, [1.02])[1].at == 1.02


def test_gathering_goes_on_where_they_were_taken_meanwhile() -> None:
    """Pressed within the least time between two groups, and not any more at its end."""
    arrivals = [(1.0, DISPATCH), (1.001, DISPATCH)]
    assert groups_of(arrivals, [1.002, 1.003])[1].at == pytest.approx(1.0 + GATHER_SECONDS)


def test_what_is_urgent_makes_nobody_wait() -> None:
    """A message's arrival is written just before its contacts are dispatched."""
    written = groups_of([(1.0, URGENT), (1.01, DISPATCH)], NEVER)
    assert [group.at for group in written] == [1.0, 1.01]


def test_what_cannot_wait_takes_all_with_it() -> None:
    arrivals = [(1.0, DISPATCH), (1.01, DISPATCH), (1.02, URGENT), (1.03, OUTCOME)]
    written = groups_of(arrivals, NEVER)
    assert [(group.at, len(group.orders)) for group in written[:2]] == [(1.0, 1), (1.02, 2)]


@given(
    st.lists(
        st.tuples(st.floats(0, 0.2), st.sampled_from([DISPATCH, OUTCOME, URGENT])),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.floats(0, 0.25), unique=True, max_size=20).map(sorted),
)
def test_nobody_waits_for_long(arrivals: list[tuple[float, Patience]], turns: list[float]) -> None:
    """Everybody is written, none later than his patience or the least time after the last group."""
    written = groups_of(arrivals, turns)
    assert sorted(at for _, orders in written for at, _ in orders) == sorted(
        at for at, _ in arrivals
    )
    before = -inf
    for at, orders in written:
        assert at >= before + PERIOD_SECONDS - A_MOMENT
        urgent = any(not patience.gathers for _, patience in orders)
        longest = PERIOD_SECONDS if urgent else GATHER_SECONDS
        for came, patience in orders:
            # What joins a group that is about to be written may come after its time.
            assert at <= max(came + patience.seconds, before + longest, orders[-1][0]) + A_MOMENT

        before = at
