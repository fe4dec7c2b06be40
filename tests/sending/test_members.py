"""Verdicts per contact: read leniently, believed only where everything in the answer agrees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import EndpointError
from pipeline.sending.members import read_members
from pipeline.sending.verdict import (
    Ambiguous,
    Fatal,
    Judged,
    Refused,
    Taken,
    TryLater,
    Verdict,
    by_verdict,
)

REQUEST = "0d52bd0b-5a4d-4d13-a0d7-2d4c5a3e8f01"
TAKEN = Taken(event_instance_id=REQUEST)
BAD = {"errorcode": "10005", "message": "EmailAddress is none"}
BUSY = {"errorcode": "10006", "message": "Unable to save rows for data extension ID 7"}
DEADLOCK = {"errorcode": "30000", "message": "Deadlock victim. Rerun the transaction."}


def answer(*errors: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    """The answer to contacts k1, k2, …: what is said of each besides its key, None for taken."""
    members = [
        {"contactKey": f"k{number}", "eventInstanceId": f"e{number}", **(error or {})}
        for number, error in enumerate(errors, 1)
    ]
    return {
        "requestId": REQUEST,
        "count": len(errors),
        "notQueuedCount": len([error for error in errors if error]),
        "members": members,
        **changes,
    }


def read(content: Any, contacts: int) -> Verdict:
    return read_members(content, [f"k{number}" for number in range(1, contacts + 1)])


def contradiction(content: Any, contacts: int) -> str:
    verdict = read(content, contacts)
    assert isinstance(verdict, Ambiguous)
    assert verdict.reason == "verdicts_contradict"
    return verdict.detail


def test_all_were_queued() -> None:
    """No contact has an errorcode: the batch is taken, under the request's id."""
    assert read(answer(None, None, None), 3) == TAKEN


def test_each_contact_has_its_own_verdict() -> None:
    """In the order of the request; a passing error is no refusal."""
    verdict = read(answer(None, BAD, BUSY, DEADLOCK), 4)
    assert isinstance(verdict, Judged)
    taken, refused, busy, deadlock = verdict.verdicts
    assert taken == TAKEN
    assert refused == Refused(
        reason="not_queued",
        detail="errorcode 10005: EmailAddress is none",
        alike="not_queued 10005",
    )
    assert isinstance(busy, TryLater)
    assert isinstance(deadlock, TryLater)
    assert busy.reason == "passing_error"
    assert not busy.holds_all


def test_a_10006_that_names_its_reasons_does_not_pass() -> None:
    """With additionalErrors it is about the contact."""
    verdict = read(answer(None, {**BUSY, "additionalErrors": [{"message": "too long"}]}), 2)
    assert isinstance(verdict, Judged)
    assert isinstance(verdict.verdicts[1], Refused)


def test_one_verdict_for_all() -> None:
    """What is said alike of every contact is said of the batch, unless it refuses them."""
    assert isinstance(read(answer(BUSY, BUSY), 2), TryLater)
    assert isinstance(read(answer(BAD, BAD), 2), Judged)
    assert isinstance(read(answer(BAD), 1), Refused)


def test_too_many_journeys_halt() -> None:
    """An error of the batch, repeated for every contact, is not the contacts' fault."""
    limit = {"errorcode": "10000", "message": "Interaction Count Limit Exceeded"}
    verdict = read(answer(limit, limit), 2)
    assert isinstance(verdict, Fatal)
    assert isinstance(verdict.error, EndpointError)
    assert "journey.event_definition_key" in str(verdict.error)
    mixed = read(answer(None, limit), 2)
    assert isinstance(mixed, Judged)
    assert isinstance(mixed.verdicts[1], Refused)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (answer(None, None), "3 contacts were sent, and the answer has verdicts for 2"),
        (answer(None, None, None, None), "3 contacts were sent, and the answer has verdicts for 4"),
        (answer(None, None, None, count=2), "3 contacts were sent, and the answer counts 2"),
        (answer(None, BAD, None, notQueuedCount=0), "1 verdicts have an errorcode"),
        (answer(None, None, None, notQueuedCount="1"), "notQueuedCount says 1"),
        ({**answer(None, None, None), "members": None}, "no list of members"),
        ({"message": "Accepted"}, "no list of members"),
        ("0d52bd0b", "no list of members"),
        (None, "no list of members"),
        (
            answer(None, {"contactKey": "k3"}, {"contactKey": "k2"}, notQueuedCount=0),
            "verdict 2 is of contact k3, not of k2",
        ),
        (answer(None, {"contactKey": None}, None, notQueuedCount=0), "verdict 2 is of contact"),
        ({**answer(None), "members": ["k1", "k2", "k3"]}, "verdict 1 is of contact"),
    ],
)
def test_a_contradiction_is_believed_in_nothing(content: Any, told: str) -> None:
    """Length, order or count that do not fit leave every contact unknown, and say why."""
    assert told in contradiction(content, 3)


def test_read_leniently() -> None:
    """Names in any case, numbers as text, keys as Marketing Cloud may give them back."""
    content = {
        "REQUESTID": REQUEST,
        "Count": "2",
        "Members": [
            {"ContactKey": " K1 ", "ErrorCode": 0, "Message": ""},
            {"CONTACTKEY": "k2", "errorCode": None},
        ],
    }
    assert read(content, 2) == TAKEN
    assert read_members({"members": [{"contactKey": 17}]}, ["17"]) == Taken()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["k1", "k2"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["members", "contactKey", "errorcode", "message", "count", "x"]), inner
        )
    ),
)


@given(content=JSON, contacts=st.integers(1, 3))
def test_nothing_raises_or_is_taken_by_chance(content: Any, contacts: int) -> None:
    """Whatever comes has a meaning; a verdict stands for every contact or for the whole."""
    verdict = read(content, contacts)
    if isinstance(verdict, Judged):
        assert len(verdict.verdicts) == contacts
        indices = sorted(index for _, group in by_verdict(verdict) for index in group)
        assert indices == list(range(contacts))

    if isinstance(verdict, Taken):
        assert len(content["members"]) == contacts
