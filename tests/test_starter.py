"""The starter config, and the example in config/: complete, true, and loadable as they stand."""

from __future__ import annotations

import csv
import gzip
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import Config, load
from pipeline.config.schema import json_schema
from pipeline.errors import SourceError, UsageError
from pipeline.mapping.conversions import converter_of
from pipeline.mapping.rules import FieldRule
from pipeline.sending.endpoint import EndpointName
from pipeline.starter import starter_config, write_starter
from pipeline.starter.guessing import contact_key, email_column, rule_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
BULK = (ROOT / "config" / "bulk.toml").read_text(encoding="utf-8")
TEXTS = {
    "starter": starter_config(),
    "async-events": starter_config(endpoint=EndpointName.ASYNC),
    "bulk": BULK,
}


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "spring.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, {})


def starter_of(tmp_path: Path, data: str | bytes, name: str = "contacts.csv") -> Config:
    """The config proposed for a file of `data`."""
    file = tmp_path / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return loaded(tmp_path, starter_config(file))


def lines_of_keys(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(section, key, line, mark) of every key, the ones behind "#" too."""
    section = ""
    for line in text.splitlines():
        if match := re.match(r"\[([a-z.]+)\]", line):
            section = match[1]
        elif match := re.match(r"#? ?([a-z_]+) = ", line):
            mark = line.rpartition("  # ")[2] if line.startswith("#") else "set"
            yield section, match[1], line, mark


def policies() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(section, key, description) of every key there is."""
    schema = json_schema()
    for section, node in schema["properties"].items():
        properties = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]["properties"]
        for key, described in properties.items():
            if (section, key) != ("mapping", "fields"):
                yield section, key, described


@pytest.mark.parametrize("name", TEXTS)
def test_every_key_stands_in_it_once(name: str) -> None:
    """No key is forgotten, and none is there that the config does not know."""
    found = [
        (section, key) for section, key, _, _ in lines_of_keys(TEXTS[name]) if "." not in section
    ]
    assert sorted(found) == sorted((section, key) for section, key, _ in policies())


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_called_a_default_is_the_default(name: str) -> None:
    """A comment cannot fall behind the code, and an example is not called a default."""
    defaults = {(section, key): described for section, key, described in policies()}
    for section, key, line, mark in lines_of_keys(TEXTS[name]):
        if mark == "set":
            continue

        written = tomllib.loads(line.removeprefix("# "))[key]
        described = defaults[section, key]
        is_default = bool("default" in described and described["default"] != "")
        assert mark == ("the default" if is_default else "an example"), line
        if is_default:
            assert written == described["default"], line


@pytest.mark.parametrize("name", TEXTS)
def test_every_example_is_one_that_works(tmp_path: Path, name: str) -> None:
    """Whoever takes a "#" away gets a config that loads."""
    alternatives = {"auth_url", "rest_url", "account_id", "python", "columns", "delimiter"}
    lines = [
        line.removeprefix("# ")
        if re.match(r"# [a-z_]+ = ", line) and line.split()[1] not in alternatives
        else line
        for line in TEXTS[name].splitlines()
    ]
    config = loaded(tmp_path, "\n".join(lines))
    assert config.delivery.contacts_per_hour == 2_000_000
    assert config.worker.address == ("127.0.0.1", 9100)


def test_what_is_written_loads_as_it_is(tmp_path: Path) -> None:
    """A starter has the defaults of the program, and no credentials."""
    config = loaded(tmp_path, starter_config())
    assert config.mapping.fields is None
    assert (config.account.client_id, config.account.client_secret) == ("", None)
    assert config.batch == Config.model_fields["batch"].get_default(call_default_factory=True)


@pytest.mark.parametrize(
    ("endpoint", "settings"),
    [
        (EndpointName.BATCH, ("batchcontactevents", "v1", 500)),
        (EndpointName.ASYNC, ("async-events", "v2", 100)),
        (EndpointName.SINGLE, ("events", "v2", 1)),
    ],
)
def test_an_endpoint_brings_what_goes_with_it(
    tmp_path: Path, endpoint: EndpointName, settings: tuple[str, str, int]
) -> None:
    """The kind of token that opens it, and as many contacts a request as it takes."""
    data = tmp_path / "contacts.csv"
    data.write_text("customer_id,email\n1,a@b.example\n")
    config = loaded(tmp_path, starter_config(data, endpoint=endpoint))
    assert (config.journey.endpoint, config.account.auth, config.batch.max_records) == settings
    assert config.mapping.contact_key == "customer_id"


def test_bulk_config_loads_as_it_is() -> None:
    """The example in config/ is a config."""
    config = load(ROOT / "config" / "bulk.toml", {})
    assert config.run.directory == "runs/bulk"
    assert config.delivery.max_errors == "5%"
    assert config.mapping.fields is not None


def test_commands_name_the_file_that_is_written(tmp_path: Path) -> None:
    """The comment at the top can be copied to the shell."""
    path = tmp_path / "autumn.toml"
    write_starter(path)
    assert f"journey-pipeline check {path} " in path.read_text(encoding="utf-8")


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    """Nothing is ever overwritten, and the error names the file."""
    path = tmp_path / "spring.toml"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"spring\.toml exists and is left as it is"):
        write_starter(path)

    assert path.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path that cannot be written is a usage error in one line."""
    with pytest.raises(UsageError, match=r"none/spring\.toml cannot be written: No such file"):
        write_starter(tmp_path / "none" / "spring.toml")


def test_nothing_is_written_for_data_that_cannot_be_read(tmp_path: Path) -> None:
    """A wrong data file costs no half-made config."""
    path = tmp_path / "spring.toml"
    with pytest.raises(SourceError, match=r"none\.csv"):
        write_starter(path, tmp_path / "none.csv")

    assert not path.exists()


def test_mapping_is_proposed_from_the_header(tmp_path: Path) -> None:
    """Key and e-mail column are found; every other column keeps its name."""
    config = starter_of(
        tmp_path, "email,customer_id,First name\na@b.example,001,Ann\nc@d.example,002,Cy\n"
    )
    assert config.source.url == str(tmp_path / "contacts.csv")
    assert config.mapping.contact_key == "customer_id"
    assert config.mapping.fields == {
        "EmailAddress": "email",
        "customer_id": "customer_id",
        "First name": "First name",
    }
    assert config.run.directory == "runs/contacts"


def test_what_is_usual_is_not_set(tmp_path: Path) -> None:
    """Commas and UTF-8 need no setting."""
    config = starter_of(tmp_path, "id,name\n1,Zoë\n")
    assert (config.source.delimiter, config.source.encoding) == (None, None)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_an_unusual_delimiter_is_set(tmp_path: Path, delimiter: str) -> None:
    """What was found is written down, so that a person sees it."""
    config = starter_of(tmp_path, f"id{delimiter}name\n1{delimiter}Ann, Dr.\n")
    assert config.source.delimiter == delimiter
    assert config.mapping.fields == {"id": "id", "name": "name"}


@pytest.mark.parametrize(
    "data", ["id,name\n1,Ann\n2,Müller\n", "id,straße\n1,Ann\n"], ids=["value", "header"]
)
def test_an_old_encoding_is_noticed(tmp_path: Path, data: str) -> None:
    """Text that is no UTF-8 is proposed as cp1252."""
    config = starter_of(tmp_path, data.encode("cp1252"))
    assert config.source.encoding == "cp1252"
    assert config.mapping.fields is not None
    assert list(config.mapping.fields) == data.splitlines()[0].split(",")


def test_a_broken_record_does_not_change_the_encoding(tmp_path: Path) -> None:
    """UTF-8 with one damaged record is still UTF-8."""
    config = starter_of(tmp_path, "id,name\n1,Zoë\n".encode() + b"2,\xff\n")
    assert config.source.encoding is None


def test_ndjson_and_compressed_files_are_looked_at_alike(tmp_path: Path) -> None:
    """Fields are those of the first records, in the order they were first seen."""
    lines = b'{"id": 7, "email": "a@b.example"}\n{"id": 8, "vip": true}\n'
    config = starter_of(tmp_path, gzip.compress(lines), name="contacts.ndjson.gz")
    assert config.mapping.fields == {"id": "id", "EmailAddress": "email", "vip": "vip"}
    assert config.run.directory == "runs/contacts"


def test_a_header_without_records_is_enough(tmp_path: Path) -> None:
    """The names alone make a mapping."""
    config = starter_of(tmp_path, "customer_id,email\n")
    assert config.mapping.contact_key == "customer_id"
    assert config.mapping.fields == {"customer_id": "customer_id", "EmailAddress": "email"}


def test_a_column_without_a_name_is_proposed_where_it_holds_something(tmp_path: Path) -> None:
    """What a spreadsheet left at the right is passed over; what is merely rare is not."""
    config = starter_of(tmp_path, "id,email,coupon,,\n1,a@example.com,,,x\n")
    assert set(config.mapping.fields or ()) == {"id", "EmailAddress", "coupon", "column 5"}


def test_an_empty_file_proposes_nothing(tmp_path: Path) -> None:
    """A file without columns is said to be one."""
    with pytest.raises(SourceError, match=r"empty\.csv"):
        starter_of(tmp_path, "", name="empty.csv")


def test_guesses_are_comments_that_work_when_they_are_taken(tmp_path: Path) -> None:
    """A type is proposed behind the line; put in its place it loads."""
    file = tmp_path / "contacts.csv"
    file.write_text("id,visited\n1,31/12/2025\n2,01/02/2026\n", encoding="utf-8")
    text = starter_config(file)
    guess = '{ column = "visited", type = "date", format = "%d/%m/%Y" }'
    assert f'visited = "visited"  # or {guess}\n' in text
    taken = loaded(tmp_path, text.replace(f'"visited"  # or {guess}', guess))
    assert taken.mapping.field_rules()["visited"].type == "date"  # type: ignore[index]


names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"]),
    min_size=1,
    max_size=20,
).filter(lambda name: name.strip() == name and not name.startswith("\ufeff"))


@given(columns=st.lists(names, min_size=2, max_size=5, unique=True), data=st.data())
def test_whatever_the_columns_are_called_the_starter_loads(
    tmp_path_factory: pytest.TempPathFactory, columns: list[str], data: st.DataObject
) -> None:
    """Quotes, brackets, control characters: each column arrives under its name."""
    rows = data.draw(st.lists(st.tuples(*[names for _ in columns]), max_size=3), label="rows")
    folder = tmp_path_factory.getbasetemp()
    file = folder / "odd.tsv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t", quoting=csv.QUOTE_ALL).writerows([columns, *rows])

    config = loaded(folder, starter_config(file))
    rules = config.mapping.field_rules()
    assert rules is not None
    assert [rule.column for rule in rules.values()] == columns
    assert config.mapping.key_rule().column in columns


@pytest.mark.parametrize(
    ("samples", "key"),
    [
        ({"name": ["a", "b"], "Customer-ID": ["1", "2"], "id": ["1", "2"]}, "Customer-ID"),
        ({"SubscriberKey": ["1", "2"], "customer_id": ["1", "2"]}, "SubscriberKey"),
        ({"customer_id": ["", "2"], "id": ["1", "2"]}, "id"),
        ({"customer_id": ["", "2"], "name": ["a", "a"]}, "customer_id"),
        ({"name": ["a", "a"], "ref": ["1", "2"]}, "ref"),
        ({"name": ["a", "a"], "city": ["b", "b"]}, "name"),
        ({"name": [], "city": []}, "name"),
    ],
)
def test_contact_key_is_guessed_by_name_and_values(samples: dict[str, list[Any]], key: str) -> None:
    """A likely name whose values tell contacts apart comes first; something is always proposed."""
    assert contact_key(samples) == key


@pytest.mark.parametrize(
    ("samples", "column"),
    [
        ({"id": ["1"], "E-Mail": ["a@b.example"]}, "E-Mail"),
        ({"id": ["1"], "contact": ["a@b.example", ""]}, "contact"),
        ({"work_mail": ["a@b.example"], "email": ["c@d.example"]}, "email"),
        ({"email": []}, "email"),
        ({"id": ["1", "2"], "Email": ["a@b.example", "none"]}, "Email"),
        ({"email_opt_in": ["yes"]}, None),
        ({"id": ["1"]}, None),
    ],
)
def test_email_column_is_guessed_by_values_and_name(
    samples: dict[str, list[Any]], column: str | None
) -> None:
    """What holds addresses is the e-mail column, whatever it is called."""
    assert email_column(samples) == column


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (["2026-01-02", ""], {"type": "date"}),
        (["2026-01-02T10:00:00Z"], {"type": "date"}),
        (["31/12/2025", "01/02/2026"], {"type": "date", "format": "%d/%m/%Y"}),
        (["12/31/2025"], {"type": "date", "format": "%m/%d/%Y"}),
        (["31.12.2025"], {"type": "date", "format": "%d.%m.%Y"}),
        (["31.12.2025 09:30"], {"type": "date", "format": "%d.%m.%Y %H:%M"}),
        (["12/31/2025 09:30:15"], {"type": "date", "format": "%m/%d/%Y %H:%M:%S"}),
        (["20251231", "19500101"], {"type": "date", "format": "%Y%m%d"}),
        (["20251231", "20251232"], {"type": "number"}),
        (["01/02/2026", "03/04/2026"], None),
        (["1", "-2"], {"type": "number"}),
        (["1", "-2.50"], {"type": "decimal"}),
        (["1.234,50"], {"type": "decimal", "decimal": ",", "thousands": "."}),
        (["12,5", "3,00"], {"type": "decimal", "decimal": ",", "thousands": "."}),
        (["a@example.com ", ""], {"transform": "trim"}),
        (["a@example.com"], None),
        (["yes", "No"], {"type": "boolean"}),
        (["01234"], None),
        (["1" * 16], None),
        (["1" * 10], None),
        (["1234567890.5", "7"], {"type": "decimal"}),
        (["Ann"], None),
        (["", " "], None),
        ([7, True, None], None),
        (["2026-13-01"], None),
    ],
)
def test_types_are_guessed_where_every_value_agrees(
    values: list[Any], rule: dict[str, str] | None
) -> None:
    """Leading zeros and long digits stay text; what carries a type already needs no rule."""
    assert rule_for("c", values) == (None if rule is None else {"column": "c", **rule})
    if rule is not None and "type" in rule:  # who follows the guess has nobody rejected
        convert = converter_of(FieldRule(column="c", **rule))  # type: ignore[arg-type]
        assert convert is not None
        assert all(convert(value) is not None for value in values if value)
