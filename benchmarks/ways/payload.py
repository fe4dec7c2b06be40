"""What the baselines have in common: the request, and batches read with csv.DictReader."""

from __future__ import annotations

import csv
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("HEADERS", "RECORDS", "arguments", "batches", "endpoint", "payload")

RECORDS = 500
HEADERS = {"Authorization": "Bearer benchmarktoken0123456789"}


def endpoint(url: str) -> str:
    """Where batches go."""
    return f"{url}/interaction-experimental/v1/batchcontactevents"


def payload(rows: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The body of one request, to be made JSON; like ours, it leaves empty cells out."""
    return {
        "EventDefinitionKey": "APIEvent-benchmark",
        "BatchId": "",
        "RecordCount": len(rows),
        "BatchDetails": [
            {
                "ContactKey": row["customer_id"],
                "Data": {name: value for name, value in row.items() if value},
            }
            for row in rows
        ],
    }


def batches(path: str) -> Iterator[list[dict[str, str]]]:
    """The file's rows in lists of 500."""
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123  # as people write it
        rows = csv.DictReader(file)

        while batch := list(islice(rows, RECORDS)):
            yield batch


def arguments() -> tuple[str, str, int]:
    """The file, the server's URL, and how many requests may be under way."""
    path, url, in_flight = sys.argv[1:]
    return path, url, int(in_flight)
