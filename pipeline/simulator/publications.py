"""What became of a journey's publications: the audit of its changes, and how publishing ended.

Recorded: the shapes of both, and that errors and warnings have the same one. Our choice: a journey
was created and then published; one that is `Draft` failed to be; one that is `Stopped` was stopped
after that; and the request that the audit names is the one whose status can be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from . import answers, definitions
from .answers import Answer, json_answer
from .routes import Route

if TYPE_CHECKING:
    from .journey import EventDefinition
    from .routes import Call

__all__ = ("answer_publication",)

_AT: Final = "2024-05-04T05:54:44.95"
_EMAIL: Final = {"activityKey": "EMAILV2-1", "activityType": "EMAILV2"}
_ERROR: Final = {
    "errorDetail": "The email specified for the job did not pass validation.",
    "errorCode": "121008",
    "errorType": "Error",
    "additionalInfo": _EMAIL,
}
_WARNING: Final = {
    "errorDetail": "Last modified date for email activity is more than 6 months ago.",
    "errorCode": "121546",
    "errorType": "Warning",
    "additionalInfo": _EMAIL,
}


def answer_publication(definition: EventDefinition, call: Call) -> Answer:
    """The audit of a journey by its id, or the status of a publication by its own."""
    for number in range(1, max(1, definition.published_journeys) + 1):
        name = definitions.journey_name(definition, number)
        told = definitions.interaction(definition, name)
        if call.route is Route.AUDIT and call.argument.lower() == told["id"]:
            there = call.query.get("versionNumber", "1") == "1"
            items = _audit(told) if there else []
            paged = {"count": len(items), "page": 1, "pageSize": 50, "links": {}}
            return json_answer(200, {**paged, "items": items})

        if call.route is Route.PUBLISH_STATUS and call.argument.lower() == _request(told["id"]):
            errors = [_ERROR] if told["status"] == "Draft" else []
            ended = {"status": _status(told), "errors": errors, "warnings": [_WARNING]}
            return json_answer(200, ended)

    return answers.NOT_FOUND


def _status(told: dict[str, Any]) -> str:
    return "Error" if told["status"] == "Draft" else "PublishCompleted"


def _request(journey_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"simulator/publication/{journey_id}"))


def _audit(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The newest change first."""
    stopped = ["Stop"] if told["status"] == "Stopped" else []
    return [_change(told, action) for action in (*stopped, "Publish", "Create")]


def _change(told: dict[str, Any], action: str) -> dict[str, Any]:
    published = {"publishStatus": _status(told), "publishRequestId": _request(told["id"])}
    return {
        "id": told["id"],
        "action": action,
        "user": {"name": "Rehearsal", "userId": 700301950},
        "timeStamp": _AT,
        "key": told["key"],
        "versionNumber": told["version"],
        "originalDefinitionId": told["definitionId"],
        "name": told["name"],
        "description": told["description"],
        **({} if action == "Stop" else {"executionMode": "Production"}),
        **(published if action == "Publish" else {}),
    }
