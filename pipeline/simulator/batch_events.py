"""POST /interaction-experimental/v1/batchcontactevents, decided without a socket.

No error body of this endpoint was ever recorded, and none of its rules is documented. Our reading:
the general REST errors of Marketing Cloud, in this order: endpoint switched off (404), token
(401), permission (403, seen live to come before the body is looked at), content type (415), size
(413), JSON (400, 10004), missing parameters (400, 10002), types (400, 10001), too many contacts
(400, 10005), event definition (400, 30003). A `RecordCount` that does not match is accepted and
counted. A contact may be poison: a rehearsal's way to have its whole batch refused (400, 10005).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..errors import ConfigError
from .answers import Answer, json_answer, of_status, refusal

if TYPE_CHECKING:
    from .journey import Journey

__all__ = (
    "MISSING",
    "UNKNOWN_DEFINITION",
    "AnswerForm",
    "BatchEvents",
    "BatchRules",
    "Poison",
    "read_payload",
)


class AnswerForm(StrEnum):
    """How the instance id travels: all three have been seen, on this route or a sibling."""

    OBJECT = "object"  # {"eventInstanceId": "…"}
    STRING = "string"  # "…"
    DOUBLE = "double"  # "{\"eventInstanceId\": \"…\"}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRules:
    """What the endpoint takes, and how it answers."""

    max_records: int = 500
    max_members: int = 100
    """The same, of `async/events`; documented."""
    max_bytes: int = 5_900_000
    """Community's figure for the data routes; none is known for this one."""
    queue_seconds: float = 0.0
    """How long `async/events` says *queued* of what it took."""
    answer_form: AnswerForm = AnswerForm.OBJECT
    poison_keys: frozenset[str] = frozenset()
    poison_pattern: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.poison_pattern or "")
        except re.error as error:
            raise ConfigError(
                f"poison pattern {self.poison_pattern!r} is no regular expression: {error}"
            ) from None


MISSING: Final = "Required parameter is missing: {}"
UNKNOWN_DEFINITION: Final = refusal(400, 30003, message="The event definition key was not found.")
UNREADABLE: Final = refusal(400, 10004, message="Unable to parse JSON: it is malformed")


class Poison:
    """The contacts that a rehearsal has refused."""

    def __init__(self, rules: BatchRules) -> None:
        self._keys = rules.poison_keys
        self._pattern = re.compile(rules.poison_pattern) if rules.poison_pattern else None

    def __contains__(self, key: object) -> bool:
        text = str(key)
        return text in self._keys or bool(self._pattern and self._pattern.search(text))

    def __bool__(self) -> bool:
        return bool(self._keys or self._pattern)


def read_payload(content_type: str, body: bytes, *, max_bytes: int) -> Any | Answer:
    """The JSON of a request, or the answer to one that holds none."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        return of_status(415)

    if len(body) > max_bytes:
        return of_status(413)

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return UNREADABLE


class BatchEvents:
    """Takes batches of contacts, or refuses them."""

    def __init__(self, rules: BatchRules, journey: Journey) -> None:
        self.rules = rules
        self.count_mismatches = 0
        self._journey = journey
        self._poison = Poison(rules)

    def answer(self, content_type: str, body: bytes, *, instance_id: str, now: float) -> Answer:
        """Take the batch in `body`, or say why not. Who may ask was settled before."""
        payload = read_payload(content_type, body, max_bytes=self.rules.max_bytes)
        if isinstance(payload, Answer):
            return payload

        if refused := self._refused(payload):
            return refused

        contacts = payload["BatchDetails"]
        self.count_mismatches += payload.get("RecordCount") != len(contacts)
        self._journey.take(contacts, body, now=now)
        return self.accepted(instance_id)

    def accepted(self, instance_id: str) -> Answer:
        """The 201: received, which is not entered."""
        content = {"eventInstanceId": instance_id}
        match self.rules.answer_form:
            case AnswerForm.OBJECT:
                return json_answer(201, content)
            case AnswerForm.STRING:
                return json_answer(201, instance_id)
            case AnswerForm.DOUBLE:
                return json_answer(201, orjson.dumps(content).decode())

    def _refused(self, payload: Any) -> Answer | None:
        if not isinstance(payload, dict):
            return refusal(400, 10001, message="The body must be a JSON object")

        for name in ("EventDefinitionKey", "BatchDetails"):
            if not payload.get(name):
                return refusal(400, 10002, message=MISSING.format(name))

        key, contacts = payload["EventDefinitionKey"], payload["BatchDetails"]
        if not isinstance(contacts, list) or set(map(type, contacts)) != {dict}:
            return refusal(400, 10001, message="BatchDetails must be an array of objects")

        if len(contacts) > self.rules.max_records:
            most = self.rules.max_records
            return refusal(400, 10005, message=f"BatchDetails holds more than {most} records")

        if key not in self._journey.definition.keys:
            return UNKNOWN_DEFINITION

        return self._poisoned(contacts)

    def _poisoned(self, contacts: list[dict[str, Any]]) -> Answer | None:
        if self._poison and any(contact.get("ContactKey") in self._poison for contact in contacts):
            return refusal(400, 10005, message="A value in BatchDetails is not valid")

        return None
