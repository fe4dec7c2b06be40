"""A batch in doubt: concluded from a status that cannot be otherwise, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.sending.inquiry import read_status
from pipeline.sending.verdict import Judged, Refused, Taken

ID = "0d52bd0b-5a4d-4d13-a0d7-2d4c5a3e8f01"


def item(key: str, kind: str = "processed", **more: Any) -> dict[str, Any]:
    return {"requestid": ID, "contactkey": key, "type": kind, **more}


def test_all_were_queued() -> None:
    """Queued and processed are the same here: the request was taken."""
    items = [item("b", "Queued"), item("a"), item("b")]
    assert read_status(items, ["a", "b", "b"], request_id=ID) == Taken(event_instance_id=ID)


def test_some_errored() -> None:
    """An error after queueing is the contact's own verdict, with its reason where one is told."""
    items = [item("a"), item("b", "errored", message="EmailAddress is none")]
    verdict = read_status(items, ["a", "b"], request_id=ID)
    assert isinstance(verdict, Judged)
    assert verdict.verdicts[0] == Taken(event_instance_id=ID)
    assert verdict.verdicts[1] == Refused(
        reason="errored",
        detail="errored after it was queued: EmailAddress is none",
        alike="errored",
    )


@pytest.mark.parametrize(
    "items",
    [
        [],
        [item("a")],
        [item("a"), item("b"), item("c")],
        [item("a"), item("a")],
        [item("a"), item("B")],
        [item("a"), item("b", "pending")],
        [item("a"), item("b", status="errored")],
        [item("a"), {**item("b"), "requestid": "another"}],
        [item("a"), {"contactkey": "b", "type": "queued"}],
        [item("a"), {}],
    ],
)
def test_anything_else_concludes_nothing(items: list[dict[str, Any]]) -> None:
    """Fewer or more contacts, another request, a word that is not known: the doubt remains."""
    assert read_status(items, ["a", "b"], request_id=ID) is None
