"""Members: the verdict per contact that the answer of `async-events` holds.

    {"requestId": …, "count": 3, "notQueuedCount": 1,
     "members": [{"contactKey": …, "eventInstanceId": …}, …,
                 {"contactKey": …, "errorcode": "10005", "message": "…"}]}

The members stand in the order of the request, and only one that was not queued has an errorcode.
Names are read in any case and numbers as text too; but a contact is accepted only where everything
the answer says of it agrees. An answer that contradicts itself or the request leaves the whole
batch unknown: nobody could say which of its contacts were queued.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..errors import EndpointError
from .answers import clean_id, folded, passes, whole_number
from .reply import printable
from .verdict import Ambiguous, Fatal, Judged, Refused, Taken, TryLater

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .verdict import OneVerdict, Verdict

__all__ = ("read_members",)

_NO_CODE: Final = (None, "", 0, "0")
_TOO_MANY_JOURNEYS: Final = re.compile(r"interaction\s+count\s+limit", re.IGNORECASE)


def read_members(content: Any, keys: Sequence[str]) -> Verdict:
    """What a 2xx says of the contacts with `keys`, in their order."""
    answer = folded(content)
    listed = answer.get("members")
    if not isinstance(listed, list):
        return _contradicted("the answer holds no verdicts: it has no list of members")

    members = [folded(member) for member in listed]
    failed = [member.get("errorcode") not in _NO_CODE for member in members]
    if problem := _problem(answer, members, keys=keys, failed=sum(failed)):
        return _contradicted(problem)

    if all(map(_TOO_MANY_JOURNEYS.search, map(_text, members))):
        return _too_many_journeys(printable(_text(members[0])))

    request_id = clean_id(answer.get("requestid"))
    verdicts = tuple(
        _failure(member) if bad else Taken(event_instance_id=request_id)
        for member, bad in zip(members, failed, strict=True)
    )
    return _whole(verdicts)


def _problem(
    answer: dict[str, Any], members: list[dict[str, Any]], *, keys: Sequence[str], failed: int
) -> str | None:
    """Where the answer contradicts the request, or itself."""
    if len(members) != len(keys):
        return f"{len(keys)} contacts were sent, and the answer has verdicts for {len(members)}"

    for number, (member, key) in enumerate(zip(members, keys, strict=True), 1):
        said = member.get("contactkey")
        if not _same_key(said, key):
            return f"verdict {number} is of contact {printable(str(said), 60)}, not of {key}"

    count = whole_number(answer.get("count"))
    if count is not None and count != len(keys):
        return f"{len(keys)} contacts were sent, and the answer counts {count}"

    not_queued = whole_number(answer.get("notqueuedcount"))
    if not_queued is not None and not_queued != failed:
        return f"{failed} verdicts have an errorcode, and notQueuedCount says {not_queued}"

    return None


def _same_key(said: object, key: str) -> bool:
    # Marketing Cloud compares subscriber keys without their case, and may give them back trimmed.
    if isinstance(said, bool) or not isinstance(said, str | int):
        return False

    return str(said).strip().casefold() == key.strip().casefold()


def _failure(member: dict[str, Any]) -> Refused | TryLater:
    message, code = _text(member), printable(str(member["errorcode"]), 40)
    detail = f"errorcode {code}" + (f": {printable(message)}" if message else "")
    additional = member.get("additionalerrors")
    if passes(message, code=whole_number(member["errorcode"]), additional=additional):
        return TryLater(reason="passing_error", detail=detail, alone=True)

    return Refused(reason="not_queued", detail=detail, alike=f"not_queued {code}")


def _text(member: dict[str, Any]) -> str:
    message = member.get("message")
    return message if isinstance(message, str) else ""


def _whole(verdicts: tuple[OneVerdict, ...]) -> Verdict:
    """One verdict where it is the same for all, and no contact has to be singled out."""
    first = verdicts[0]
    alike = all(verdict == first for verdict in verdicts)
    if alike and (len(verdicts) == 1 or not isinstance(first, Refused)):
        return first

    return Judged(verdicts=verdicts)


def _too_many_journeys(detail: str) -> Fatal:
    return Fatal(
        error=EndpointError(
            f"Marketing Cloud queues nothing for this event ({detail}): no more than ten journeys "
            "may listen to it. Look at journey.event_definition_key"
        )
    )


def _contradicted(detail: str) -> Ambiguous:
    return Ambiguous(reason="verdicts_contradict", detail=detail)
