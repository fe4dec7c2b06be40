"""Tenure: what is sure to be this worker's, told the time; and the clock that tells it."""

from __future__ import annotations

import signal
import subprocess
import sys
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.queues.custody import Custody
from pipeline.intake.queues.elapsed import Elapsed
from pipeline.intake.queues.message import Message
from pipeline.intake.queues.tenure import Tenure

if TYPE_CHECKING:
    from collections.abc import Iterable

HOLD_SECONDS = 8.0
SURE_SECONDS = 6.0

seconds = st.floats(0.0, 20.0, allow_nan=False)
firsts = st.sampled_from("ABCDE")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), seconds),
        st.tuples(st.just("take"), firsts),
        st.tuples(st.just("say"), st.frozensets(firsts)),
        st.tuples(st.just("end"), firsts),
        st.tuples(st.just("lapse"), st.frozensets(firsts)),
        st.tuples(st.just("lose"), firsts),
    ),
    max_size=60,
)


def tenure() -> Tenure:
    made = Tenure()
    made.hold_seconds = HOLD_SECONDS
    return made


@given(steps)
def test_what_holds_was_sure_in_time(steps: list[tuple[str, Any]]) -> None:
    """It holds if, and only if, it was taken or sure so lately, and was not taken away since."""
    policy, now = tenure(), 0.0
    sure: dict[str, float] = {}
    lapsed: set[str] = set()
    for step, told in steps:
        if step == "wait":
            now += told
        elif step == "take":
            if now > sure.get(told, -inf):
                lapsed.discard(told)

            sure[told] = now
            policy.taken(told, now)
        elif step == "say":
            sure |= dict.fromkeys(told & (sure.keys() - lapsed), now)
            policy.sure(told, now)
        elif step == "end" and told in sure:
            del sure[told]
            lapsed.discard(told)
            policy.end(told)
        elif step == "lapse":
            late = {at for at in sure if now >= sure[at] + SURE_SECONDS} - told - lapsed
            assert policy.lapse(now, but=told) == len(late)
            lapsed |= late
        elif step == "lose" and told in sure:
            assert policy.take_away([told]) == (told not in lapsed)
            lapsed.add(told)

        holds = {at: now < sure[at] + SURE_SECONDS and at not in lapsed for at in sure}
        assert {at: policy.holds(at, now) for at in sure} == holds
        assert policy.all_hold(now) is all(holds.values())


@given(
    st.dictionaries(st.sampled_from([f"m{at}" for at in range(40)]), seconds, max_size=20), seconds
)
def test_what_is_asked_for_together_was_sure_at_about_the_same_time(
    taken: dict[str, float], later: float
) -> None:
    """Each once, none earlier than is told, nor later by more than a quarter of the time."""
    policy, now = tenure(), 20.0 + later
    for first, at in taken.items():
        policy.taken(first, at)

    rounds = policy.rounds(now)
    assert sorted(first for _, some in rounds for first in some) == sorted(taken)
    for age, some in rounds:
        ages = [now - taken[first] for first in some]
        assert age == max(ages)
        assert age - min(ages) <= HOLD_SECONDS / 4


def test_what_has_lapsed_is_sure_when_it_is_taken_anew_and_not_before() -> None:
    """An answer to what was asked before it lapsed proves nothing."""
    policy = tenure()
    policy.taken("m", 0.0)
    policy.take_away(["m"])
    policy.sure(["m"], 1.0)
    assert not policy.holds("m", 1.0)
    policy.taken("m", 1.0)
    assert policy.all_hold(1.0)


def message(identity: str, handle: int = 0) -> Message:
    return Message(identity=identity, body=b"", handle=handle)


def custody_of(*records: int) -> Custody:
    """Messages m1, m2, … of so many positions, which follow each other from 1 on."""
    custody, first = Custody(), 1
    custody.tenure.hold_seconds = HOLD_SECONDS
    for number, each in enumerate(records, 1):
        custody.expect(message(f"m{number}"))
        custody.hold(message(f"m{number}"), first=first, records=each, left=each)
        first += each

    return custody


def lapse(custody: Custody, at: Iterable[str]) -> None:
    custody.tenure.take_away(at)


def test_custody_lets_go_of_what_lapsed_once_nothing_of_it_is_under_way() -> None:
    """What was settled meanwhile counts; what is held besides stays."""
    custody = custody_of(10, 10)
    assert custody.all_hold(range(1, 21), 1.0)
    lapse(custody, ["m1"])
    assert not custody.all_hold([1], 1.0)
    assert custody.all_hold([11, 20], 1.0)
    assert [custody.has_lapsed(at) for at in (1, 10, 11, 21)] == [True, True, False, True]
    custody.withhold(range(6, 11))
    assert (custody.take_let_go(), "m1" in custody) == ([], True)
    custody.settle(1, 5)
    assert (custody.take_let_go(), "m1" in custody) == ([("m1", 5)], False)
    assert (custody.done, len(custody), custody.tenure.all_hold(1.0)) == (False, 1, True)


def test_custody_gives_out_anew_what_was_withheld_of_what_comes_again() -> None:
    """And nothing else of it: the rest is under way still."""
    custody = custody_of(10)
    lapse(custody, ["m1"])
    custody.withhold([3, 4])
    assert custody.lacks("m1")
    custody.asked_at = 5.0
    custody.renew(message("m1", handle=1))
    assert custody.all_hold([1, 10], 5.0)
    assert custody.resume("m1") == frozenset({3, 4})
    assert not custody.lacks("m1")
    custody.settle(1, 10)
    assert [each.handle for each in custody.take_done()] == [0, 1]
    assert custody.resume("m1") is None


def test_custody_gives_back_nothing_that_has_lapsed() -> None:
    """Another worker may have it; it is let go all the same."""
    custody = custody_of(2, 2, 2)
    lapse(custody, ["m2"])
    given = custody.release(lambda first, _: first == 1)
    assert [each.identity for each in given] == ["m3"]
    assert custody.take_let_go() == [("m2", 2), ("m3", 2)]
    assert "m1" in custody


def test_time_goes_on_for_a_process_that_is_stopped() -> None:
    """As it does for its broker."""
    script = (
        "import sys; from pipeline.intake.queues.elapsed import Elapsed; "
        "elapsed = Elapsed(); print(flush=True); input(); print(elapsed())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)

        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate("\n", timeout=30)

    assert float(told) >= 0.5


@pytest.mark.parametrize(
    ("running", "wall", "elapsed"),
    [
        ([0.0, 1.0, 2.0], [50.0, 51.0, 52.0], 2.0),
        ([0.0, 1.0, 2.0], [50.0, 351.0, 352.0], 302.0),  # a machine that was paused by its host
        ([0.0, 1.0, 2.0], [50.0, 20.0, 21.0], 2.0),
        ([0.0, 300.0, 301.0], [50.0, 51.0, 352.0], 601.0),
    ],
)
def test_time_is_the_longest_that_any_clock_tells(
    running: list[float], wall: list[float], elapsed: float
) -> None:
    """Too much does no harm: what is held is asked for once more."""
    clock = Elapsed(running=iter(running).__next__, wall=iter(wall).__next__)
    clock()
    assert clock() == elapsed
