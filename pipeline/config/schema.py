"""The config's JSON Schema: for editors, for the `schema` command, and for naming what is known."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic.json_schema import GenerateJsonSchema

from .sections import Config

__all__ = ("json_schema",)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the config file, for editors and for `schema`.

    `[run]` is not required in a file: `load` gives the directory a default.
    """
    schema = Config.model_json_schema(schema_generator=_Untitled)
    _describe(schema)
    schema = _plain(schema)
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


def _describe(schema: dict[str, Any]) -> None:
    """Give each key the docstring that stands under it in its class.

    pydantic would do so itself, but when the classes are made: for a tenth of a second at every
    start, of programs that hardly ever print the schema.
    """
    classes = {kind.__name__: kind for kind in _sections(Config)}
    for name, definition in {Config.__name__: schema, **schema["$defs"]}.items():
        if name in classes:
            docstrings = _docstrings(classes[name])
            for key, entry in definition.get("properties", {}).items():
                entry.setdefault("description", docstrings.get(key, ""))


def _sections(kind: Any) -> set[Any]:
    """`kind`, and every class of the config that its fields name."""
    found = {kind}
    for hint in get_type_hints(kind).values():
        for each in _named(hint):
            if is_dataclass(each) and each not in found:
                found |= _sections(each)

    return found


def _named(hint: Any) -> set[Any]:
    """The types an annotation is made of."""
    parts = get_args(hint)
    return {hint} if not parts else set().union(*map(_named, parts))


def _docstrings(kind: Any) -> dict[str, str]:
    """The text under each annotated name of a class."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    found: dict[str, str] = {}
    body = getattr(tree, "body", [])
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[node.target.id] = inspect.cleandoc(text)

    return found
