"""POST /interaction/v1/async/events and its status route, decided without a socket.

Documented: the request, at most a hundred members, an answer that has a member for each in the
order of the request, an `errorcode` only where one was not queued, `notQueuedCount`, and the
parameters of the status route. Not documented, and so our choice: the status 202, the errorcodes
of members (10002 without a contact key, 10005 for a poisoned one), the fields of a status item.

What breaks an event's fields is not told by the answer: it is queued, and *errored* afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from .answers import Answer, json_answer, refusal
from .batch_events import MISSING, UNKNOWN_DEFINITION, Poison, read_payload
from .journey import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .batch_events import BatchRules
    from .fields import Flaw
    from .journey import Journey

    Errors = dict[int, tuple[int, str]]

__all__ = ("AsyncEvents",)

_NAMES: Final = Names(key="contactKey", data="data", listed="members")
_REFUSED: Final = (10005, "A value of the member is not valid")
_ASKING: Final = ("requestId", "contactKey", "eventInstanceId", "eventDefinitionKey", "type")


@dataclass(slots=True, kw_only=True)
class _Request:
    """What was queued together. `seed` and a member's index make its event instance."""

    at: float
    request_id: str
    definition: str
    keys: Sequence[str | None]  # in the members' order, None for one that was not queued
    errored: dict[int, str] = field(default_factory=dict)


class AsyncEvents:
    """Queues members, says of each whether it was, and tells of them later."""

    def __init__(self, rules: BatchRules, journey: Journey, *, guid: Callable[[], str]) -> None:
        self._rules = rules
        self._journey = journey
        self._poison = Poison(rules)
        self._guid = guid
        self._requests: list[_Request] = []

    def answer(
        self,
        content_type: str,
        body: bytes,
        *,
        now: float,
        trouble: Callable[[int], Errors] | None = None,
    ) -> Answer:
        """Queue the members of `body`; `trouble` picks some of so many that are not queued."""
        payload = read_payload(content_type, body, max_bytes=self._rules.max_bytes)
        if isinstance(payload, Answer):
            return payload

        if refused := self._refused(payload):
            return refused

        members = payload["members"]
        errors = (trouble(len(members)) if trouble else {}) | self._errors(members)
        return self._queued(payload, errors, now=now)

    def accepted(self, body: bytes) -> Answer:
        """What would be said if all were queued, and nothing is."""
        try:
            members = orjson.loads(body)["members"]
            return json_answer(202, _told(self._guid(), members, errors={}))
        except (ValueError, TypeError, KeyError, AttributeError):
            return json_answer(202, _told(self._guid(), [], errors={}))

    def forget(self) -> None:
        """Begin with an empty book."""
        self._requests.clear()

    def _refused(self, payload: Any) -> Answer | None:
        if not isinstance(payload, dict):
            return refusal(400, 10001, message="The body must be a JSON object")

        for name in ("eventDefinitionKey", "members"):
            if not payload.get(name):
                return refusal(400, 10002, message=MISSING.format(name))

        members = payload["members"]
        if not isinstance(members, list) or set(map(type, members)) != {dict}:
            return refusal(400, 10001, message="members must be an array of objects")

        if len(members) > self._rules.max_members:
            most = self._rules.max_members
            return refusal(400, 10005, message=f"members holds more than {most} elements")

        known = payload["eventDefinitionKey"] in self._journey.definition.keys
        return None if known else UNKNOWN_DEFINITION

    def _errors(self, members: list[dict[str, Any]]) -> Errors:
        errors: Errors = {}
        for index, member in enumerate(members):
            if not member.get("contactKey"):
                errors[index] = (10002, MISSING.format("contactKey"))
            elif self._poison and member["contactKey"] in self._poison:
                errors[index] = _REFUSED

        return errors

    def _queued(self, payload: dict[str, Any], errors: Errors, *, now: float) -> Answer:
        members = payload["members"]
        places = [index for index in range(len(members)) if index not in errors]
        queued = [members[index] for index in places]
        flaws: list[Flaw | None] = []
        if queued:
            body = orjson.dumps({"members": queued}) if self._journey.ledger.keep_data else b""
            flaws = self._journey.take(queued, body, names=_NAMES, now=now)

        request_id = self._guid()
        self._requests.append(
            _Request(
                at=now,
                request_id=request_id,
                definition=payload["eventDefinitionKey"],
                keys=[
                    None if index in errors else str(member["contactKey"])
                    for index, member in enumerate(members)
                ],
                errored={
                    index: flaw.cause
                    for index, flaw in zip(places, flaws, strict=False)  # no flaws: all enter
                    if flaw is not None and flaw.field
                },
            )
        )
        return json_answer(202, _told(request_id, members, errors=errors))

    def status(self, query: Mapping[str, str], *, now: float) -> Answer:
        """GET the status of what was queued, the newest first."""
        wanted = {name: query[name] for name in _ASKING if query.get(name)}
        if not wanted:
            message = f"At least one of these is required: {', '.join(_ASKING)}"
            return refusal(400, 10002, message=message)

        try:
            page = max(1, int(query.get("$page") or 1))
            size = max(1, int(query.get("$pageSize") or 50))
            start, end = _time(query.get("startDate")), _time(query.get("endDate"))
        except ValueError:
            return refusal(400, 10003, message="A date or a page is not in its format")

        items = [
            item
            for request in reversed(self._requests)
            if (start is None or request.at >= start) and (end is None or request.at <= end)
            for item in _items(request, wanted, delay=self._rules.queue_seconds, now=now)
        ]
        shown = list(islice(items, (page - 1) * size, page * size))
        content = {"page": page, "pageSize": size, "count": len(items), "items": shown}
        return json_answer(200, content)


def _told(request_id: str, members: list[Any], *, errors: Errors) -> dict[str, Any]:
    return {
        "requestId": request_id,
        "count": len(members),
        "notQueuedCount": len(errors),
        "members": [
            {
                "contactKey": member.get("contactKey"),
                "eventInstanceId": _instance(request_id, index),
                **_error(errors.get(index)),
            }
            for index, member in enumerate(members)
        ],
    }


def _error(error: tuple[int, str] | None) -> dict[str, str]:
    return {} if error is None else {"errorcode": str(error[0]), "message": error[1]}


def _instance(request_id: str, index: int) -> str:
    """A GUID for each member that need not be kept."""
    return str(UUID(int=(UUID(request_id).int + index + 1) % 2**128))


def _items(
    request: _Request, wanted: Mapping[str, str], *, delay: float, now: float
) -> Iterator[dict[str, Any]]:
    for index, key in enumerate(request.keys):
        if key is None:
            continue

        state = "errored" if index in request.errored else "processed"
        item = {
            "requestId": request.request_id,
            "eventInstanceId": _instance(request.request_id, index),
            "contactKey": key,
            "eventDefinitionKey": request.definition,
            "type": "queued" if now < request.at + delay else state,
        }
        if all(item[name].lower() == value.lower() for name, value in wanted.items()):
            moment = datetime.fromtimestamp(request.at, UTC).isoformat(timespec="milliseconds")
            message = request.errored.get(index)
            yield {**item, "modifiedDate": moment, **({"message": message} if message else {})}


def _time(text: str | None) -> float | None:
    if not text:
        return None

    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
