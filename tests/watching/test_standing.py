"""How a run stands, as `status` prints it."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from pipeline.sending.limits import Limit, Standing
from pipeline.watching.standing import pace_lines, print_standing

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


STANDING = Standing(
    limit=Limit.RATE,
    since=datetime(2026, 11, 23, 16, 43, 12, tzinfo=UTC),
    until=None,
    in_flight=3,
    max_in_flight=16,
    most_in_flight=16,
    requests_per_second=10.0,
    asked_per_second=10.0,
    contacts_per_hour=None,
)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {},
            [
                "limit: rate, since 2026-11-23T16:43:12.000Z",
                "pace: 10 requests a second, 3 in flight of 16",
            ],
        ),
        (
            {
                "limit": Limit.HOLD,
                "until": datetime(2026, 11, 23, 16, 44, tzinfo=UTC),
                "requests_per_second": 7.25,
                "contacts_per_hour": 2e6,
                "max_in_flight": 12,
            },
            [
                "limit: hold, since 2026-11-23T16:43:12.000Z, until 2026-11-23T16:44:00.000Z",
                (
                    "pace: 7.25 requests a second (10 are asked; Marketing Cloud throttles), "
                    "2,000,000 contacts an hour, 3 in flight of 12 (at most 16)"
                ),
            ],
        ),
        (
            {"limit": Limit.PAUSED, "requests_per_second": None, "asked_per_second": None},
            [
                "limit: paused, since 2026-11-23T16:43:12.000Z",
                "pace: any number of requests a second, 3 in flight of 16",
                "to go on: journey-pipeline resume 'my run.toml'",
            ],
        ),
    ],
)
def test_the_pace_of_a_run_that_is_going_on(changes: dict[str, Any], told: list[str]) -> None:
    """What limits it and since when; what it lets through, and what is asked if that is more."""
    assert pace_lines(replace(STANDING, **changes), config="my run.toml") == told


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
    print_standing(
        found, Console(file=file, width=80, _environ={}), live=None, config="spring.toml"
    )
    assert file.getvalue().splitlines()[-1] == told
