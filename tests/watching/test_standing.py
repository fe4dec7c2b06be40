"""How a run stands, as `status` prints it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pipeline.watching.standing import print_standing

USUAL: dict[str, Any] = {
    "seconds": 4.0,
    "accepted": 1_000,
    "rejected": 0,
    "unknown": 0,
    "unprocessed": 500,
    "requests": 2,
    "retries": 0,
    "tokens": 1,
    "contacts_per_second": 250.0,
    "last_error": None,
}


def batch(contacts: int) -> dict[str, Any]:
    return {"batch": 1, "attempt": 1, "contacts": contacts, "dispatched_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("state", "batches", "told"),
    [
        ("running", [batch(500)], "  under way: 1 batch of 500 contacts"),
        ("running", [batch(500), batch(1)], "  under way: 2 batches of 501 contacts"),
        ("interrupted", [batch(1)], "  unknown once the run goes on: 1 batch of 1 contact"),
    ],
)
def test_batches_without_an_outcome(state: str, batches: list[dict[str, Any]], told: str) -> None:
    """They are counted, and said to be what they will be."""
    file = io.StringIO()
    found = USUAL | {"state": state, "unsettled": batches}
    print_standing(found, Console(file=file, width=80, _environ={}), config="spring.toml")
    assert file.getvalue().splitlines()[-1] == told
