"""Writing a starter config: every key of the schema, with what a data file proposes in place."""

from __future__ import annotations

import json
import os
import re
import textwrap
from typing import TYPE_CHECKING, Any

from ..config.schema import json_schema
from ..errors import UsageError
from ..intake.grammar import is_nameless
from ..sending.endpoint import PROFILES, EndpointName
from .guessing import contact_key, email_column, rule_for
from .looking import look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .looking import Look

__all__ = ("EXAMPLES", "starter_config", "write_starter")

_WIDTH = 98
_HEAD = """\
# The config of a run. A key behind "#" is at its default, or off: what stands there is the
# default, or an example.
#
#   journey-pipeline check {name}     proves every setting and sends nothing
#   journey-pipeline run {name}       injects the contacts
#
# Every key can be overridden by environment: JOURNEY_ + section + __ + key, such as
# JOURNEY_DELIVERY__REQUESTS_PER_SECOND=20. The credentials belong there:
#
#   export JOURNEY_ACCOUNT__CLIENT_ID=…  JOURNEY_ACCOUNT__CLIENT_SECRET=…
#
# Paths are relative to the directory the command is started in.
"""
_FIELDS_WITHOUT_DATA = """
# Field of the event's data extension = column of the source, or a rule. Without this table every
# column is sent under its own name.
# [mapping.fields]
# EmailAddress = "email"
# FirstName = { column = "first_name", transform = ["trim", "title"] }
# Campaign = { value = "spring" }
# VisitedOn = { column = "visited", type = "date", format = "%d/%m/%Y" }
"""
_FIELDS = """
# Field of the event's data extension = column of the source, or a rule: look at the names on the
# left. The rules in the comments are guesses from the first records.
[mapping.fields]
"""

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "account": {
        "subdomain": '"mcxxxxxxxxxxxxxxxxxxxxxxxxxx"',
        "auth_url": '"http://127.0.0.1:8080"',
        "rest_url": '"http://127.0.0.1:8080"',
        "client_id": '"…"',
        "client_secret": '"…"',
        "client_secret_file": '"/run/secrets/mc"',
        "account_id": '"510000000"',
        "scope": '"journeys_read journeys_execute data_extensions_read"',
    },
    "journey": {"event_definition_key": '"APIEvent-…"'},
    "source": {
        "url": '"contacts.csv"',
        "format": '"csv"',
        "delimiter": '";"',
        "encoding": '"cp1252"',
        "columns": '["customer_id", "email"]',
        "password": '"…"',
        "key_file": '"~/.ssh/id_ed25519"',
        "known_hosts": '"~/.ssh/known_hosts"',
        "group": '"journey"',
        "ca_file": '"/etc/ssl/queue.pem"',
    },
    "mapping": {"contact_key": '"customer_id"', "python": '"mymodule:myfunction"'},
    "delivery": {
        "contacts_per_hour": "2_000_000",
        "window": '"Mon-Fri 08:00-20:00"',
        "time_zone": '"Europe/Berlin"',
        "max_errors": '"5%"',
    },
    "run": {"directory": '"runs/spring"'},
    "worker": {"listen": '"127.0.0.1:9100"', "drain_seconds": "75"},
    "coordination": {"url": '"redis://127.0.0.1:6379/0"'},
}
"""What a key without a default may look like, as TOML."""

_SET_ALWAYS = {
    "account": ("auth", "subdomain"),
    "journey": ("event_definition_key", "endpoint"),
    "source": ("url",),
    "mapping": ("contact_key",),
    "run": ("directory",),
}


def write_starter(
    path: Path, data_file: Path | str | None = None, *, endpoint: EndpointName = EndpointName.BATCH
) -> None:
    """Write a starter config for `endpoint` to `path`, which must not exist.

    Raises:
        UsageError: `path` exists or cannot be written; it is as it was.
        SourceError: `data_file` cannot be read; nothing was written.
    """
    text = starter_config(data_file, name=str(path), endpoint=endpoint)
    try:
        # For its owner alone: a secret may be written into it.
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} exists and is left as it is; name another file") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def starter_config(
    data_file: Path | str | None = None,
    *,
    name: str = "spring.toml",
    endpoint: EndpointName = EndpointName.BATCH,
) -> str:
    """A commented config that loads as it is; `name` is the file's, for the commands in it.

    Raises:
        SourceError: `data_file` cannot be read.
    """
    seen = None if data_file is None else look(data_file)
    chosen = _chosen_for(endpoint) | ({} if seen is None else _chosen(seen))
    schema = json_schema()
    parts = [_HEAD.format(name=name)]
    for section in schema["properties"]:
        parts.append("".join(_section(section, schema, chosen=chosen.get(section, {}))))
        if section == "mapping":
            parts[-1] += _FIELDS_WITHOUT_DATA if seen is None else _FIELDS + _fields(seen)

    return "\n".join(parts)


def _chosen_for(endpoint: EndpointName) -> dict[str, dict[str, str]]:
    """The values that go with an endpoint, as TOML."""
    if endpoint is EndpointName.BATCH:
        return {}

    profile = PROFILES[endpoint]
    auth = profile.auth[-1]  # the newer kind: of the older, no more packages can be made
    return {
        "account": {"auth": f"{_toml(auth)}  # the credentials of an enhanced package"},
        "journey": {"endpoint": _toml(endpoint)},
        "batch": {"max_records": f"{profile.max_records}  # all that {endpoint} takes"},
    }


def _chosen(seen: Look) -> dict[str, dict[str, str]]:
    """The values that the data file decides, as TOML."""
    policy = seen.policy
    source = {"url": policy.url, "delimiter": policy.delimiter, "encoding": policy.encoding}
    stem = re.split(r"[^\w-]", policy.url.rsplit("/", 1)[-1])[0] or "contacts"
    return {
        "source": {key: _toml(value) for key, value in source.items() if value is not None},
        "mapping": {"contact_key": _toml(contact_key(seen.samples)) + "  # a guess: look at it"},
        "run": {"directory": _toml(f"runs/{stem}")},
    }


def _section(
    section: str, schema: Mapping[str, Any], *, chosen: Mapping[str, str]
) -> Iterator[str]:
    node = schema["properties"][section]
    policy = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    yield f"\n[{section}]  # {_lower(node.get('description', policy['description']))}\n"
    for key, described in policy["properties"].items():
        if (section, key) != ("mapping", "fields"):
            yield "\n" + _comment(described["description"])
            yield _key(section, key, default=described.get("default"), chosen=chosen)


def _key(section: str, key: str, *, default: object, chosen: Mapping[str, str]) -> str:
    """The line that sets a key, or that says what it is set to."""
    if key in chosen:
        return f"{key} = {chosen[key]}\n"

    example = EXAMPLES.get(section, {}).get(key)
    line = f"{key} = {_toml(default) if example is None else example}"
    if key in _SET_ALWAYS.get(section, ()):
        return f"{line}\n"

    return f"# {line}  # {'the default' if example is None else 'an example'}\n"


def _fields(seen: Look) -> str:
    """Every column under its own name, the e-mail address under Marketing Cloud's."""
    email = None if "EmailAddress" in seen.samples else email_column(seen.samples)
    key = contact_key(seen.samples)
    lines = []
    for column, values in seen.samples.items():
        if is_nameless(column) and not any(values):
            continue

        line = f"{_name('EmailAddress' if column == email else column)} = {_toml(column)}"
        if column == key:
            line += "  # the contact key: leave it out if the extension has no field for it"
        elif rule := rule_for(column, values):
            inside = ", ".join(f"{name} = {_toml(value)}" for name, value in rule.items())
            line += f"  # or {{ {inside} }}"

        lines.append(f"{line}\n")

    return "".join(lines)


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def _lower(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].rstrip(".")


def _name(name: str) -> str:
    """A key of a TOML table."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    """A value as TOML: JSON but for one character that TOML wants escaped."""
    if type(value) is int:
        return f"{value:_}"

    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
