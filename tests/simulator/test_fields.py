"""What breaks a field, and that both readings of a rule agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.simulator.fields import REHEARSAL_FIELDS, Field, Fields, FieldType, Flaw

GOOD = {
    "EmailAddress": "ann@example.com",
    "FirstName": "Ann",
    "Language": "de-DE",
    "Points": "42",
    "Balance": "12.50",
    "Newsletter": True,
    "VisitedOn": "2026-03-04",
}


def rehearsal(*, unknown_enter: bool = False) -> Fields:
    return Fields(map(Field.parse, REHEARSAL_FIELDS), unknown_enter=unknown_enter)


@pytest.mark.parametrize(
    ("name", "value", "cause"),
    [
        ("EmailAddress", None, "required_missing"),
        ("EmailAddress", "", "required_missing"),
        ("EmailAddress", "ann.example.com", "not_an_email"),
        ("EmailAddress", "ann@example", "not_an_email"),
        ("EmailAddress", "a@b.c\nd@e.f", "not_an_email"),
        ("EmailAddress", f"{'x' * 251}@b.c", "too_long"),
        ("FirstName", "x" * 51, "too_long"),
        ("FirstName", ["Ann"], "not_text"),
        ("Language", "de-DE-x", "too_long"),
        ("Points", "4.5", "not_a_number"),
        ("Points", 2**31, "not_a_number"),
        ("Points", True, "not_a_number"),
        ("Balance", "12,50", "not_a_decimal"),
        ("Balance", "1" * 17, "too_long"),
        ("Newsletter", "perhaps", "not_a_boolean"),
        ("VisitedOn", "2026-02-30", "not_a_date"),
        ("VisitedOn", "13/13/2026", "not_a_date"),
        ("VisitedOn", 20260304, "not_a_date"),
        ("firstname", "Ann", "unknown_field"),
    ],
)
def test_each_cause_has_its_name(name: str, value: object, cause: str) -> None:
    """Reference, data rules: what breaks a field keeps its contact out. Names in exact case."""
    broken = GOOD | {name: value}
    assert rehearsal().flaw(broken) == Flaw(cause, name)
    assert not rehearsal().all_well([GOOD, broken])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FirstName", ""),
        ("FirstName", "x" * 50),
        ("FirstName", 7),
        ("LastName", None),
        ("Points", 2**31 - 1),
        ("Points", -(2**31)),
        ("Points", ""),
        ("Balance", 1e-3),
        ("Balance", -(10**16 - 1)),
        ("Newsletter", "No"),
        ("Newsletter", 0),
        ("VisitedOn", "2014/01/01"),
        ("VisitedOn", "3/31/2026 5:04 PM"),
        ("VisitedOn", "2026-03-04T05:06:07Z"),
        ("eventInstanceId", "ignored by Marketing Cloud"),
    ],
)
def test_what_is_lenient(name: str, value: object) -> None:
    """Where no source tells, the contact enters."""
    assert rehearsal().flaw(GOOD | {name: value}) is None


def test_data_must_be_an_object() -> None:
    """A contact whose data is a list or a text does not enter."""
    assert rehearsal().flaw(["x"]) == Flaw("data_not_an_object")
    assert not rehearsal().all_well([GOOD, list(GOOD)])
    assert not rehearsal().all_well([None])


def test_unknown_fields_may_enter_by_option() -> None:
    """The sources contradict each other, so both can be rehearsed."""
    odd = GOOD | {"Shoe": 43}
    assert rehearsal(unknown_enter=True).flaw(odd) is None
    assert rehearsal(unknown_enter=True).all_well([odd, odd])
    assert not rehearsal().all_well([odd, odd])


VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**33), 2**33),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=60),
    st.from_regex(r"[a-z@. \n]{0,9}@[a-z.]{0,9}"),
    st.from_regex(r"[+-]?[0-9]{0,12}(\.[0-9]{0,3})?\n?"),
    st.dates().map(str),
    st.datetimes().map(str),
    st.sampled_from(["true", "Yes", "off", "1/31/2026", "2026-02-31", "", []]),
)
DATA = st.fixed_dictionaries(
    {"EmailAddress": st.one_of(st.emails(), VALUES)},
    optional={field.partition(":")[0]: VALUES for field in REHEARSAL_FIELDS[2:]},
)


@given(st.lists(DATA, min_size=1, max_size=4))
def test_the_quick_reading_never_says_more_than_the_slow_one(datas: list[dict[str, Any]]) -> None:
    """`all_well` is only a shorter way to the same yes."""
    fields = rehearsal()
    if fields.all_well(datas):
        assert [fields.flaw(data) for data in datas] == [None] * len(datas)


def test_the_quick_reading_suffices_for_ordinary_contacts() -> None:
    """Contacts in order, of the same fields or of several kinds, need no second look."""
    fields = rehearsal()
    fewer = {"EmailAddress": "bob@example.com"}
    assert fields.all_well([GOOD] * 5)
    assert fields.all_well([GOOD, fewer] * 5)
    assert fields.all_well([fewer] * 5)
    assert fields.all_well([dict(reversed(GOOD.items())), GOOD])
    assert Fields([]).all_well([{}, {}])


def test_fields_are_read_from_text() -> None:
    """`Name:Type(length,scale):required`."""
    assert Field.parse("City:text(80)") == Field(name="City", type=FieldType.TEXT, length=80)
    assert Field.parse("Mail:Email:required").required
    assert Field.parse("Paid:Decimal(10,3)").scale == 3
    for wrong in ("City", "City:Blob", "City:Text(x)", "City:Text:needed", ":Text"):
        with pytest.raises(ConfigError, match="cannot be read"):
            Field.parse(wrong)
