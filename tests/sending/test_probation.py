"""Probation: contacts are rejected only once the request is known to be right."""

from __future__ import annotations

import pytest

from pipeline.errors import EndpointError
from pipeline.sending.outcome import Rejected, Settlement
from pipeline.sending.probation import ALIKE, Probation
from tests.fakes.batches import BatchMaker


def refused() -> Settlement:
    outcome = Rejected(reason="refused_400", detail="the words of the answer")
    return Settlement(batch=BatchMaker().make(), outcome=outcome, attempt=1)


def test_after_an_acceptance_a_refusal_counts() -> None:
    """A request that was accepted before is right: whoever is refused is at fault."""
    probation = Probation()
    assert not probation.cleared
    assert probation.accept() == ()
    one = refused()
    assert probation.refuse(one, alike="a") == (one,)
    assert probation.accepted == 1


def test_an_acceptance_ends_the_probation() -> None:
    """Those held are released once, in their order."""
    probation = Probation()
    held = [refused() for _ in range(5)]
    for number, each in enumerate(held):
        assert probation.refuse(each, alike=str(number)) == ()

    assert probation.held == 5
    assert list(probation.accept()) == held
    assert probation.accept() == ()
    assert probation.finish() == ()


def test_ten_alike_are_the_request_s_fault() -> None:
    """The run halts, and the message tells the answer."""
    probation = Probation()
    for _ in range(ALIKE - 1):
        probation.refuse(refused(), alike="refused_400 1")

    probation.refuse(refused(), alike="refused_400 2")
    with pytest.raises(EndpointError, match="the words of the answer"):
        probation.refuse(refused(), alike="refused_400 1")


def test_the_end_of_a_run_that_accepted_nothing() -> None:
    """One contact may be at fault alone; two are not."""
    probation = Probation()
    lone = refused()
    probation.refuse(lone, alike="a")
    assert probation.finish() == (lone,)

    probation.refuse(refused(), alike="a")
    probation.refuse(refused(), alike="b")
    with pytest.raises(EndpointError):
        probation.finish()


def test_an_earlier_leg_counts() -> None:
    """What the journal knows to be accepted clears the request from the start."""
    assert Probation(accepted=3).cleared
