from __future__ import annotations

import pytest

from pipeline.settling.budget import Budget


def test_none_is_endless() -> None:
    """Without max_errors any number of contacts may fail."""
    budget = Budget.parse(None)
    budget.add(settled=10**6, failed=10**6)
    assert budget.overdrawn(final=True) is None


@pytest.mark.parametrize("written", [2, "2", " 2 "])
def test_count(written: str | int) -> None:
    """A count allows so many failures, and not one more, from the first contact on."""
    budget = Budget.parse(written)
    budget.add(settled=2, failed=2)
    assert budget.overdrawn() is None
    budget.add(settled=1, failed=1)
    assert budget.overdrawn() == "3 of 3 contacts are rejected or unknown; max_errors allows 2"


def test_share_waits() -> None:
    """A share says nothing before a thousand contacts, unless the source has ended."""
    budget = Budget.parse("5%")
    budget.add(settled=999, failed=999)
    assert budget.overdrawn() is None
    assert budget.overdrawn(final=True) is not None
    budget.add(settled=1, failed=0)
    assert budget.overdrawn() == (
        "999 of 1,000 contacts are rejected or unknown; max_errors allows 5 %"
    )


def test_share_is_met() -> None:
    """Exactly the share is allowed."""
    budget = Budget.parse("0.5%", settled=900, failed=4)
    budget.add(settled=100, failed=1)
    assert budget.overdrawn(final=True) is None
    budget.add(settled=1, failed=1)
    assert budget.overdrawn() is not None


def test_nothing_settled() -> None:
    """A run of nothing is within any budget."""
    assert Budget.parse("0%").overdrawn(final=True) is None
    assert Budget.parse(0).overdrawn(final=True) is None


@pytest.mark.parametrize("written", ["", "five", "5 percent", "-1", -1, "101%", "-1%", "nan%", "%"])
def test_refused(written: str | int) -> None:
    """What is neither a count nor a share is refused, named as it was written."""
    with pytest.raises(ValueError, match="max_errors") as refused:
        Budget.parse(written)

    assert repr(written) in str(refused.value)
