"""Configs for rehearsals, written as a user would write them."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ("CLIENT_SECRET", "toml", "write_config", "write_contacts", "zstd_compressed")

CLIENT_SECRET = "rehearsal-secret"


def write_config(
    path: Path, *, url: str, source: str | Mapping[str, Any], **sections: Mapping[str, Any]
) -> Path:
    """Write a config for the simulator at `url`; `sections` add to the usual keys, or win.

    `source` is its URL, or the whole section.
    """
    usual: dict[str, dict[str, Any]] = {
        "account": {
            "auth_url": url,
            "rest_url": url,
            "client_id": "rehearsal",
            "client_secret": CLIENT_SECRET,
        },
        "journey": {"event_definition_key": "APIEvent-rehearsal"},
        "source": {"url": source} if isinstance(source, str) else dict(source),
        "mapping": {
            "contact_key": "customer_id",
            "fields": {"EmailAddress": "EmailAddress", "FirstName": "FirstName"},
        },
        "delivery": {"requests_per_second": 1000.0},
        "run": {"directory": "run"},
    }
    written = {
        name: {
            key: value
            for key, value in (usual.get(name, {}) | dict(sections.get(name, {}))).items()
            if value is not None
        }
        for name in usual | sections
    }
    path.write_text(toml(written), encoding="utf-8")
    return path


def toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections of keys as TOML; a value that is a table stands on one line."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{_text(key)} = {_value(value)}\n" for key, value in keys.items())
        for name, keys in sections.items()
    )


def _value(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{_text(key)} = {_value(each)}" for key, each in value.items())
        return f"{{ {inside} }}"

    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_contacts(path: Path, numbers: Iterable[int], *, width: int = 0) -> Path:
    """Write a CSV of contacts `C00001` …; `width` adds a column of so many characters, unsent."""
    filling = "x" * width
    with path.open("w", encoding="utf-8") as file:
        file.write("customer_id,EmailAddress,FirstName" + (",Filling\n" if width else "\n"))
        for number in numbers:
            line = f"C{number:05},customer.{number}@example.com,Ann"
            file.write(f"{line},{filling}\n" if width else f"{line}\n")

    return path


def zstd_compressed(content: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression.zstd import compress  # noqa: PLC0415  # its home since 3.14
    else:
        from backports.zstd import compress  # noqa: PLC0415  # its home before

    return compress(content)
