"""When a group is written: gathered for while no sender is missed, and never for long."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settling.grouping import (
    DISPATCH,
    GATHER_SECONDS,
    NONE,
    OUTCOME,
    PERIOD_SECONDS,
    Grouping,
    Patience,
)

A_MOMENT = 1e-9


class Written(NamedTuple):
    """When a group was begun, and who was in it: (when it came, its patience)."""

    at: float
    orders: list[tuple[float, Patience]]


def groups_of(arrivals: list[tuple[float, Patience]], pressed: list[bool]) -> list[Written]:
    """What a journal does whose disk takes no time: `pressed` is told look by look, then stays."""
    grouping = Grouping()
    coming, told = sorted(arrivals, key=lambda one: one[0]), iter(pressed)
    waiting: list[tuple[float, Patience]] = []
    written: list[Written] = []
    last = pressed[-1]
    while coming or waiting:
        look = grouping.look_at() if waiting else inf
        if coming and coming[0][0] <= look:
            order = coming.pop(0)
            grouping.came(*order)
            waiting.append(order)
        elif grouping.ripe(look, pressed=next(told, last)):
            grouping.begun(look)
            written.append(Written(look, waiting))
            waiting = []
        else:
            assert grouping.look_at() > look, "it would ask for ever"

    return written


def test_pressed_senders_wait_for_nothing_but_the_last_group() -> None:
    written = groups_of([(1.0, DISPATCH), (1.001, DISPATCH), (1.002, DISPATCH)], [True])
    assert [(group.at, len(group.orders)) for group in written] == [
        (1.0, 1),
        (1.0 + PERIOD_SECONDS, 2),
    ]


def test_an_outcome_waits_for_the_next_dispatch() -> None:
    ((at, orders),) = groups_of([(1.0, OUTCOME), (1.003, DISPATCH)], [True])
    assert (at, len(orders)) == (1.003, 2)


def test_senders_that_nobody_misses_share_one_commit() -> None:
    arrivals = [(1.0 + 0.002 * number, DISPATCH) for number in range(8)]
    ((at, orders),) = groups_of(arrivals, [False])
    assert at == pytest.approx(1.0 + GATHER_SECONDS)
    assert len(orders) == 8


def test_gathering_ends_when_batches_lie_ready() -> None:
    """At the next look, which is never far, and not when the gathering would have been over."""
    ((at, _),) = groups_of([(1.0, DISPATCH)], [False, True])
    assert at == pytest.approx(1.0 + PERIOD_SECONDS)


def test_what_cannot_wait_takes_all_with_it() -> None:
    ((at, orders),) = groups_of([(1.0, DISPATCH), (1.001, OUTCOME), (1.002, NONE)], [False])
    assert (at, len(orders)) == (1.002, 3)


@given(
    st.lists(
        st.tuples(st.floats(0, 0.2), st.sampled_from([DISPATCH, OUTCOME, NONE])),
        min_size=1,
        max_size=40,
    ),
    st.lists(st.booleans(), min_size=1, max_size=20),
)
def test_nobody_waits_for_long(arrivals: list[tuple[float, Patience]], pressed: list[bool]) -> None:
    """Everybody is written, none later than his patience or a period after the last group."""
    written = groups_of(arrivals, pressed)
    assert sorted(at for _, orders in written for at, _ in orders) == sorted(
        at for at, _ in arrivals
    )
    before = -inf
    for at, orders in written:
        assert at >= before + PERIOD_SECONDS - A_MOMENT
        for came, patience in orders:
            longest = patience.pressed if all(pressed) else patience.relaxed
            assert at <= max(came + longest, before + PERIOD_SECONDS) + A_MOMENT

        before = at
