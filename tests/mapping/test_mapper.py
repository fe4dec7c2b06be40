from __future__ import annotations

import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import MappingError
from pipeline.intake.source import Rejection, Stage
from pipeline.mapping.contacts import Contacts, ContactShape
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import FieldRule, MappingPolicy
from pipeline.mapping.sample import sample_of
from tests.fakes.chunks import chunk_of

COLUMNS = ("id", "email", "first name")


def mapped(policy: MappingPolicy, columns: tuple[str, ...] | None, *records: Any) -> Contacts:
    return Mapper(policy).map(chunk_of(columns, *records))


def data_of(contacts: Contacts) -> list[dict[str, Any]]:
    return [json.loads(body)["Data"] for body in contacts.bodies]


def reasons(contacts: Contacts) -> list[tuple[int, str]]:
    return [(rejection.position, rejection.reason) for rejection in contacts.rejected]


def test_every_column_under_its_own_name() -> None:
    """Without fields each column is sent under its name, the contact key's included."""
    contacts = mapped(MappingPolicy(contact_key="id"), COLUMNS, ["007", "a@b.de", " Ann "])
    assert contacts.keys == ["007"]
    assert contacts.bodies == [
        b'{"ContactKey":"007","Data":{"id":"007","email":"a@b.de","first name":" Ann "}}'
    ]
    assert contacts.positions == range(1, 2)
    assert not contacts.rejected


def test_shapes_name_the_members() -> None:
    """An endpoint's names stand where the shape says."""
    mapper = Mapper(
        MappingPolicy(contact_key="id", fields={}),
        shape=ContactShape(key="contactKey", data="data"),
    )
    assert mapper.map(chunk_of(COLUMNS, ["1", "", ""])).bodies == [b'{"contactKey":"1","data":{}}']


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        (FieldRule(column="email", transform="trim"), "  ", {}),
        (FieldRule(column="email", type="number"), "", {}),
        (FieldRule(column="email", transform="null:-", type="number"), "-", {}),
        (FieldRule(column="email", default=0), "", {"F": 0}),
        (FieldRule(column="email", default="none", type="number"), "", {"F": "none"}),
        (FieldRule(column="email", keep_empty=True), "", {"F": ""}),
        (FieldRule(column="email", required=True), "x", {"F": "x"}),
        (FieldRule(value="spring"), "", {"F": "spring"}),
        (FieldRule(value=False), "", {"F": False}),
        (FieldRule(template="<{email}|{first name}>"), "x", {"F": "<x|>"}),
        (FieldRule(template="<{email}|{first name}>"), "", {}),
        (FieldRule(column="email", type="decimal", decimal=","), "1,50", {"F": 1.5}),
        (
            FieldRule(column="email", transform=("trim", "title", "truncate:4")),
            " aNNA ",
            {"F": "Anna"},
        ),
    ],
)
@pytest.mark.parametrize("columns", [COLUMNS, None])
def test_rules(
    columns: tuple[str, ...] | None, rule: FieldRule, cell: str, expected: dict[str, Any]
) -> None:
    """A rule means the same for rows and for dicts; what is empty is left out by default."""
    row = ["1", cell, ""]
    record = row if columns else dict(zip(COLUMNS, row, strict=True))
    contacts = mapped(MappingPolicy(contact_key="id", fields={"F": rule}), columns, record)
    assert data_of(contacts) == [expected]


def test_nulls_and_missing_columns_are_empty() -> None:
    """In dicts a null and a missing column are left out; an empty text is a value."""
    policy = MappingPolicy(contact_key="id", fields={"A": "a", "B": "b", "C": "c"})
    contacts = mapped(policy, None, {"id": "1", "a": None, "c": ""})
    assert data_of(contacts) == [{"C": ""}]


def test_keep_empty_sends_null_as_null() -> None:
    """keep_empty keeps which of the two empties it was."""
    rule = FieldRule(column="a", keep_empty=True)
    policy = MappingPolicy(contact_key="id", fields={"A": rule})
    contacts = mapped(policy, None, {"id": "1", "a": None}, {"id": "1", "a": ""}, {"id": "1"})
    assert data_of(contacts) == [{"A": None}, {"A": ""}, {"A": None}]


def test_types_and_nesting_pass_through() -> None:
    """NDJSON values keep their types, nested ones as they are, nulls inside them too."""
    record = {"id": "1", "n": 1.5, "b": False, "deep": {"list": [1, None, {"x": "y"}]}, "z": 0}
    contacts = mapped(MappingPolicy(contact_key="id"), None, record)
    assert data_of(contacts) == [record]


def test_numbers_arrive_digit_for_digit() -> None:
    """Integers beyond 64 bits and decimals are sent with the digits they came with."""
    record = {
        "id": 10**25,
        "big": [2**64, -(2**63) - 1],
        "d": Decimal("1.10"),
        "e": Decimal("1E-7"),
    }
    contacts = mapped(MappingPolicy(contact_key="id"), None, record)
    assert contacts.keys == ["10000000000000000000000000"]
    body = (
        b'{"ContactKey":"10000000000000000000000000","Data":{"id":10000000000000000000000000,'
        b'"big":[18446744073709551616,-9223372036854775809],"d":1.10,"e":0.0000001}}'
    )
    assert contacts.bodies == [body]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"id": ""}, "missing_contact_key"),
        ({"id": None}, "missing_contact_key"),
        ({}, "missing_contact_key"),
        ({"id": "x" * 255}, "contact_key_too_long"),
        ({"id": 10**300}, "contact_key_too_long"),
        ({"id": 1.5}, "contact_key_not_text"),
        ({"id": True}, "contact_key_not_text"),
        ({"id": ["1"]}, "contact_key_not_text"),
        ({"id": "\ud800"}, "invalid_text"),
        ({"id": "1", "a": "x\udfff"}, "invalid_text"),
        ({"id": "1", "\ud800": "x"}, "invalid_text"),
        ({"id": "1", "a": [{"b": float("nan")}]}, "not_a_number"),
        ({"id": "1", "a": float("-inf")}, "not_a_number"),
        ({"id": "1", "a": Decimal("NaN")}, "not_a_number"),
        ({"id": "1", "a": 10**5000}, "not_a_number"),
        ({"id": "1", "a": b"bytes"}, "unsupported_value"),
        ({"id": "1", "a": {1: "x"}}, "unsupported_value"),
        ({"id": "1", "a": "x" * 2000}, "contact_too_large"),
        (["1"], "not_an_object"),
    ],
)
def test_one_bad_record_costs_one_record(record: Any, reason: str) -> None:
    """A record at fault is rejected with its reason; those around it are sent, in order."""
    good = [{"id": str(number), "a": "null"} for number in (1, 2)]
    mapper = Mapper(MappingPolicy(contact_key="id"), max_contact_bytes=1000)
    contacts = mapper.map(chunk_of(None, good[0], record, good[1]))
    assert reasons(contacts) == [(2, reason)]
    assert contacts.keys == ["1", "2"]
    assert list(contacts.positions) == [1, 3]
    assert data_of(contacts) == good
    assert contacts.rejected[0].record == record


def test_a_bottomless_value_is_rejected() -> None:
    """A value nested deeper than JSON writers go costs its record alone."""
    deep: list[Any] = []
    for _ in range(3000):
        deep = [deep]

    contacts = mapped(MappingPolicy(contact_key="id"), None, {"id": "1", "a": deep}, {"id": "2"})
    assert reasons(contacts) == [(1, "nested_too_deeply")]
    assert contacts.keys == ["2"]


def test_a_rejection_tells_the_whole_story() -> None:
    """A rejected line has source, position, key, reason, column, value, rule, and the record."""
    policy = MappingPolicy(contact_key="id", fields={"N": FieldRule(column="email", type="number")})
    contacts = mapped(policy, COLUMNS, ["1", "abc" * 100, "x"])
    value = ("abc" * 100)[:79]
    assert contacts.rejected == [
        Rejection(
            source="contacts",
            position=1,
            stage=Stage.MAPPING,
            reason="not_a_number",
            detail=f"column email: value '{value}… is not a number (rule type=number of field N)",
            record={"id": "1", "email": "abc" * 100, "first name": "x"},
            contact_key="1",
        )
    ]


def test_the_key_of_the_contract() -> None:
    """A missing key reads as the contract's example does."""
    contacts = mapped(MappingPolicy(contact_key="id"), COLUMNS, ["", "a@b.de", ""])
    assert contacts.rejected[0].reason == "missing_contact_key"
    assert contacts.rejected[0].detail == "column id is empty"
    assert contacts.rejected[0].contact_key is None


def test_required_rejects() -> None:
    """required = true rejects the empty, by the name of its column and field."""
    rule = FieldRule(column="email", required=True)
    contacts = mapped(MappingPolicy(contact_key="id", fields={"E": rule}), COLUMNS, ["1", "", ""])
    assert reasons(contacts) == [(1, "missing_required")]
    assert contacts.rejected[0].detail == "column email is empty, and field E requires it"


def test_rejections_stand_in_the_order_of_the_source() -> None:
    """What intake rejected and what mapping rejected come as one list, by position."""
    earlier = Rejection(
        source="contacts", position=2, stage=Stage.INTAKE, reason="bad", detail="", record="?"
    )
    chunk = chunk_of(COLUMNS, ["", "", ""], ["1", "", ""], ["", "", ""], rejected=[earlier])
    chunk.positions = [1, 3, 4]
    contacts = Mapper(MappingPolicy(contact_key="id")).map(chunk)
    assert [rejection.position for rejection in contacts.rejected] == [1, 2, 4]
    assert list(contacts.positions) == [3]


@pytest.mark.parametrize(
    ("key", "record", "expected"),
    [
        ("id", {"id": " 7 "}, " 7 "),
        ("id", {"id": 7}, "7"),
        (FieldRule(column="id", transform=("trim", "pad:4")), {"id": " 7 "}, "0007"),
        (FieldRule(column="id", transform="pad:4"), {"id": 7}, "0007"),
        (FieldRule(template="{a}-{b}"), {"a": "x", "b": 1}, "x-1"),
        (FieldRule(column="id", default="nobody"), {}, "nobody"),
        (FieldRule(column="id", type="number"), {"id": "007"}, "7"),
    ],
)
@pytest.mark.parametrize("rows", [True, False])
def test_keys(key: FieldRule | str, record: dict[str, Any], expected: str, *, rows: bool) -> None:
    """A key is text exactly as it stands, an integer's digits, or what its rule makes of it."""
    record = {"id": None, "a": None, "b": None} | record
    policy = MappingPolicy(contact_key=key, fields={})
    columns = tuple(record) if rows else None
    contacts = mapped(policy, columns, list(record.values()) if rows else record)
    assert contacts.keys == [expected]
    texts = [str(value or "") for value in record.values()]
    assert mapped(policy, tuple(record), texts).keys == [expected]


def test_missing_columns_stop_before_anything_is_sent() -> None:
    """A rule that names no column of the source is an error with all there is to know."""
    policy = MappingPolicy(
        contact_key="ID", fields={"E": "emial", "G": FieldRule(template="{nick} {email}")}
    )
    with pytest.raises(MappingError) as caught:
        Mapper(policy).prepare(COLUMNS)

    message = str(caught.value)
    assert "mapping.contact_key: the source has no column 'ID'; did you mean 'id'?" in message
    assert "mapping.fields.E: the source has no column 'emial'; did you mean 'email'?" in message
    assert "mapping.fields.G: the source has no column 'nick'" in message
    assert "(its columns: 'id', 'email', 'first name')" in message


def test_field_names() -> None:
    """The fields contacts will have are known from the columns, but not for free records."""
    own, renamed = (
        MappingPolicy(contact_key="id"),
        MappingPolicy(contact_key="id", fields={"E": "email"}),
    )
    assert Mapper(own).field_names(COLUMNS) == COLUMNS
    assert Mapper(own).field_names(None) is None
    assert Mapper(renamed).field_names(None) == ("E",)


def test_mappers_travel() -> None:
    """A mapper that has been used can be pickled, and maps as before."""
    mapper = Mapper(MappingPolicy(contact_key="id"))
    chunk = chunk_of(COLUMNS, ["1", "x", "y"])
    first = mapper.map(chunk)
    assert pickle.loads(pickle.dumps(mapper)).map(chunk) == first


def test_names_are_never_code() -> None:
    """Names of columns and fields are data, whatever they hold."""
    names = ("'); raise SystemExit; ('", '"""', "{0}", "\\", "\n", "<body>", "<limit>", "{}", "id")
    policy = MappingPolicy(
        contact_key="id",
        fields={name: FieldRule(column=name, transform="trim") for name in names[:4]}
        | {name: name for name in names[4:]}
        | {"T": FieldRule(template="'\"\\{" + names[0] + "}\n")},
    )
    row = [f"v{number}" for number in range(len(names))]
    expected = dict(zip(names, row, strict=True)) | {"T": "'\"\\v0\n"}
    assert data_of(mapped(policy, names, row)) == [expected]
    assert data_of(mapped(policy, None, dict(zip(names, row, strict=True)))) == [expected]


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=5), st.booleans())
def test_text_arrives_code_point_for_code_point(rows: list[list[str]], renamed: bool) -> None:  # noqa: FBT001  # hypothesis passes it
    """Any text that is Unicode arrives as it was, in its order; what is empty is left out."""
    names = ("Key", "Mail", "Ünï \u0000") if renamed else COLUMNS
    fields: dict[str, FieldRule | str] = dict(zip(names, COLUMNS, strict=True))
    policy = MappingPolicy(contact_key="id", fields=fields if renamed else None)
    contacts = mapped(policy, COLUMNS, *rows)
    kept = [row for row in rows if 0 < len(row[0]) <= 254]
    assert [json.loads(body) for body in contacts.bodies] == [
        {
            "ContactKey": row[0],
            "Data": {name: cell for name, cell in zip(names, row, strict=True) if cell},
        }
        for row in kept
    ]
    assert len(contacts.rejected) == len(rows) - len(kept)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, JSON, max_size=4), st.integers())
def test_json_arrives_as_it_was(record: dict[str, Any], number: int) -> None:
    """Any JSON record arrives value for value, integers of any size digit for digit."""
    record |= {"id": "1", "n": number}
    contacts = mapped(MappingPolicy(contact_key="id"), None, record)
    expected = {name: value for name, value in record.items() if value is not None}
    assert data_of(contacts) == [expected]


def test_a_sample_is_what_would_be_sent() -> None:
    """A sample shows the first contacts, exactly, as JSON."""
    policy = MappingPolicy(contact_key="id")
    contacts = mapped(policy, None, *({"id": str(n), "ü": 2**70} for n in range(9)))
    sample = sample_of(contacts, 2)
    assert json.loads(sample) == [json.loads(body) for body in contacts.bodies[:2]]
    assert '"ü":1180591620717411303424' in sample
    assert json.loads(sample_of(contacts, 0)) == []
