"""journey-pipeline as a user runs it, its pace lifted: `python -m pipeline run CONFIG --json`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("command", "config")


def command(text: str, *, scratch: Path) -> list[str]:
    """Write the config `text` into `scratch` and return the command that runs it."""
    path = scratch / "benchmark.toml"
    path.write_text(text, encoding="utf-8")
    return [sys.executable, "-m", "pipeline", "run", str(path), "--json"]


def config(
    *,
    source: str,
    url: str,
    in_flight: int,
    directory: Path,
    requests_per_second: float = 1e6,
    check_fields: bool = False,
) -> str:
    """The config of a bulk run; JSON strings are TOML strings."""
    return f"""\
[account]
auth = "v1"
auth_url = "{url}"
rest_url = "{url}"
client_id = "benchmark"
client_secret = "benchmark"

[journey]
event_definition_key = "APIEvent-benchmark"
endpoint = "batchcontactevents"
check_fields = {json.dumps(check_fields)}

[source]
url = {json.dumps(source)}

[mapping]
contact_key = "customer_id"

[delivery]
max_in_flight = {in_flight}
requests_per_second = {requests_per_second}

[run]
directory = {json.dumps(str(directory))}
"""
