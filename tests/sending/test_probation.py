"""Probation: contacts are rejected only once the request is known to be right."""

from __future__ import annotations

import pytest

from pipeline.errors import EndpointError
from pipeline.sending.outcome import Rejected, Settlement
from pipeline.sending.probation import ALIKE, Probation, patience_for
from tests.fakes.batches import BatchMaker


def refused() -> Settlement:
    outcome = Rejected(reason="refused_400", detail="the words of the answer")
    return Settlement(batch=BatchMaker().make(), outcome=outcome, attempt=1)


def test_without_limits_a_refusal_counts_at_once() -> None:
    """Where any number may be refused in a row, whoever is refused after an acceptance is."""
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


def test_an_acceptance_in_mid_run_counts_from_anew() -> None:
    """Those refused in between are released; a run that goes well is never halted by their sum."""
    probation = Probation(accepted=1, patience=5)
    for _ in range(10):
        held = [refused() for _ in range(4)]
        assert [probation.refuse(each, alike="a") for each in held] == [()] * 4
        assert list(probation.accept()) == held


def test_something_that_changed_in_mid_run() -> None:
    """So many alike in a row halt; the message says since which record, and the way out."""
    probation = Probation(accepted=1, patience=5)
    maker = BatchMaker()
    outcome = Rejected(reason="refused_400", detail="the words of the answer")
    told = [Settlement(batch=maker.make(), outcome=outcome, attempt=1) for _ in range(6)]
    probation.refuse(told[0], alike="b")
    for each in told[1:5]:
        probation.refuse(each, alike="a")

    with pytest.raises(EndpointError, match="the words of the answer") as halted:
        probation.refuse(told[5], alike="a")

    assert "from record 1 of contacts.csv" in str(halted.value)
    assert 'delivery.max_errors = "100%"' in str(halted.value)
    assert probation.held == 6


def test_the_end_of_a_run_that_accepted_others() -> None:
    """Those refused at its very end are rejected."""
    probation = Probation(accepted=1, patience=5)
    held = [refused() for _ in range(4)]
    for each in held:
        probation.refuse(each, alike="a")

    assert list(probation.finish()) == held


@pytest.mark.parametrize(
    ("max_records", "max_errors", "patience"),
    [(500, None, 1500), (500, "5%", 1500), (10, 7, 100), (500, "100 %", None), (1, "100%", None)],
)
def test_patience(max_records: int, max_errors: int | str | None, patience: int | None) -> None:
    """Three whole batches; without end where every contact may fail."""
    assert patience_for(max_records, max_errors=max_errors) == patience


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
