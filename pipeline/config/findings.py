"""Findings: what is wrong with a config, in words for the person who wrote it.

pydantic finds what is wrong; here it is told where that stands (the file and the key, or the
environment variable), in plain words, and with the way out. One line a finding. No value is ever
quoted: it may be a secret.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from .layers import dotted, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from .layers import Origin, Path

__all__ = ("findings_of",)

_TYPES = (  # the beginning of pydantic's error type -> what is allowed instead
    ("string_", "text in quotes"),
    ("path_", "a path in quotes"),
    ("int_", "a whole number"),
    ("float_", "a number"),
    ("finite_number", "a number"),
    ("bool_", "true or false"),
    ("dict_", "a table"),
    ("mapping_", "a table"),
    ("dataclass_", "a table"),
    ("model_", "a table"),
    ("list_", "a list"),
    ("tuple_", "a list"),
    ("frozen_set_", "a list"),
    ("set_", "a list"),
)
_UNKNOWN = {"extra_forbidden", "unexpected_keyword_argument"}


def findings_of(error: ValidationError, origin: Origin, *, schema: Mapping[str, Any]) -> list[str]:
    """A line for each thing that is wrong. `schema` is the config's JSON Schema."""
    data = origin.merged
    found: dict[Path, list[ErrorDetails]] = {}
    for details in error.errors(include_url=False, include_input=False):
        found.setdefault(_path(details, data), []).append(details)

    # Of a value that may be of several types, the type that fitted best tells what is wrong.
    outer = {path[:length] for path in found for length in range(len(path))}
    lines: list[str] = []
    for path, several in found.items():
        if path not in outer or all(details["type"] == "value_error" for details in several):
            lines.extend(_lines(path, several, origin=origin, schema=schema))

    return lines


def _lines(
    path: Path, several: list[ErrorDetails], *, origin: Origin, schema: Mapping[str, Any]
) -> Iterator[str]:
    kinds = {details["type"] for details in several}
    if kinds <= _UNKNOWN:
        yield _unknown(path, origin=origin, schema=schema)
    elif all(kind.startswith("missing") for kind in kinds):
        yield _missing(path, origin=origin, schema=schema)
    elif "value_error" in kinds:
        sentences = [
            str(details["ctx"]["error"]) for details in several if details["type"] == "value_error"
        ]
        for sentence in dict.fromkeys(sentences):
            yield _broken_rule(path, sentence, origin=origin, schema=schema)
    else:
        allowed = dict.fromkeys(_allowed(details) for details in several)
        yield _not_allowed(path, list(allowed), origin=origin)


def _not_allowed(path: Path, allowed: list[str], *, origin: Origin) -> str:
    if len(path) == 1:
        return f"{origin.file}: {path[0]} must be a section: [{path[0]}]"

    written = ", written as JSON" if origin.overridden(path) and "a table" in allowed else ""
    return origin.line(path, f"must be {' or '.join(allowed)}{written}")


def _allowed(details: ErrorDetails) -> str:
    """What a value must be, from pydantic's verdict on what it is not."""
    kind = details["type"]
    if kind in {"literal_error", "enum"}:
        return str(details["ctx"]["expected"]).replace("'", '"')

    for beginning, allowed in _TYPES:
        if kind.startswith(beginning):
            return allowed

    return details["msg"].removeprefix("Input should be ").replace("a valid ", "a ")


def _unknown(path: Path, *, origin: Origin, schema: Mapping[str, Any]) -> str:
    *above, key = path
    known = sorted(_node(above, schema).get("properties", {}))
    near = get_close_matches(str(key), known, n=1)
    if origin.overridden(path) and len(path) <= 2:
        return _unknown_variable(path, near, known=known, origin=origin)

    if not above:
        hint = f"did you mean [{near[0]}]?" if near else f"known are {', '.join(known)}"
        return f"{origin.file}: [{key}] is not a known section; {hint}"

    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    return origin.line(path, f"is not a known key; {_elsewhere(path, schema) or hint}")


def _unknown_variable(path: Path, near: list[str], *, known: list[str], origin: Origin) -> str:
    """A variable that overrides nothing: its section or its key is unknown."""
    section = str(path[0])
    key = str(path[1]) if len(path) > 1 else next(iter(origin.overrides[section]))
    hint = f"known are {', '.join(known)}"
    if near:
        meant = (section, near[0]) if len(path) > 1 else (near[0], key)
        hint = f"did you mean {variable_of(meant)}?"

    what = f"key {key} in [{section}]" if len(path) > 1 else f"section [{section}]"
    return f"{variable_of((section, key))}: there is no {what}; {hint}"


def _elsewhere(path: Path, schema: Mapping[str, Any]) -> str | None:
    """Where a key belongs that stands in the wrong section."""
    if len(path) != 2:
        return None

    sections = [
        section
        for section in schema["properties"]
        if path[1] in _node((section,), schema).get("properties", {})
    ]
    return f"it belongs to [{sections[0]}]" if sections else None


def _broken_rule(path: Path, sentence: str, *, origin: Origin, schema: Mapping[str, Any]) -> str:
    """A policy's own sentence. It begins with the key it is about, if it is about one."""
    sentence = sentence.removeprefix(f"{dotted(path)}.")
    key = re.match(r"\w*", sentence)[0]  # type: ignore[index]  # it matches at least nothing
    if key not in _node(path, schema).get("properties", {}):
        place = f"[{dotted(path)}] " if path else ""
        return f"{origin.file}: {place}{sentence}"

    if origin.overridden((*path, key)):
        return f"{variable_of((*path, key))}: {sentence.removeprefix(key).lstrip(' :.')}"

    return f"{origin.file}: {dotted(path)}.{sentence}"


def _missing(path: Path, *, origin: Origin, schema: Mapping[str, Any]) -> str:
    """What is missing, and what it would have told."""
    described = str(_node(path, schema).get("description", ""))
    first = re.split(r"(?<=[.;:])\s", described.strip(), maxsplit=1)[0].rstrip(".;:")
    purpose = f": {first[0].lower()}{first[1:]}" if first else ""
    if len(path) == 1:
        return f"{origin.file}: section [{path[0]}] is missing{purpose}"

    return origin.line(path, f"is missing{purpose}")


def _path(details: ErrorDetails, data: object) -> Path:
    """pydantic's location without the types it tried: only what stands in the data, or should."""
    path: list[str | int] = []
    for part in details["loc"]:
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int)
        )
        if inside:
            path.append(part)
            data = data[part]  # type: ignore[index]  # just looked at

    return (*path, details["loc"][-1]) if details["type"].startswith("missing") else tuple(path)


def _node(path: Iterable[str | int], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a JSON Schema that describes what stands at `path`; empty if nothing does."""
    nodes = [dict(schema)]
    for part in path:
        nodes = [
            below
            for node in _resolved(nodes, schema)
            for below in (node.get("properties", {}).get(part), node.get("additionalProperties"))
            if isinstance(below, dict)
        ]

    described = nodes[0].get("description") if nodes else None
    merged: dict[str, Any] = {"properties": {}}
    for node in _resolved(nodes, schema):
        merged["properties"].update(node.get("properties", {}))
        merged.setdefault("description", described or node.get("description", ""))

    return merged


def _resolved(
    nodes: Iterable[dict[str, Any]], schema: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The nodes that references and alternatives stand for."""
    for node in nodes:
        if "$ref" in node:
            target = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            yield from _resolved([target], schema)
        elif "anyOf" in node or "oneOf" in node:
            yield from _resolved(node.get("anyOf", []) + node.get("oneOf", []), schema)
        else:
            yield node
