"""How faults are written."""

from __future__ import annotations

import pytest

from pipeline.errors import ConfigError
from pipeline.simulator.fault_spec import fault_of_table, parse_fault
from pipeline.simulator.faults import Fault, Kind, RetryAfterForm, Scope, Stage


def test_every_option_reaches_its_field() -> None:
    """What is written is what is meant."""
    assert parse_fault("429:rate=0.01,retry_after=2,form=date,from=5,to=9,times=3") == Fault(
        spec="429:rate=0.01,retry_after=2,form=date,from=5,to=9,times=3",
        kind=Kind.STATUS,
        status=429,
        rate=0.01,
        retry_after=2.0,
        form=RetryAfterForm.DATE,
        first=5,
        last=9,
        times=3,
    )
    assert parse_fault("close:during_body,at=3+7").stage is Stage.DURING_BODY
    assert parse_fault("close:during_body,at=3+7").at == {3, 7}
    assert parse_fault("503:on=token").scope is Scope.TOKEN


def test_a_table_means_the_same_as_its_text() -> None:
    """A TOML file and the command line have one meaning."""
    table = {"kind": "500", "every": 50, "taken": True}
    assert fault_of_table(table) == parse_fault("500:every=50,taken=true")
    assert fault_of_table({"kind": 429, "at": [1, 2]}) == parse_fault("429:at=1+2")


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ("500", 0.5),
        ("502:taken=true", 1.0),
        ("504:taken=0.25", 0.25),
        ("503", 0.0),
        ("429", 0.0),
        ("408", 0.0),
        ("400", 0.0),
        ("close:before_body", 0.0),
        ("close:during_body", 0.0),
        ("close:after_body", 0.5),
        ("hang", 0.5),
        ("empty", 1.0),
        ("truncated", 1.0),
        ("html:taken=false", 0.0),
    ],
)
def test_contacts_are_taken_only_where_the_answer_leaves_it_open(spec: str, taken: float) -> None:
    """A refusal never took the contacts, a failure after the body may have."""
    assert parse_fault(spec).taken == taken


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("429:rte=0.1", "did you mean 'rate'"),
        ("clsoe", "did you mean 'close'"),
        ("200", "no kind of fault"),
        ("429:rate=2", "above 0 and not above 1"),
        ("429:rate=x", "rate=x cannot be used"),
        ("429:every=0", "at least 1"),
        ("429:rate=0.1,every=5", "only one of rate and every"),
        ("500:from=9,to=3", "lies before from=9"),
        ("503:taken=true", "no option 'taken'"),
        ("close:before_body,taken=true", "cannot have been taken"),
        ("500:retry_after=2", "no option 'retry_after'"),
        ("429:form=date", "form= needs retry_after="),
        ("500:every", "needs a value"),
        ("500:every=2,every=3", "given twice"),
        ("500:on=nothing", "on=nothing cannot be used"),
        ("hang:seconds=inf", "number of seconds"),
    ],
)
def test_a_mistake_is_named(spec: str, said: str) -> None:
    """The message shows the fault as written, and what is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        parse_fault(spec)

    assert said in str(caught.value)
    assert spec in str(caught.value)
