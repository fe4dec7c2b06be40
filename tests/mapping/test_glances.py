from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.mapping import glances
from pipeline.mapping.checks import field_check
from pipeline.mapping.glances import glance_of
from pipeline.mapping.target import Field, FieldType

TYPES = (
    FieldType.NUMBER,
    FieldType.BOOLEAN,
    FieldType.DATE,
    FieldType.EMAIL,
    FieldType.DECIMAL,
)
FIELDS = st.builds(
    Field,
    name=st.just("F"),
    type=st.sampled_from(TYPES),
    precision=st.sampled_from([None, 1, 5]),
    scale=st.sampled_from([None, 1, 4, 5]),
)
PIECES = ("a", "B", "7", "_", "+", "-", ".", "@", "@a.bc", "a.bc", "\x01", " ", "é", "2024-02-29")
WRITTEN = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)
DATES = st.from_regex(r"[0-2]{2}[0-9]{2}-[01]?[0-9]-[0-3][0-9](?:[T ][0-2][0-9]:[0-9]{2})?Z?")
NUMBERS = st.from_regex(r"\A[+-]?[0-9]{0,11}(?:\.[0-9]{0,3})?\Z").filter(bool)
WORDS = st.sampled_from(["true", "TRUE", "no", "2", "0", "on", "of"])
CELLS = st.one_of(WRITTEN, DATES.map(str.strip), NUMBERS, WORDS).filter(bool)


@settings(max_examples=150)
@given(FIELDS, st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=3))
@example(Field(name="F", type=FieldType.EMAIL), [["ab", "x.com@d@e.com"]])
@example(Field(name="F", type=FieldType.EMAIL), [["@b.de"], ["a@b.de", "@b.de", "c@b.de"]])
@example(Field(name="F", type=FieldType.EMAIL), [["a@b.de", "c@b.de."], [".a@b.de", "c.@b.de"]])
def test_a_yes_is_certain(field: Field, columns: list[list[str]]) -> None:
    """Whatever was seen before: what passes at a glance is what the field's own check takes."""
    check = field_check(field, "0")
    glance = glance_of(check)
    assert glance is not None
    for cells in columns:
        held = [bool(check.holds(cell)) for cell in cells]
        raw = [cell.encode() for cell in cells]
        assert not glance.all(raw) or all(held)
        assert all(holds or not glance.one(cell) for cell, holds in zip(raw, held, strict=True))


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (FieldType.NUMBER, ["0", "-12", "123456789"]),
        (FieldType.BOOLEAN, ["true", "No", "1"]),
        (FieldType.DATE, ["2024-05-21", "2024-02-29", "05/21/2024", "2024-12-31T23:59:59Z"]),
        (FieldType.EMAIL, ["a@b.de", "a.b-c+d_e@b-c.example.com"]),
        (FieldType.DECIMAL, ["1", "-12.50", "0.001", "+1.5"]),
    ],
)
def test_the_everyday_passes_at_a_glance(kind: FieldType, cells: list[str]) -> None:
    """Else it would be looked at cell by cell, or even by rows: correct, and slow."""
    glance = glance_of(field_check(Field(name="F", type=kind), "0"))
    assert glance is not None
    assert glance.all([cell.encode() for cell in cells])
    assert glance.all([cell.encode() for cell in reversed(cells)])


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses with a domain each: they pass, and are not all kept."""
    monkeypatch.setattr(glances, "KNOWN_AT_MOST", 10)
    glance = glance_of(field_check(Field(name="F", type=FieldType.EMAIL), "0"))
    assert glance is not None
    for turn in range(5):
        assert glance.all([f"a@b{turn}{number}.de".encode() for number in range(9)])

    assert isinstance(glance.all, glances._Addresses)
    assert len(glance.all._domains._known) <= 10


def test_text_of_any_kind_needs_no_look() -> None:
    """Its length is all that counts."""
    for kind in (FieldType.TEXT, FieldType.PHONE, FieldType.LOCALE, FieldType.UNKNOWN):
        assert glance_of(field_check(Field(name="F", type=kind), "0")) is None
