"""The layers of a config: what the file says, and what the environment says over it.

Read with the standard library. pydantic-settings does this too, but folds the names inside a table
of the environment to lower case, mixes such a table with the file's, and says nothing of variables
that name no key; it doubles the time it takes to import and load a config besides.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin, get_type_hints

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    from pydantic import BaseModel

__all__ = ("Origin", "Overrides", "Path", "dotted", "read_file", "variable_of")

Path = tuple[str | int, ...]

TOO_DEEP: Final = "its lists or tables lie too deep within each other"

_VARIABLE = re.compile(r"JOURNEY_(?!TEST_)([A-Z]+)__(\w+)")


def variable_of(path: Path) -> str:
    """The environment variable that overrides the key at `path`."""
    return "JOURNEY_" + "__".join(str(part) for part in path[:2]).upper()


def dotted(path: Path) -> str:
    """A path as it is written in TOML: delivery.max_errors, source.columns[2]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            text += ("." if text else "") + (part if plain else f'"{part}"')

    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a config came from: the file's name and what each gave, section by section."""

    file: str
    written: Mapping[str, Any]
    overrides: Mapping[str, Mapping[str, Any]]

    @property
    def merged(self) -> dict[str, Any]:
        """What was validated: the environment's keys in the place of the file's."""
        merged = dict(self.written)
        for section, keys in self.overrides.items():
            below = merged.get(section)
            merged[section] = {**below, **keys} if isinstance(below, dict) else dict(keys)

        return merged

    def overridden(self, path: Path) -> bool:
        """Whether the environment gave the value at `path`."""
        section = self.overrides.get(str(path[0]), {}) if path else {}
        return (
            path[1] in section if len(path) > 1 else bool(section) and path[0] not in self.written
        )

    def line(self, path: Path, text: str) -> str:
        """One finding: where, and what is wrong there."""
        if not self.overridden(path):
            return f"{self.file}: {dotted(path)} {text}"

        inside = f"{dotted(path[2:])} " if path[2:] else ""
        return f"{variable_of(path)}: {inside}{text}"


class Overrides:
    """What the environment gives: `values`, section by section, and `problems` of reading it."""

    def __init__(self, env: Mapping[str, str], *, model: type[BaseModel]) -> None:
        self._fields = model.model_fields
        self.values: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        for name, text in sorted(env.items()):
            if text and (match := _VARIABLE.fullmatch(name)):
                self._take(match[1].lower(), match[2].lower(), text=text)

    def _take(self, section: str, key: str, *, text: str) -> None:
        value: Any = text
        if text.lstrip().startswith(("[", "{")) and self._may_be_structured(section, key):
            try:
                value = json.loads(text)
            except json.JSONDecodeError as error:
                place = f"line {error.lineno}, column {error.colno}"
                self.problems.append(f"{variable_of((section, key))}: is not JSON ({place})")
                return
            except RecursionError:
                self.problems.append(f"{variable_of((section, key))}: {TOO_DEEP}")
                return

        self.values.setdefault(section, {})[key] = value

    def _may_be_structured(self, section: str, key: str) -> bool:
        policy = self._fields.get(section)
        return policy is not None and _is_structured(get_type_hints(policy.annotation).get(key))


def _is_structured(hint: object) -> bool:
    """Whether a value of this type may be a table or a list."""
    parts = get_args(hint) if get_origin(hint) not in {dict, list, tuple} else ()
    here = get_origin(hint) in {dict, list, tuple} or is_dataclass(hint)
    return here or any(_is_structured(part) for part in parts)


def read_file(path: FilePath) -> dict[str, Any]:
    """The TOML of a file; raises ConfigError if there is none."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; `journey-pipeline init` writes a starter config")

    if not path.is_file():
        raise ConfigError(f"{path}: is not a file")

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 at byte {error.start + 1}") from None
    except RecursionError:
        raise ConfigError(f"{path}: {TOO_DEEP}") from None
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).rstrip(")").rpartition(" (at ")
        hint = " (text needs quotes)" if said == "Invalid value" else ""
        raise ConfigError(f"{path}: {place}: {said[0].lower()}{said[1:]}{hint}") from None
