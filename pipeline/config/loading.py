"""Loading: one frozen Config, or one ConfigError with a line for each thing that is wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from pydantic import ValidationError

from ..errors import ConfigError
from .layers import Origin, Overrides, read_file
from .sections import Config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ("load",)

_SECRETS = (("account", "client_secret"), ("source", "password"))
_SHORTEST_SECRET = 6  # masking "x" of a rehearsal would make riddles of the words


def load(path: Path | str, env: Mapping[str, str] = os.environ) -> Config:
    """Read the config file at `path`, with the overrides of `env`.

    Credentials may be missing: whoever needs them asks `account` for them. Where `max_records` is
    not given, it is what the endpoint takes; where the run directory is not, it is `runs/` and the
    config file's name.

    Raises:
        ConfigError: With a line for each thing that is wrong; no line quotes a secret.
    """
    overrides = Overrides(env, model=Config)
    origin = Origin(
        file=str(path),
        written=_with_directory(read_file(Path(path)), Path(path)),
        overrides=overrides.values,
    )
    try:
        config = Config.model_validate(origin.merged)
    except ValidationError as error:
        # To say what is wrong takes the schema, which few configs need.
        from .findings import findings_of
        from .schema import json_schema

        found = findings_of(error, origin, schema=json_schema())
        raise _error([*overrides.problems, *found], origin) from None

    config = _within_the_endpoint(config, origin)
    problems = [*overrides.problems, *_clashes(config, origin)]
    if problems:
        raise _error(problems, origin)

    return config


def _with_directory(written: dict[str, Any], path: Path) -> dict[str, Any]:
    """A run directory that is not given is called after the config."""
    run = written.get("run", {})
    if not isinstance(run, dict):
        return written

    return {**written, "run": {"directory": f"runs/{path.stem}", **run}}


def _within_the_endpoint(config: Config, origin: Origin) -> Config:
    """A default is no wish: what was not asked for gives way to what the endpoint takes."""
    most = config.journey.profile.max_records
    if "max_records" in origin.merged.get("batch", {}) or config.batch.max_records <= most:
        return config

    return config.model_copy(update={"batch": replace(config.batch, max_records=most)})


def _clashes(config: Config, origin: Origin) -> Iterator[str]:
    """What is wrong between the sections, or with a value that pydantic would bend to fit."""
    yield from _bent(origin)
    endpoint, most = config.journey.endpoint, config.journey.profile.max_records
    if config.batch.max_records > most:
        yield origin.line(
            ("batch", "max_records"),
            f"must be at most {most}: that is what {endpoint} takes in a request",
        )

    profile = config.journey.profile
    if config.account.auth not in profile.auth:
        yield origin.line(
            ("account", "auth"),
            f'must be "{profile.auth[0]}" for journey.endpoint = "{endpoint}": '
            f"{profile.auth_known}",
        )


def _bent(origin: Origin) -> Iterator[str]:
    """True and false are no numbers, whatever Python says of them."""
    for section, policy in Config.model_fields.items():
        for key, value in origin.merged.get(section, {}).items():
            if isinstance(value, bool) and not _takes_bool(policy.annotation, key):
                yield origin.line((section, key), f"cannot be {str(value).lower()}")


def _takes_bool(policy: Any, key: str) -> bool:
    hint = get_type_hints(policy)[key]
    return hint is bool or bool in get_args(hint)


def _error(problems: Iterable[str], origin: Origin) -> ConfigError:
    """One error of many lines. Should a policy have quoted a secret, it is masked here."""
    text = "\n".join(problems)
    for layer, (name, key) in product((origin.written, origin.overrides), _SECRETS):
        section = layer.get(name)
        secret = section.get(key) if isinstance(section, dict) else None
        if isinstance(secret, str) and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")

    return ConfigError(text)
