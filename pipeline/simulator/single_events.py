"""POST /interaction/v1/events, one contact a request, decided without a socket.

Documented: 201 with an `eventInstanceId`; every field of the call is held against the event's data
extension, and what breaks it is refused; 400 for an unknown key and for a contact that is not
active (here: a poisoned one). Names are taken in any case, as a vendor's connector sends them. The
bodies of its errors were not seen: ours are the general REST ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .answers import Answer, json_answer, refusal
from .batch_events import MISSING, UNKNOWN_DEFINITION, Poison, read_payload
from .journey import Names

if TYPE_CHECKING:
    from .batch_events import BatchRules
    from .fields import Flaw
    from .journey import Journey

__all__ = ("SingleEvents",)

_NAMES: Final = Names(listed=None)
_SPELT: Final = {name.lower(): name for name in ("ContactKey", "EventDefinitionKey", "Data")}


class SingleEvents:
    """Takes one contact, or refuses it."""

    def __init__(self, rules: BatchRules, journey: Journey) -> None:
        self._rules = rules
        self._journey = journey
        self._poison = Poison(rules)

    def answer(self, content_type: str, body: bytes, *, instance_id: str, now: float) -> Answer:
        """Take the contact in `body`, or say why not."""
        payload = read_payload(content_type, body, max_bytes=self._rules.max_bytes)
        if isinstance(payload, Answer):
            return payload

        if not isinstance(payload, dict):
            return refusal(400, 10001, message="The body must be a JSON object")

        contact: dict[str, Any] = {
            _SPELT.get(name.lower()) or name: each for name, each in payload.items()
        }
        if refused := self._refused(contact):
            return refused

        self._journey.take([contact], body, names=_NAMES, now=now)
        return self.accepted(instance_id)

    def accepted(self, instance_id: str) -> Answer:
        """The 201."""
        return json_answer(201, {"eventInstanceId": instance_id})

    def _refused(self, contact: dict[str, Any]) -> Answer | None:
        for name in ("ContactKey", "EventDefinitionKey"):
            if not contact.get(name):
                return refusal(400, 10002, message=MISSING.format(name))

        if contact["EventDefinitionKey"] not in self._journey.definition.keys:
            return UNKNOWN_DEFINITION

        if contact["ContactKey"] in self._poison:
            return refusal(400, 10005, message="The contact is not active")

        flaw = self._journey.broken(contact, _NAMES)
        return None if flaw is None else _invalid(flaw)


def _invalid(flaw: Flaw) -> Answer:
    place = f" (field {flaw.field})" if flaw.field else ""
    return refusal(
        400,
        10006,
        message="Data Validation or Conversion Error",
        extra={"additionalErrors": [{"message": f"{flaw.cause}{place}"}]},
    )
