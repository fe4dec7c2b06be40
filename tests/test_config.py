"""The config: what it accepts, what the environment overrides, and how it says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.config import Config, CoordinationPolicy, WorkerPolicy, load
from pipeline.config.schema import json_schema
from pipeline.errors import ConfigError
from pipeline.mapping.rules import FieldRule, MappingPolicy
from pipeline.sending.account import Account, AuthVersion
from pipeline.sending.endpoint import EndpointName

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
SECRET = "hush-hush-hush"
MINIMAL = """
[account]
subdomain = "mcxxxxxxxx"
[journey]
event_definition_key = "APIEvent-1"
[source]
url = "contacts.csv"
[mapping]
contact_key = "customer_id"
"""
FULL = """
[account]
auth = "v1"
auth_url = "http://127.0.0.1:8080"
rest_url = "http://127.0.0.1:8080"
client_id = "id"
client_secret_file = "/run/secrets/mc"
account_id = "510000000"
[journey]
event_definition_key = "APIEvent-1"
endpoint = "batchcontactevents"
check_fields = true
[source]
url = "contacts.csv"
format = "csv"
[mapping]
contact_key = "customer_id"
[mapping.fields]
EmailAddress = "email"
FirstName = { column = "first_name", transform = ["trim", "title"] }
Campaign = { value = "spring" }
VisitedOn = { column = "visited", type = "date", format = "%d/%m/%Y" }
[batch]
max_records = 500
max_bytes = 4_000_000
linger_seconds = 1.0
[delivery]
max_in_flight = 16
requests_per_second = 10.0
contacts_per_hour = 2_000_000
timeout_seconds = 60
max_attempts = 6
on_unknown = "hold"
max_errors = "5%"
[run]
directory = "runs/spring"
[worker]
listen = "127.0.0.1:9100"
[coordination]
url = "redis://127.0.0.1:6379/0"
"""


def read(tmp_path: Path, text: str, env: Mapping[str, str] | None = None) -> Config:
    file = tmp_path / "spring.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, env or {})


def complaints(tmp_path: Path, text: str, env: Mapping[str, str] | None = None) -> list[str]:
    """The lines of the error, the file's folder taken away."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, env)

    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_every_promised_key_is_taken(tmp_path: Path) -> None:
    """The config of the documentation loads, and each section arrives in its policy."""
    config = read(tmp_path, FULL)
    assert config.account.rest_base == "http://127.0.0.1:8080"
    assert config.journey.endpoint is EndpointName.BATCH
    assert config.mapping.fields is not None
    assert config.mapping.fields["FirstName"] == FieldRule(
        column="first_name", transform=("trim", "title")
    )
    assert config.batch.max_bytes == 4_000_000
    assert config.delivery.max_errors == "5%"
    assert config.run.directory == "runs/spring"
    assert config.worker.address == ("127.0.0.1", 9100)
    assert config.coordination.url == "redis://127.0.0.1:6379/0"


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    """Four sections make a config; the run's directory is called after the file."""
    config = read(tmp_path, MINIMAL)
    assert config.batch.max_records == 500
    assert config.delivery.requests_per_second == 10.0
    assert config.run.directory == "runs/spring"
    assert config.worker.listen is None
    assert config.coordination.url is None


def test_config_cannot_be_changed(tmp_path: Path) -> None:
    """A run sees one config from its beginning to its end."""
    config = read(tmp_path, MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        config.run = None  # type: ignore[assignment]  # the point of the test


def test_made_directly_it_reads_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only `load` looks at the environment: a config made by hand is what was written."""
    config = read(tmp_path, MINIMAL)
    monkeypatch.setenv("DELIVERY", '{"max_in_flight": 99}')
    monkeypatch.setenv("JOURNEY_DELIVERY__MAX_IN_FLIGHT", "99")
    made = Config(
        account=config.account,
        journey=config.journey,
        source=config.source,
        mapping=config.mapping,
        run=config.run,
    )
    assert made == config


@pytest.mark.parametrize(
    ("variable", "value", "section", "key", "expected"),
    [
        ("JOURNEY_DELIVERY__REQUESTS_PER_SECOND", "20", "delivery", "requests_per_second", 20.0),
        ("JOURNEY_DELIVERY__MAX_ERRORS", "5%", "delivery", "max_errors", "5%"),
        ("JOURNEY_BATCH__MAX_RECORDS", "250", "batch", "max_records", 250),
        ("JOURNEY_JOURNEY__CHECK_FIELDS", "false", "journey", "check_fields", False),
        ("JOURNEY_ACCOUNT__AUTH", "v1", "account", "auth", AuthVersion.V1),
        ("JOURNEY_ACCOUNT__CLIENT_ID", "{id}", "account", "client_id", "{id}"),
        ("JOURNEY_RUN__DIRECTORY", "elsewhere", "run", "directory", "elsewhere"),
        ("JOURNEY_WORKER__LISTEN", ":9100", "worker", "listen", ":9100"),
        ("JOURNEY_SOURCE__COLUMNS", '["a", "b"]', "source", "columns", ("a", "b")),
        ("JOURNEY_MAPPING__CONTACT_KEY", "id", "mapping", "contact_key", "id"),
        (
            "JOURNEY_MAPPING__CONTACT_KEY",
            '{"column": "id", "transform": "trim"}',
            "mapping",
            "contact_key",
            FieldRule(column="id", transform="trim"),
        ),
    ],
)
def test_environment_beats_the_file(
    tmp_path: Path, *, variable: str, value: str, section: str, key: str, expected: object
) -> None:
    """JOURNEY_ + section + __ + key overrides, and is read as the key's type."""
    for text in (MINIMAL, FULL):
        config = read(tmp_path, text, {variable: value})
        assert getattr(getattr(config, section), key) == expected


def test_an_overridden_table_is_replaced_whole(tmp_path: Path) -> None:
    """The fields of the environment do not mix with the file's, and keep their names' case."""
    env = {"JOURNEY_MAPPING__FIELDS": '{"LastName": "last", "Visited": {"column": "v"}}'}
    assert read(tmp_path, FULL, env).mapping.fields == {
        "LastName": "last",
        "Visited": FieldRule(column="v"),
    }


def test_credentials_come_from_the_environment(tmp_path: Path) -> None:
    """Where they are missing loading is no error, asking for them is."""
    env = {"JOURNEY_ACCOUNT__CLIENT_ID": "id", "JOURNEY_ACCOUNT__CLIENT_SECRET": "[" + SECRET}
    account = read(tmp_path, MINIMAL, env).account
    assert (account.identity(), account.secret()) == ("id", "[" + SECRET)
    with pytest.raises(ConfigError, match="JOURNEY_ACCOUNT__CLIENT_SECRET"):
        read(tmp_path, MINIMAL).account.secret()


def test_an_empty_variable_counts_as_absent(tmp_path: Path) -> None:
    """`${X:-}` of a compose file overrides nothing."""
    assert read(tmp_path, FULL, {"JOURNEY_WORKER__LISTEN": ""}).worker.listen == "127.0.0.1:9100"


@pytest.mark.parametrize(
    "name",
    [
        "JOURNEY_TEST_AMQP_URL",
        "JOURNEY_TEST_A__B",
        "JOURNEY_TEST__A",
        "JOURNEY_HOME",
        "JOURNEYS__X__Y",
        "DELIVERY__X",
    ],
)
def test_other_variables_are_left_alone(tmp_path: Path, name: str) -> None:
    """Only variables of our shape are ours."""
    assert read(tmp_path, MINIMAL, {name: "x"}) == read(tmp_path, MINIMAL)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            "[delivery]\nrequests_per_secnd = 10",
            "delivery.requests_per_secnd is not a known key; did you mean requests_per_second?",
        ),
        (
            "[delivery]\nbananas = 10",
            (
                "delivery.bananas is not a known key; known are contacts_per_hour, max_attempts, "
                "max_errors, max_in_flight, max_outage_seconds, on_unknown, requests_per_second, "
                "time_zone, timeout_seconds, window"
            ),
        ),
        (
            "[batch]\nmax_in_flight = 10",
            "batch.max_in_flight is not a known key; it belongs to [delivery]",
        ),
        ("[delivry]\nx = 1", "[delivry] is not a known section; did you mean [delivery]?"),
        ("[batch]\nmax_records = 'many'", "batch.max_records must be a whole number"),
        ("[batch]\nmax_records = 2.5", "batch.max_records must be a whole number"),
        ("[batch]\nmax_records = true", "batch.max_records cannot be true"),
        ("[batch]\nlinger_seconds = 'soon'", "batch.linger_seconds must be a number"),
        ("[batch]\nlinger_seconds = false", "batch.linger_seconds cannot be false"),
        ("[batch]\nmax_records = 0", "batch.max_records is at least 1"),
        (
            "[batch]\nmax_records = 501",
            (
                "batch.max_records must be at most 500: that is what batchcontactevents takes in a "
                "request"
            ),
        ),
        ("[delivery]\non_unknown = 'hope'", 'delivery.on_unknown must be "hold" or "resend"'),
        ("[delivery]\nmax_in_flight = 0", "delivery.max_in_flight must be at least 1, not 0"),
        (
            "[delivery]\nmax_errors = 2.5",
            "delivery.max_errors must be a whole number or text in quotes",
        ),
        (
            "[delivery]\nwindow = '8-20'",
            (
                "delivery.window '8-20' cannot be read: write it as \"Mon-Fri 08:00-20:00\", "
                "several with commas between"
            ),
        ),
        (
            "[delivery]\nwindow = '08:00-20:00'\ntime_zone = 'Berlin'",
            'delivery.time_zone \'Berlin\' is not known: name it as in "Europe/Berlin" or "UTC"',
        ),
        (
            "[delivery]\ntime_zone = 'UTC'",
            "delivery.time_zone is the window's, and there is no window",
        ),
        ("[run]\ndirectory = ''", "run.directory must name a directory"),
        ("[run]\ndirectory = 7", "run.directory must be text in quotes"),
        ("[worker]\nlisten = 'x'", 'worker.listen must be host:port, such as "127.0.0.1:9100"'),
        (
            "[coordination]\nurl = 'http://x'",
            "coordination.url must begin with redis://, rediss:// or unix://",
        ),
        (
            "[mapping.fields]\nA = { colum = 'a' }",
            "mapping.fields.A.colum is not a known key; did you mean column?",
        ),
        (
            "[mapping.fields]\n'First name' = 7",
            'mapping.fields."First name" must be a table or text in quotes',
        ),
        (
            "[mapping.fields]\nA = { column = 'a', transform = ['trim', 7] }",
            "mapping.fields.A.transform[2] must be text in quotes",
        ),
    ],
)
def test_a_mistake_is_told_in_plain_words(tmp_path: Path, changed: str, line: str) -> None:
    """One line: the file, the key as it is written, what is wrong, and the way out."""
    assert complaints(tmp_path, f"{MINIMAL}\n{changed}\n") == [f"spring.toml: {line}"]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'event_definition_key = "APIEvent-1"',
            "",
            "journey.event_definition_key is missing: the key of the API entry event",
        ),
        (
            '[source]\nurl = "contacts.csv"',
            "",
            "section [source] is missing: where the records come from",
        ),
        (
            'subdomain = "mcxxxxxxxx"',
            'subdomain = "mcxxxxxxxx"\naccount_id = 510000000',
            "account.account_id must be text in quotes",
        ),
        (
            'subdomain = "mcxxxxxxxx"',
            "",
            "[account] name the subdomain, or both auth_url and rest_url",
        ),
        ('"customer_id"', "", "line 9, column 15: invalid value (text needs quotes)"),
        ('"customer_id"', "customer_id", "line 9, column 15: invalid value (text needs quotes)"),
        (
            "[mapping]",
            "[mapping",
            "line 8, column 9: expected ']' at the end of a table declaration",
        ),
        (
            'event_definition_key = "APIEvent-1"',
            'event_definition_key = "APIEvent-1"\nendpoint = "async-events"',
            (
                'account.auth must be "v2" for journey.endpoint = "async-events": it is documented '
                "for enhanced packages, and younger than the legacy ones"
            ),
        ),
        (
            'subdomain = "mcxxxxxxxx"',
            'subdomain = "mcxxxxxxxx"\nauth = "v2"',
            (
                'account.auth must be "v1" for journey.endpoint = "batchcontactevents": whoever '
                "has used it needed the old kind of token"
            ),
        ),
        (
            '"APIEvent-1"',
            '"APIEvent-1"\nendpoint = "batch"',
            'journey.endpoint must be "batchcontactevents", "async-events" or "events"',
        ),
    ],
)
def test_a_mistake_in_what_is_required(tmp_path: Path, *, old: str, new: str, line: str) -> None:
    """What is missing says what it would have told; TOML says line and column."""
    assert complaints(tmp_path, MINIMAL.replace(old, new)) == [f"spring.toml: {line}"]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("JOURNEY_BATCH__MAX_RECORDS", "many", "must be a whole number"),
        ("JOURNEY_BATCH__MAX_RECORDS", "0", "is at least 1"),
        (
            "JOURNEY_BATCH__MAX_RECORDS",
            "501",
            "must be at most 500: that is what batchcontactevents takes in a request",
        ),
        (
            "JOURNEY_BATCH__MAX_RECORD",
            "1",
            "there is no key max_record in [batch]; did you mean JOURNEY_BATCH__MAX_RECORDS?",
        ),
        (
            "JOURNEY_BTCH__MAX_RECORDS",
            "1",
            "there is no section [btch]; did you mean JOURNEY_BATCH__MAX_RECORDS?",
        ),
        (
            "JOURNEY_MAPPING__FIELDS__EMAIL",
            "e",
            "there is no key fields__email in [mapping]; did you mean JOURNEY_MAPPING__FIELDS?",
        ),
        ("JOURNEY_MAPPING__FIELDS", "email", "must be a table, written as JSON"),
        ("JOURNEY_MAPPING__FIELDS", '{"A": ', "is not JSON (line 1, column 7)"),
        (
            "JOURNEY_MAPPING__FIELDS",
            '{"A": {"colum": "a"}}',
            "A.colum is not a known key; did you mean column?",
        ),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, variable: str, *, value: str, line: str
) -> None:
    """Whoever set a variable finds its name, not a file's."""
    assert complaints(tmp_path, MINIMAL, {variable: value}) == [f"{variable}: {line}"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """One error, a line for each finding of file and environment."""
    text = MINIMAL.replace("url =", "ulr =") + "[delivery]\nmax_in_flight = 'x'\n"
    assert complaints(tmp_path, text, {"JOURNEY_BATCH__MAX_BYTES": "x"}) == [
        (
            "spring.toml: source.url is missing: a path, a glob, a directory, a file:// URL, "
            'or "-" for standard input'
        ),
        "spring.toml: source.ulr is not a known key; did you mean url?",
        "JOURNEY_BATCH__MAX_BYTES: must be a whole number",
        "spring.toml: delivery.max_in_flight must be a whole number",
    ]


def test_a_missing_file_names_the_way_out(tmp_path: Path) -> None:
    """Whoever has no config yet is told how to get one."""
    path = tmp_path / "none.toml"
    with pytest.raises(ConfigError) as caught:
        load(path, {})

    expected = f"{path}: no such file; `journey-pipeline init` writes a starter config"
    assert str(caught.value) == expected


def test_a_directory_or_binary_is_no_config(tmp_path: Path) -> None:
    """What cannot be TOML is refused in one line."""
    with pytest.raises(ConfigError, match=r"is not a file$"):
        load(tmp_path, {})

    (tmp_path / "x.toml").write_bytes(b"# caf\xe9")
    with pytest.raises(ConfigError, match=r"x\.toml: is not UTF-8 at byte 6$"):
        load(tmp_path / "x.toml", {})

    (tmp_path / "x.toml").write_text(f"a = {'[' * 20_000}")
    with pytest.raises(ConfigError, match=r"x\.toml: its lists or tables lie too deep within each"):
        load(tmp_path / "x.toml", {})

    (tmp_path / "x.toml").write_text(MINIMAL)
    with pytest.raises(ConfigError, match=r"JOURNEY_MAPPING__FIELDS: its lists or tables lie"):
        load(tmp_path / "x.toml", {"JOURNEY_MAPPING__FIELDS": "[" * 200_000})


def test_default_records_give_way_to_the_endpoint(tmp_path: Path) -> None:
    """A default is no wish: only a number that was written can be too high."""
    text = MINIMAL.replace('"APIEvent-1"', '"APIEvent-1"\nendpoint = "async-events"').replace(
        "[account]", '[account]\nauth = "v2"'
    )
    assert read(tmp_path, text).batch.max_records == 100
    assert complaints(tmp_path, text + "[batch]\nmax_records = 101\n") == [
        (
            "spring.toml: batch.max_records must be at most 100: that is what async-events takes "
            "in a request"
        )
    ]


SPOILED = [
    ("[account]", f'[account]\nclient_secret = "{SECRET}"\nauth = 7'),
    ("[account]", f'[account]\nclient_secret = ["{SECRET}"]'),
    ("[account]", f"[account]\nclient_secret = {SECRET}"),
    ("[account]", f'[account]\nclient_secret = "{SECRET}'),
    ("[account]", f'[account]\nclient_secrets = "{SECRET}"'),
    ('"mcxxxxxxxx"', f'"mc {SECRET}"\nclient_secret = "{SECRET}"'),
    ('"contacts.csv"', f'"a.csv"\nformat = "{SECRET}"\npassword = "{SECRET}"'),
    ("[journey]", f'[coordination]\nurl = "rdis://:{SECRET}@host"\n[journey]'),
]


@pytest.mark.parametrize(("old", "new"), SPOILED)
def test_no_error_quotes_a_secret(tmp_path: Path, old: str, new: str) -> None:
    """However the config is spoiled, the secret is not in what is said about it."""
    assert SECRET not in "\n".join(complaints(tmp_path, MINIMAL.replace(old, new)))


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    """A config may be printed."""
    env = {"JOURNEY_COORDINATION__URL": f"redis://:{SECRET}-3@127.0.0.1"}
    text = MINIMAL.replace("[account]", f'[account]\nclient_secret = "{SECRET}"')
    config = read(tmp_path, text, env | {"JOURNEY_SOURCE__PASSWORD": f"{SECRET}-2"})
    assert config.account.client_secret == SecretStr(SECRET)
    assert SECRET not in f"{config!r}{config!s}{config.account}{config.source}{config.coordination}"
    assert config.secrets == (SECRET, f"{SECRET}-2", f"{SECRET}-3")


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_text_of_the_environment_arrives_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, value: str
) -> None:
    """A secret may be any text, brackets and quotes too."""
    folder = tmp_path_factory.getbasetemp()
    account = read(folder, MINIMAL, {"JOURNEY_ACCOUNT__CLIENT_SECRET": value}).account
    assert account.client_secret is not None
    assert account.client_secret.get_secret_value() == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    st.lists,
    max_leaves=4,
)


@given(
    section=st.sampled_from(sorted(Config.model_fields)),
    data=st.data(),
)
def test_whatever_is_written_is_a_config_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, section: str, data: st.DataObject
) -> None:
    """No value makes a traceback, and what is said is free of pydantic's words."""
    known = sorted(_properties(json_schema(), section))
    key = data.draw(st.sampled_from([*known, "other"]))
    value = data.draw(json_values)
    env = {f"JOURNEY_{section}__{key}".upper(): json.dumps(value)}
    file = tmp_path_factory.getbasetemp() / "spring.toml"
    file.write_text(MINIMAL, encoding="utf-8")
    said = ""
    try:
        load(file, env)
    except ConfigError as error:
        said = str(error)

    for word in ("Input should", "pydantic", "type=", "[type", "Value error", "str,"):
        assert word not in said


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:9100", ("127.0.0.1", 9100)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:9100", ("::1", 9100)),
        (":9100", ("127.0.0.1", 9100)),
        ("9100", ("127.0.0.1", 9100)),
        (None, None),
    ],
)
def test_where_to_listen(listen: str | None, address: tuple[str, int] | None) -> None:
    """host:port; without a host this machine alone."""
    assert WorkerPolicy(listen=listen).address == address


@pytest.mark.parametrize("listen", ["", "host", "host:", "host:99999", "host:x", "host:-1"])
def test_where_not_to_listen(listen: str) -> None:
    """Anything but a port at the end is refused when the config is read."""
    with pytest.raises(ValueError, match=r"^listen must be host:port"):
        WorkerPolicy(listen=listen)


def test_coordination_takes_redis_alone() -> None:
    """The scheme is looked at before a run begins."""
    assert CoordinationPolicy(url="rediss://host").url == "rediss://host"
    with pytest.raises(ValueError, match=r"^url must begin with redis://"):
        CoordinationPolicy(url="localhost:6379")


def _properties(schema: dict[str, Any], section: str) -> dict[str, Any]:
    name = schema["properties"][section]["$ref"].rsplit("/", 1)[-1]
    properties = schema["$defs"][name]["properties"]
    assert isinstance(properties, dict)
    return properties


PROMISED = {
    "account": "auth subdomain auth_url rest_url client_id client_secret client_secret_file "
    "account_id",
    "journey": "event_definition_key endpoint check_fields",
    "source": "url format",
    "mapping": "contact_key fields",
    "batch": "max_records max_bytes linger_seconds",
    "delivery": "max_in_flight requests_per_second contacts_per_hour timeout_seconds max_attempts "
    "on_unknown max_errors window time_zone",
    "run": "directory",
    "worker": "listen",
    "coordination": "url",
}


def test_schema_knows_every_promised_key_and_tells_what_it_is() -> None:
    """Each key has a description; nothing else is allowed anywhere."""
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["account", "journey", "source", "mapping"]
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(PROMISED)
    for section, keys in PROMISED.items():
        properties = _properties(schema, section)
        assert set(keys.split()) <= set(properties)
        for key, described in properties.items():
            assert described.get("description"), f"{section}.{key}"

    for name, definition in schema["$defs"].items():
        if definition["type"] == "object":
            assert definition["additionalProperties"] is False, name


def test_schema_tells_defaults_and_speaks_no_null() -> None:
    """Defaults are the policies' own; TOML has no null, so neither has the schema."""
    schema = json_schema()
    assert _properties(schema, "delivery")["requests_per_second"]["default"] == 10.0
    assert _properties(schema, "delivery")["on_unknown"]["default"] == "hold"
    assert _properties(schema, "batch")["max_bytes"]["default"] == 4_000_000
    assert '"null"' not in json.dumps(schema)
    assert "\\n" not in json.dumps(schema)


def test_a_config_by_hand_equals_the_one_from_a_file(tmp_path: Path) -> None:
    """The sections are plain dataclasses: tests and scripts may make them."""
    config = read(tmp_path, MINIMAL)
    assert config.account == Account(subdomain="mcxxxxxxxx")
    assert config.mapping == MappingPolicy(contact_key="customer_id")
