from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.errors import MappingError
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import MappingPolicy
from pipeline.mapping.target import Field, Target
from tests.fakes.chunks import chunk_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODE = """
import asyncio, sys

def as_dict(record):
    name = record.pop("name")
    return {"contact_key": record["id"], "data": {"Name": name, "Gone": None, "Kept": ""}}

def as_tuple(record):
    return record["id"], {"Big": 2**70}

def moody(record):
    if record["name"] == "skip":
        return None
    if record["name"] == "odd":
        return 5
    return record["id"], {"N": 1 / int(record["name"])}

class Untold(Exception):
    def __str__(self):
        raise ValueError

class Unlike:
    def __eq__(self, other):
        raise RuntimeError("neither true nor false")
    def __repr__(self):
        raise LookupError
    __hash__ = None

def hostile(record):
    match record["name"]:
        case "exit":
            sys.exit("I give up")
        case "cancelled":
            raise asyncio.CancelledError
        case "untold":
            raise Untold
        case "numbered":
            return record["id"], {5: "a field"}
        case "unlike":
            return record["id"], {"Name": Unlike()}
        case "unlike key":
            return Unlike(), {}
        case "unlike all":
            return Unlike()
    return record["id"], {"Name": "Bo"}

not_callable = 5
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "journey_rules_of_mine.py").write_text(CODE)
    (tmp_path / "broken_rules_of_mine.py").write_text("import no_such_module_anywhere")
    (tmp_path / "leaving_rules_of_mine.py").write_text("raise SystemExit('usage: ...')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("journey_rules_of_mine", "broken_rules_of_mine", "leaving_rules_of_mine"):
        sys.modules.pop(name, None)


def mapper(function: str, target: Target | None = None) -> Mapper:
    return Mapper(MappingPolicy(python=f"journey_rules_of_mine:{function}"), target=target)


@pytest.mark.usefixtures("directory")
def test_functions_map_whole_records() -> None:
    """A function gets a record it may change, and returns key and data; nulls are left out."""
    chunk = chunk_of(("id", "name"), ["1", "Ann"])
    assert mapper("as_dict").map(chunk).bodies == [
        b'{"ContactKey":"1","Data":{"Name":"Ann","Kept":""}}'
    ]
    assert mapper("as_tuple").map(chunk).bodies == [
        b'{"ContactKey":"1","Data":{"Big":1180591620717411303424}}'
    ]
    assert chunk.records == [["1", "Ann"]]


@pytest.mark.usefixtures("directory")
def test_a_functions_trouble_costs_one_record() -> None:
    """Skipped, raised and nonsense are rejections that name the function."""
    records: list[dict[str, Any]] = [
        {"id": "1", "name": name} for name in ("skip", "4", "0", "odd", "2")
    ]
    contacts = mapper("moody").map(chunk_of(None, *records))
    assert list(contacts.positions) == [2, 5]
    assert [(each.position, each.reason) for each in contacts.rejected] == [
        (1, "skipped"),
        (3, "python_rule"),
        (4, "python_rule"),
    ]
    assert "journey_rules_of_mine:moody raised ZeroDivisionError" in contacts.rejected[1].detail
    assert contacts.rejected[1].record == records[2]


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("exit", "hostile raised SystemExit: 'I give up'"),
        ("cancelled", "hostile raised CancelledError"),
        ("untold", "hostile raised Untold"),
        ("numbered", "hostile returned a field name that is no text: 5"),
        ("unlike", "RuntimeError: 'neither true nor false'"),
        ("unlike key", "hostile returned what cannot be looked at: RuntimeError"),
        ("unlike all", "hostile returned <Unlike>, not a dict"),
    ],
)
def test_whatever_a_function_does_costs_one_record(name: str, told: str) -> None:
    """It leaves, it raises what is no ordinary error, or returns what nothing can be done with."""
    target = Target(fields=(Field(name="Name", max_length=2),))
    chunk = chunk_of(("id", "name"), ["1", name], ["2", ""])
    contacts = mapper("hostile", target).map(chunk)
    assert list(contacts.positions) == [2]
    (rejection,) = contacts.rejected
    assert rejection.reason == "python_rule"
    assert told in rejection.detail


@pytest.mark.usefixtures("directory")
def test_their_data_is_held_against_the_fields() -> None:
    """What a function returns is checked as everything is."""
    target = Target(fields=(Field(name="Name", max_length=2), Field(name="Kept")))
    contacts = mapper("as_dict", target).map(chunk_of(("id", "name"), ["1", "Ann"], ["2", "Bo"]))
    assert [(each.reason, each.contact_key) for each in contacts.rejected] == [
        ("text_too_long", "1")
    ]


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("no_such_module_anywhere:f", "cannot be imported"),
        ("broken_rules_of_mine:f", "no_such_module_anywhere"),
        ("leaving_rules_of_mine:f", "cannot be imported .SystemExit: 'usage"),
        ("journey_rules_of_mine:as_dictt", "did you mean 'as_dict'"),
        ("journey_rules_of_mine:not_callable", "no function 'not_callable'"),
    ],
)
def test_what_cannot_be_imported(named: str, sentence: str) -> None:
    """A function that is not there stops the run before anything is sent."""
    with pytest.raises(MappingError, match=sentence):
        Mapper(MappingPolicy(python=named)).prepare(("id", "name"))
