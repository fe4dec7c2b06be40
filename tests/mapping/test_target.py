from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import MappingError
from pipeline.mapping.checks import field_check
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.refused import Refused
from pipeline.mapping.rules import FieldRule, MappingPolicy
from pipeline.mapping.target import Field, FieldType, Target, parse_fields
from tests.fakes.chunks import chunk_of

TARGET = Target(
    fields=(
        Field(name="SubscriberKey", max_length=254, required=True, primary_key=True),
        Field(name="EmailAddress", type=FieldType.EMAIL, required=True),
        Field(name="FirstName", max_length=5),
        Field(name="Score", type=FieldType.NUMBER),
    )
)


def test_event_definitions_are_read() -> None:
    """The schema of an event definition gives fields, its numbers and booleans in any spelling."""
    definition = {
        "eventDefinitionKey": "APIEvent-1",
        "schema": {
            "fields": [
                {"name": "Key", "dataType": "Text", "maxLength": "18", "isNullable": False},
                {"name": "Mail", "dataType": "emailaddress", "maxLength": "", "isNullable": "true"},
                {"name": "N", "dataType": "Number", "isNullable": "False", "defaultValue": "0"},
                {"name": "D", "dataType": "Decimal", "maxLength": "10", "scale": "2"},
                {"name": "X", "dataType": "Hologram", "isPrimaryKey": "True"},
                {"dataType": "Text"},
            ]
        },
    }
    assert parse_fields(definition) == (
        Field(name="Key", max_length=18, required=True),
        Field(name="Mail", type=FieldType.EMAIL),
        Field(name="N", type=FieldType.NUMBER),
        Field(name="D", type=FieldType.DECIMAL, precision=10, scale=2),
        Field(name="X", type=FieldType.UNKNOWN, primary_key=True),
    )


def test_lists_of_fields_are_read() -> None:
    """A data extension's own list of fields gives the same."""
    listed = {
        "id": "x",
        "fields": [{"name": "A", "type": "Text", "length": 50, "isNullable": True}],
    }
    assert parse_fields(listed) == (Field(name="A", max_length=50),)


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"schema": None}, {"fields": "x"}])
def test_answers_without_fields(answer: Any) -> None:
    """Where there are no fields none are made up."""
    assert parse_fields(answer) == ()


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (Field(name="F", max_length=3), ["abc", "äöü", 123, "yes"], ["abcd", 1234]),
        (Field(name="F", type=FieldType.PHONE), ["1" * 50], ["1" * 51]),
        (Field(name="F", type=FieldType.LOCALE), ["en-us"], ["en-us1"]),
        (
            Field(name="F", type=FieldType.NUMBER),
            ["0", "-2147483648", "2147483647", " 7 ", 7, 7.0, -5],
            ["2147483648", "12.5", "1e3", "x", "²", "٣", 2**31, 1.5, True, [1]],
        ),
        (
            Field(name="F", type=FieldType.DECIMAL, precision=5, scale=2),
            ["999.99", "-1", ".5", "0.123456", 1, 1.5, "1e2"],
            ["1000", "1,5", "x", "NaN", 1000, True, "1e9"],
        ),
        (Field(name="F", type=FieldType.DECIMAL), ["1" * 25], ["1 000"]),
        (
            Field(name="F", type=FieldType.BOOLEAN),
            ["true", "False", "1", "no", "YES", True, 0],
            ["maybe", "2", 2, 1.5, []],
        ),
        (
            Field(name="F", type=FieldType.DATE),
            [
                "2024-05-21",
                "2024-05-21T10:30:00",
                "2024-05-21 10:30:00.123Z",
                "2024-05-21T10:30+02:00",
                "2014/01/01",
                "5/21/2024",
                "12/31/2024 11:59 PM",
            ],
            ["21/05/2024", "2024-02-30", "2024-05-21T25:00", "yesterday", 20240521, "20240521"],
        ),
        (
            Field(name="F", type=FieldType.EMAIL),
            ["a@b.de", "a.b@c-d.example", "ä@ö.de"],
            ["a", "a@b", "a@b@c.de", "a b@c.de", "x" * 250 + "@b.de", 5],
        ),
        (Field(name="F", type=FieldType.UNKNOWN), ["anything", {"a": 1}], []),
    ],
)
def test_what_fields_hold(field: Field, good: list[Any], bad: list[Any]) -> None:
    """A field takes what it can hold, by function and by expression alike, and refuses the rest."""
    check = field_check(field, "0")
    for value in good:
        assert check.accepts(value), value
        check.hold(value)

    for value in bad:
        with pytest.raises(Refused):
            check.hold(value)

    for value in (*good, *bad):
        inline = check.inline.replace("{}", "value") or "True"
        if isinstance(value, str) and eval(inline, {"value": value} | check.bindings):
            assert check.accepts(value), value


def test_empty_is_another_question() -> None:
    """An empty text suits any field that is not required."""
    assert field_check(Field(name="F", type=FieldType.NUMBER), "0").accepts("")
    assert not field_check(Field(name="F", type=FieldType.NUMBER, required=True), "0").accepts("")
    assert not field_check(Field(name="F", required=True), "0").accepts(None)


def test_findings() -> None:
    """What can be known before a record is read is found then, with the nearest name."""
    found = TARGET.findings(["subscriberkey", "EmailAddress", "eventInstanceId"])
    assert [(finding.field, finding.problem, finding.fatal) for finding in found] == [
        ("subscriberkey", "unknown_field", True),
        ("eventInstanceId", "reserved_name", False),
        ("SubscriberKey", "missing_field", True),
    ]
    assert "did you mean 'SubscriberKey'?" in found[0].sentence


def test_mappings_that_cannot_fit_stop_early() -> None:
    """Where every contact would be rejected, preparing says so; a warning does not stop."""
    columns = ("SubscriberKey", "EmailAddress", "eventInstanceId")
    policy = MappingPolicy(contact_key="SubscriberKey")
    Mapper(policy, target=TARGET).prepare(columns)
    with pytest.raises(
        MappingError, match="requires EmailAddress, and no field maps to it"
    ) as told:
        Mapper(policy, target=TARGET).prepare(("SubscriberKey",))

    assert "Mend the names in [mapping.fields]" in str(told.value)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"EmailAddress": ""}, "missing_field|not_an_email"),
        ({"EmailAddress": None}, "missing_field"),
        ({"EmailAddress": "a@b"}, "not_an_email"),
        ({"FirstName": "Bernhard"}, "text_too_long"),
        ({"FirstName": {"a": 1}}, "not_text"),
        ({"Score": "many"}, "not_a_number"),
        ({"Colour": "red"}, "unknown_field"),
        ({"Colour": ""}, "unknown_field"),
    ],
)
def test_contacts_are_held_against_the_fields(changed: dict[str, Any], reason: str) -> None:
    """What Marketing Cloud would drop in silence is rejected, with its key; the rest is sent."""
    good = {"SubscriberKey": "1", "EmailAddress": "a@b.de", "FirstName": "Ann", "Score": 5}
    mapper = Mapper(MappingPolicy(contact_key="SubscriberKey"), target=TARGET)
    contacts = mapper.map(chunk_of(None, good, good | changed))
    assert len(contacts.bodies) == 1
    assert contacts.rejected[0].reason in reason.split("|")
    assert contacts.rejected[0].contact_key == "1"


def test_unknown_fields_that_are_not_sent_do_no_harm() -> None:
    """A null in a field the data extension does not have is left out anyway."""
    record = {
        "SubscriberKey": "1",
        "EmailAddress": "a@b.de",
        "Colour": None,
        "eventInstanceId": "x",
    }
    mapper = Mapper(MappingPolicy(contact_key="SubscriberKey"), target=TARGET)
    assert len(mapper.map(chunk_of(None, record)).bodies) == 1


def test_constants_and_defaults_are_held_too() -> None:
    """What a rule adds is checked like what a column holds."""
    fields: dict[str, FieldRule | str] = {
        "SubscriberKey": "id",
        "EmailAddress": FieldRule(column="mail", default="nobody"),
        "FirstName": "id",
    }
    mapper = Mapper(MappingPolicy(contact_key="id", fields=fields), target=TARGET)
    contacts = mapper.map(chunk_of(("id", "mail"), ["1", ""], ["2", "a@b.de"]))
    assert [each.reason for each in contacts.rejected] == ["not_an_email"]
    too_long = fields | {"FirstName": FieldRule(value="Bernhard")}
    mapper = Mapper(MappingPolicy(contact_key="id", fields=too_long), target=TARGET)
    contacts = mapper.map(chunk_of(("id", "mail"), ["2", "a@b.de"]))
    assert [each.reason for each in contacts.rejected] == ["text_too_long"]


def test_a_required_field_names_the_column_that_is_empty() -> None:
    """Where a required field is empty the sentence says which column to look at."""
    fields: dict[str, FieldRule | str] = {"SubscriberKey": "id", "EmailAddress": "mail"}
    mapper = Mapper(MappingPolicy(contact_key="id", fields=fields), target=TARGET)
    contacts = mapper.map(chunk_of(("id", "mail"), ["1", ""]))
    assert contacts.rejected[0].reason == "missing_field"
    assert contacts.rejected[0].detail == (
        "column mail is empty, and the data extension requires field EmailAddress"
    )


def test_typed_values_are_held_against_the_field_too() -> None:
    """A rule's type does not vouch for the field's: a number may be too wide for 32 bits."""
    fields: dict[str, FieldRule | str] = {
        "SubscriberKey": "id",
        "EmailAddress": FieldRule(column="mail", type="email"),
        "FirstName": FieldRule(column="n", type="text"),
        "Score": FieldRule(column="n", type="number"),
    }
    mapper = Mapper(MappingPolicy(contact_key="id", fields=fields), target=TARGET)
    rows = (["1", "a@b.de", "3000000000"], ["2", "a@b.de", "123456"], ["3", "a@b.de", "12345"])
    for chunk in (
        chunk_of(("id", "mail", "n"), *rows),
        chunk_of(None, *(dict(zip(("id", "mail", "n"), row, strict=True)) for row in rows)),
    ):
        contacts = mapper.map(chunk)
        assert contacts.keys == ["3"]
        assert [each.reason for each in contacts.rejected] == ["text_too_long"] * 2

    numbers = {name: rule for name, rule in fields.items() if name != "FirstName"}
    mapper = Mapper(MappingPolicy(contact_key="id", fields=numbers), target=TARGET)
    contacts = mapper.map(chunk_of(("id", "mail", "n"), *rows))
    assert [each.reason for each in contacts.rejected] == ["not_a_number"]
