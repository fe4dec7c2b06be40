from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import FieldRule, MappingPolicy
from pipeline.mapping.target import Field, FieldType, Target
from tests.fakes.chunks import chunk_of

if TYPE_CHECKING:
    from pipeline.mapping.contacts import Contacts

COLUMNS = ("a", "b", "c", "d")

RULES = st.sampled_from(
    [
        FieldRule(column="a"),
        FieldRule(column="b", transform=("trim", "upper")),
        FieldRule(column="b", transform=("title", "truncate:3"), default="dflt"),
        FieldRule(column="c", type="number"),
        FieldRule(column="c", type="decimal", default=1),
        FieldRule(column="c", type="boolean", keep_empty=True),
        FieldRule(column="c", type="text"),
        FieldRule(column="c", type="email"),
        FieldRule(column="d", type="date"),
        FieldRule(column="d", required=True),
        FieldRule(column="d", keep_empty=True),
        FieldRule(template="{a}/{b}", transform="collapse"),
        FieldRule(template="{c}", keep_empty=True),
        FieldRule(value=5),
    ]
)
TARGETS = st.none() | st.builds(
    lambda kinds, length, required: Target(
        fields=tuple(
            Field(name=name, type=kind, max_length=length, required=name in required)
            for name, kind in zip("VWXYabcd", kinds, strict=True)
        )
    ),
    st.lists(st.sampled_from(FieldType), min_size=8, max_size=8),
    st.sampled_from([None, 1, 4]),
    st.sampled_from(["", "V", "Xa"]),
)
CELLS = st.sampled_from(
    [
        "",
        " ",
        "x",
        "Ann",
        "12",
        "-3.5",
        "3000000000",
        "true",
        "2024-05-21",
        "a@b.de",
        "\ud800",
        "null",
        "ß" * 6,
    ]
)
VALUES = CELLS | st.sampled_from(
    [None, 0, 7, 2**70, 1.5, float("nan"), True, Decimal("1.10"), {"n": None}, [float("inf")], b"x"]
)
POLICIES = st.builds(
    MappingPolicy,
    contact_key=st.sampled_from(
        ["a", FieldRule(column="a", transform="trim"), FieldRule(template="{a}{c}")]
    ),
    fields=st.none() | st.dictionaries(st.sampled_from("VWXYZ"), RULES, max_size=4),
)


def one_by_one(mapper: Mapper, columns: tuple[str, ...] | None, records: list[Any]) -> list[Any]:
    """What the careful path makes of each record."""
    rejected: list[Any] = []
    chunk = chunk_of(columns, *records)
    mend = mapper._mend(chunk, rejected)
    made = [mend(index, record) for index, record in enumerate(records)]
    return [made, [(each.position, each.reason, each.detail) for each in rejected]]


def agrees(mapper: Mapper, columns: tuple[str, ...] | None, records: list[Any]) -> None:
    contacts: Contacts = mapper.map(chunk_of(columns, *records))
    made, rejected = one_by_one(mapper, columns, records)
    assert list(zip(contacts.keys, contacts.bodies, strict=True)) == [one for one in made if one]
    assert list(contacts.positions) == [at for at, one in enumerate(made, 1) if one]
    assert [(each.position, each.reason, each.detail) for each in contacts.rejected] == rejected


@settings(max_examples=300)
@given(POLICIES, TARGETS, st.lists(st.lists(CELLS, min_size=4, max_size=4), max_size=4))
def test_text_rows(policy: MappingPolicy, target: Target | None, rows: list[list[str]]) -> None:
    """Compiled and careful agree on rows of text: same contacts, same rejections."""
    agrees(Mapper(policy, target=target, max_contact_bytes=90), COLUMNS, rows)


@settings(max_examples=200)
@given(POLICIES, TARGETS, st.lists(st.lists(VALUES, min_size=4, max_size=4), max_size=4))
def test_rows(policy: MappingPolicy, target: Target | None, rows: list[list[Any]]) -> None:
    """Compiled and careful agree on rows whose first holds more than text."""
    agrees(Mapper(policy, target=target), COLUMNS, [["k", 1, None, "x"], *rows])


@settings(max_examples=300)
@given(POLICIES, TARGETS, st.lists(st.dictionaries(st.sampled_from("abcdeV"), VALUES), max_size=4))
def test_records(
    policy: MappingPolicy, target: Target | None, records: list[dict[str, Any]]
) -> None:
    """Compiled and careful agree on dicts with whatever fields and values."""
    agrees(Mapper(policy, target=target), None, records)


def test_wide_headers() -> None:
    """Of a header much wider than the mapping the mapped cells are read, and no others."""
    header = tuple(f"column {number}" for number in range(300))
    policy = MappingPolicy(contact_key="column 250", fields={"F": "column 3"})
    contacts = Mapper(policy).map(chunk_of(header, [str(number) for number in range(300)]))
    assert contacts.bodies == [b'{"ContactKey":"250","Data":{"F":"3"}}']


def test_one_column() -> None:
    """A header of one column is a header."""
    contacts = Mapper(MappingPolicy(contact_key="id")).map(chunk_of(("id",), ["1"]))
    assert contacts.bodies == [b'{"ContactKey":"1","Data":{"id":"1"}}']


def test_rows_of_another_length() -> None:
    """A row that does not pair with the header is rejected, not guessed at."""
    mapper = Mapper(MappingPolicy(contact_key="a"))
    contacts = mapper.map(chunk_of(COLUMNS, ["1", "2", "3", "4"], ["1", "2"]))
    assert [each.reason for each in contacts.rejected] == ["wrong_number_of_values"]
