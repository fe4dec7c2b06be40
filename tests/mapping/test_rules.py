from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.config.schema import json_schema
from pipeline.mapping.rules import FieldRule, MappingPolicy

POLICY: TypeAdapter[MappingPolicy] = TypeAdapter(MappingPolicy)
FROM_TOML: dict[str, Any] = {
    "contact_key": "customer_id",
    "fields": {
        "EmailAddress": "email",
        "FirstName": {"column": "first_name", "transform": ["trim", "title"]},
        "Campaign": {"value": "spring"},
        "Wave": {"value": 3},
        "Test": {"value": True},
        "VisitedOn": {"column": "visited", "type": "date", "format": "%d/%m/%Y"},
    },
}


def test_nests_in_pydantic() -> None:
    """A policy as TOML gives it becomes the policy a programmer would write."""
    assert POLICY.validate_python(FROM_TOML) == MappingPolicy(
        contact_key="customer_id",
        fields={
            "EmailAddress": "email",
            "FirstName": FieldRule(column="first_name", transform=("trim", "title")),
            "Campaign": FieldRule(value="spring"),
            "Wave": FieldRule(value=3),
            "Test": FieldRule(value=True),
            "VisitedOn": FieldRule(column="visited", type="date", format="%d/%m/%Y"),
        },
    )


def test_constants_keep_their_type() -> None:
    """A constant is not coerced on its way through pydantic: true is no 1, and 3 no "3"."""
    rules = POLICY.validate_python(FROM_TOML).field_rules() or {}
    assert rules["Wave"].value == 3
    assert rules["Test"].value is True


@pytest.mark.parametrize("config", [{"feilds": {}}, {"fields": {"A": {"colum": "a"}}}])
def test_unknown_keys_are_errors(config: dict[str, Any]) -> None:
    """A key the policy does not know is an error, at every level."""
    with pytest.raises(ValidationError, match="Unexpected keyword argument"):
        POLICY.validate_python({"contact_key": "a"} | config)


def test_schema_describes_every_key() -> None:
    """The config's JSON Schema carries a description for each key of the rules."""
    sections = json_schema()["$defs"]
    rule = sections["FieldRule"]["properties"]
    assert {"column", "template", "transform", "default", "keep_empty"} <= rule.keys()
    described = [*rule.values(), *sections["MappingPolicy"]["properties"].values()]
    assert all(each.get("description") for each in described)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({}, "none is given"),
        ({"column": "a", "value": 1}, "not column and value"),
        ({"column": ""}, "column is empty"),
        ({"column": "a", "transform": "trimm"}, "unknown transform 'trimm'; did you mean 'trim'"),
        ({"column": "a", "transform": ("trim", "truncate")}, "needs a number"),
        ({"column": "a", "transform": "truncate:0"}, "needs a number"),
        ({"column": "a", "transform": "truncate:x"}, "needs a number"),
        ({"column": "a", "transform": "trim:3"}, "takes nothing after it"),
        ({"column": "a", "transform": "null"}, "needs the text that means empty"),
        ({"column": "a", "type": "numbr"}, "unknown type 'numbr'; did you mean 'number'"),
        ({"column": "a", "format": "%Y-%m-%d"}, "format needs type = 'date'"),
        ({"column": "a", "type": "date", "format": "%H:%M"}, "names no whole date"),
        ({"column": "a", "type": "date", "format": "%Q"}, "cannot be read"),
        ({"column": "a", "type": "date", "timezone": "Europe/Berln"}, "Europe/Berlin"),
        ({"column": "a", "type": "date", "timezone": "../etc"}, "unknown time zone"),
        (
            {"column": "a", "type": "date", "format": "%Y-%m-%d", "to_timezone": "UTC"},
            "date without a time",
        ),
        (
            {"column": "a", "type": "date", "format": "%Y-%m-%d %H:%M", "to_timezone": "UTC"},
            "where from",
        ),
        ({"column": "a", "type": "number", "decimal": ";"}, 'decimal is "." or ","'),
        ({"column": "a", "decimal": ","}, "decimal needs type"),
        ({"column": "a", "type": "number", "thousands": "."}, "cannot both be"),
        ({"column": "a", "type": "number", "thousands": "  "}, "thousands is one character"),
        ({"column": "a", "true": "ja"}, "true needs type = 'boolean'"),
        ({"column": "a", "type": "text", "strict": True}, "strict needs type"),
        ({"column": "a", "default": "x", "required": True}, "different things about an empty"),
        ({"value": 1, "transform": "trim"}, "sent as it stands"),
        ({"value": float("nan")}, "no such number"),
        ({"value": "\ud800"}, "surrogates"),
        ({"template": "no column"}, "names no column"),
        ({"template": "{a"}, "stands alone"),
        ({"template": "a}b"}, "stands alone"),
    ],
)
def test_nonsense_is_refused(rule: dict[str, Any], sentence: str) -> None:
    """A rule that cannot be done is a ValueError naming the field and what is wrong."""
    with pytest.raises(ValueError, match=r"fields\.Field: ") as caught:
        MappingPolicy(contact_key="a", fields={"Field": FieldRule(**rule)})

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        ({}, "contact_key is missing"),
        ({"contact_key": ""}, "contact_key: column is empty"),
        ({"contact_key": FieldRule(value="1")}, "the same key"),
        ({"python": "module"}, "module:function"),
        ({"python": "module:no-name"}, "module:function"),
        ({"python": "m:f", "contact_key": "a"}, "remove contact_key and fields"),
    ],
)
def test_policies_without_sense(policy: dict[str, Any], sentence: str) -> None:
    """A policy says where the key comes from, once."""
    with pytest.raises(ValueError, match=sentence):
        MappingPolicy(**policy)
