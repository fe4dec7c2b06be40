"""The config's JSON Schema: for editors, for the `schema` command, and for naming what is known."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .sections import Config

__all__ = ("json_schema",)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the config file, for editors and for `schema`.

    `[run]` is not required in a file: `load` gives the directory a default.
    """
    schema = _plain(Config.model_json_schema(schema_generator=_Untitled))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "required": [section for section in schema["required"] if section != "run"],
        "title": "journey-pipeline config",
        "description": "The config file of journey-pipeline, as TOML.",
    }


class _Untitled(GenerateJsonSchema):
    """A schema without the titles that repeat each name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _plain(node: Any) -> Any:
    """The schema as TOML needs it: without null, which TOML does not know; texts on one line."""
    if isinstance(node, list):
        return [_plain(item) for item in node if item != {"type": "null"}]

    if not isinstance(node, dict):
        return node

    plain = {key: _plain(item) for key, item in node.items() if (key, item) != ("default", None)}
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].split())

    if len(plain.get("anyOf", ())) == 1:
        return {**plain.pop("anyOf")[0], **plain}

    return plain
