from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.intake.grammar import Grammar
from pipeline.intake.table import Table, TableReader
from pipeline.mapping import columns
from pipeline.mapping.contacts import ContactShape
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import FieldRule, MappingPolicy
from pipeline.mapping.target import Field, FieldType, Target
from tests.fakes.chunks import chunk_of
from tests.mapping.test_compiler import one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.intake.source import Chunk
    from pipeline.mapping.contacts import Contacts

COLUMNS = ("a", "b", "c", 'd"\\')
RULES = st.sampled_from(
    [
        *(FieldRule(column=name) for name in COLUMNS),
        FieldRule(column="b", default="ßta\\nd-in"),
        FieldRule(column="c", default=1),
        FieldRule(column="b", required=True),
        FieldRule(column="c", keep_empty=True),
        FieldRule(value='a "constant" {"ContactKey":"'),
        FieldRule(value=5),
        FieldRule(column="b", transform="trim"),
    ]
)
POLICIES = st.builds(
    MappingPolicy,
    contact_key=st.sampled_from(["a", "b"]),
    fields=st.none() | st.dictionaries(st.sampled_from(["V", "W\t", "X", '"Y']), RULES, max_size=4),
)
NAMES = ("V", "W\t", "X", '"Y', *COLUMNS)
TARGETS = st.none() | st.builds(
    lambda kinds, length, required: Target(
        fields=tuple(
            Field(name=name, type=kind, max_length=length, precision=5, required=name in required)
            for name, kind in zip(NAMES, kinds, strict=True)
        )
    ),
    st.lists(st.sampled_from(FieldType), min_size=8, max_size=8),
    st.sampled_from([None, 1, 4, 12]),
    st.sampled_from(["", "V", "Xa", "b"]),
)
CELLS = st.sampled_from(
    [
        *(
            "",
            "",
            "x",
            "Ann",
            "12",
            "12,",
            "-3.5",
            "3000000000",
            "1 ",
            "true",
            "TRUE",
            "2024-05-21",
        ),
        *(
            "21 May,2024",
            "a@b.de",
            "a,@b.de",
            "ä@b.de",
            "ß" * 6,
            "漢,",
            "null",
            "{}},{:",
            "k" * 255,
        ),
    ]
)
ROWS = st.lists(st.lists(CELLS, min_size=4, max_size=4), min_size=1, max_size=6)
SHAPES = st.sampled_from(
    (ContactShape(), ContactShape(key="k", data="d", fixed=(("Event", 'ä"'), ("f", "g"))))
)


@pytest.fixture(autouse=True, scope="module")
def any_odd() -> Iterator[None]:
    """Tables are taken by columns however many of their rows are odd."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "_ODD_AT_MOST", 1.0)
        yield


def chunk(rows: list[list[str]]) -> Chunk:
    """The rows as they are read from a file."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    grammar = Grammar(delimiter=",", quote='"')
    found = TableReader(grammar, len(rows[0])).read(text.getvalue().encode())
    assert found is not None
    return replace(chunk_of(COLUMNS, *rows), records=found[0])


def told(contacts: Contacts) -> list[Any]:
    return [
        contacts.keys,
        contacts.bodies,
        list(contacts.positions),
        [(each.position, each.reason, each.detail, each.record) for each in contacts.rejected],
    ]


@settings(max_examples=500)
@given(POLICIES, TARGETS, SHAPES, ROWS)
def test_columns_and_rows_agree(
    policy: MappingPolicy, target: Target | None, shape: ContactShape, rows: list[list[str]]
) -> None:
    """A table's contacts and rejections are those of its rows, byte for byte, and the plan's."""
    mapper = Mapper(policy, shape=shape, target=target, max_contact_bytes=120)
    table = chunk(rows)
    contacts = mapper.map(table)
    assert told(contacts) == told(mapper.map(chunk_of(COLUMNS, *rows)))
    made, rejected = one_by_one(mapper, COLUMNS, rows)
    assert list(zip(contacts.keys, contacts.bodies, strict=True)) == [one for one in made if one]
    assert [(each.position, each.reason, each.detail) for each in contacts.rejected] == rejected
    if contacts.bodies:
        assert len(orjson.loads(b"[" + contacts.joined + b"]")) == len(contacts)


def by_columns(mapper: Mapper, rows: list[list[str]]) -> Contacts:
    """Map a table, and make sure that no row was given up on but by the plan."""
    contacts = mapper.map(chunk(rows))
    assert mapper._column_encoders[COLUMNS] is not None
    return contacts


def test_a_table_is_taken_by_columns() -> None:
    """Every column under its own name, what is empty left out, the envelope's own words."""
    mapper = Mapper(MappingPolicy(contact_key="a"), shape=ContactShape(key="k", data="d"))
    contacts = by_columns(mapper, [["1", "é, ü", "", "x"], ["2", "", "", ""]])
    assert contacts.keys == ["1", "2"]
    assert contacts.bodies == [
        '{"k":"1","d":{"a":"1","b":"é, ü","d\\"\\\\":"x"}}'.encode(),
        b'{"k":"2","d":{"a":"2"}}',
    ]


def test_odd_rows_are_mended_where_they_stand() -> None:
    """A row that breaks a rule, or only seems to, costs the rows around it nothing."""
    fields: dict[str, FieldRule | str] = {"E": "b", "N": "c", "C": FieldRule(value="spring")}
    target = Target(
        fields=(
            Field(name="E", type=FieldType.EMAIL, max_length=9),
            Field(name="N", type=FieldType.NUMBER),
            Field(name="C"),
        )
    )
    mapper = Mapper(MappingPolicy(contact_key="a", fields=fields), target=target)
    rows = [
        ["1", "a@b.de", "1", ""],
        ["2", "ä@bb.de", "-2", ""],  # fits, at a second look
        ["3", "none", "3", ""],
        ["", "a@b.de", "4", ""],
        ["5", "", "5", ""],  # the first field is left out
        ["6", "c@d.de", "", ""],
    ]
    contacts = by_columns(mapper, rows)
    assert contacts.keys == ["1", "2", "5", "6"]
    assert [orjson.loads(body)["Data"] for body in contacts.bodies] == [
        {"E": "a@b.de", "N": "1", "C": "spring"},
        {"E": "ä@bb.de", "N": "-2", "C": "spring"},
        {"N": "5", "C": "spring"},
        {"E": "c@d.de", "C": "spring"},
    ]
    assert list(contacts.positions) == [1, 2, 5, 6]
    assert [(each.position, each.reason) for each in contacts.rejected] == [
        (3, "not_an_email"),
        (4, "missing_contact_key"),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        FieldRule(column="b", transform="trim"),
        FieldRule(column="b", type="number"),
        FieldRule(template="{a}{b}"),
        FieldRule(value=5),
        FieldRule(column="b", default=False),
    ],
)
def test_what_is_more_than_a_column_is_taken_by_rows(rule: FieldRule) -> None:
    """A rule that makes something of a cell, or a value that is no text, wants the row."""
    mapper = Mapper(MappingPolicy(contact_key="a", fields={"A": "a", "B": rule}))
    contacts = mapper.map(chunk([["1", "2", "3", "4"]]))
    assert mapper._column_encoders[COLUMNS] is None
    assert len(contacts) == 1


def test_many_odd_rows_are_taken_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where columns do not pay they are not tried again."""
    monkeypatch.setattr(columns, "_ODD_AT_MOST", 0.125)
    mapper = Mapper(MappingPolicy(contact_key="a"))
    rows = [["1", "b", "c", "d"], ["", "b", "c", "d"]]
    assert mapper.map(chunk(rows)).keys == ["1"]
    assert mapper._column_encoders[COLUMNS] is None
    assert mapper.map(chunk([["3", "", "", ""]])).keys == ["3"]


def test_the_rows_of_a_table_that_is_no_use_are_those_of_the_file() -> None:
    """Masks are the table's own business: by rows, a delimiter in quotes is itself again."""
    policy = MappingPolicy(contact_key="a", fields={"B": FieldRule(column="b", transform="trim")})
    table = chunk([["1", " x, y ", "", ""]])
    assert isinstance(table.records, Table)
    assert Mapper(policy).map(table).bodies == [b'{"ContactKey":"1","Data":{"B":"x, y"}}']
