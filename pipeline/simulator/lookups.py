"""The routes that tell of the event, its data extension, its journeys, and who is in them.

Recorded or documented: the shapes, that the list of journeys comes in pages of fifty at most and
in its newest versions alone unless asked, that memberships are asked for in fifties and know
journeys that run or pause. Our choice: a list tells triggers when `extras` are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from . import answers, definitions
from .answers import Answer, json_answer, refusal
from .discovery import answer_discovery
from .publications import answer_publication
from .routes import Route
from .rowset_routes import answer_rowset

if TYPE_CHECKING:
    from .journey import EventDefinition, Journey
    from .routes import Call

__all__ = ("answer_lookup",)

_MEMBERSHIPS: Final = 50
_PAGE: Final = 50


def answer_lookup(journey: Journey, call: Call) -> Answer:
    """Answer one of the routes that change nothing."""
    match call.route:
        case Route.EVENT_DEFINITION:
            return _event_definition(journey.definition, call.argument)
        case Route.EVENT_DEFINITIONS | Route.EVENT_DEFINITION_BY_ID:
            return _event_definitions(journey.definition, call)
        case Route.MEMBERSHIP:
            return _memberships(journey, call.body)
        case Route.FIELDS | Route.DATA_EXTENSION | Route.ROWSET | Route.ROWSET_PAGE:
            return _data(journey, call)
        case Route.DISCOVERY:
            return answer_discovery(call)
        case _:
            return _journeys(journey, call)


def _journeys(journey: Journey, call: Call) -> Answer:
    """What is told of the journeys themselves."""
    match call.route:
        case Route.INTERACTION:
            return json_answer(200, definitions.interaction(journey.definition, call.argument))
        case Route.INTERACTION_VERSIONS:
            return _versions(journey.definition, call)
        case Route.AUDIT | Route.PUBLISH_STATUS:
            return answer_publication(journey.definition, call)
        case Route.INTERACTION_BY_ID:
            return _interaction(journey, call)
        case _:
            return _interactions(journey, call)


def _event_definition(definition: EventDefinition, key: str) -> Answer:
    if key not in definition.keys:
        return refusal(404, 30003, message="The event definition key was not found.")

    return json_answer(200, definitions.event_definition(definition, key))


def _event_definitions(definition: EventDefinition, call: Call) -> Answer:
    """All of them, page by page, or the one of an id."""
    found = [definitions.event_definition(definition, key) for key in definition.keys]
    if call.route is Route.EVENT_DEFINITION_BY_ID:
        wanted = call.argument.lower()
        return next(
            (json_answer(200, one) for one in found if one["id"] == wanted), answers.NOT_FOUND
        )

    name = call.query.get("name", "").lower()
    named = [one for one in found if name in one["name"].lower()]
    return json_answer(200, _paged(named, call))


def _paged(items: list[dict[str, Any]], call: Call) -> dict[str, Any]:
    page = max(1, int(call.query.get("$page") or 1))
    size = min(_PAGE, max(1, int(call.query.get("$pageSize") or _PAGE)))
    shown = items[(page - 1) * size : page * size]
    return {"count": len(items), "page": page, "pageSize": size, "links": {}, "items": shown}


def _versions(definition: EventDefinition, call: Call) -> Answer:
    """The versions of a journey: one, which has its status."""
    if call.query.get("AllVersions", "").lower() != "true":
        return refusal(400, 10002, message="Required parameter is missing: AllVersions")

    told = definitions.interaction(definition, call.argument)
    version = {"id": told["id"], "status": told["status"], "versionNumber": told["version"]}
    return json_answer(200, [version])


def _data(journey: Journey, call: Call) -> Answer:
    """What is told of the data extension."""
    if call.route in {Route.ROWSET, Route.ROWSET_PAGE}:
        return answer_rowset(journey, call)

    definition = journey.definition
    mine = call.argument.lower() in {
        definitions.data_extension_id(definition),
        definitions.data_extension_key(definition).lower(),
    }
    match call.route:
        case Route.FIELDS if mine:
            return json_answer(200, definitions.fields_of(definition))
        case Route.DATA_EXTENSION if mine:
            return json_answer(200, definitions.data_extension(definition))
        case _:
            return answers.NOT_FOUND


def _told(journey: Journey, number: int, *, extras: str) -> dict[str, Any]:
    """The nth journey behind the event; `extras` as asked for."""
    definition = journey.definition
    name = definitions.journey_name(definition, number)
    told = definitions.interaction(definition, name)
    wanted = {one.strip() for one in extras.split(",")}
    if wanted & {"stats", "all"}:
        inside = journey.ledger.totals()["entered"] + len(journey.inside)
        told["stats"] = {
            "currentPopulation": inside,
            "cumulativePopulation": inside,
            "metGoal": 0,
            "metExitCriteria": 0,
            "goalPerformance": 0.0,
        }

    return told


def _interactions(journey: Journey, call: Call) -> Answer:
    extras = call.query.get("extras", "")
    items = [
        _told(journey, number, extras=extras)
        for number in range(1, max(1, journey.definition.published_journeys) + 1)
    ]
    if not extras:
        for item in items:
            for name in ("triggers", "activities"):
                item.pop(name)

    return json_answer(200, _paged(items, call))


def _interaction(journey: Journey, call: Call) -> Answer:
    extras = call.query.get("extras", "")
    for number in range(1, max(1, journey.definition.published_journeys) + 1):
        told = _told(journey, number, extras=extras)
        if call.argument.lower() == told["id"]:
            return json_answer(200, told)

    return answers.NOT_FOUND


def _memberships(journey: Journey, body: bytes) -> Answer:
    try:
        keys = [str(key) for key in orjson.loads(body)["ContactKeyList"]]
    except (ValueError, TypeError, KeyError):
        return refusal(400, 10002, message="Required parameter is missing: ContactKeyList")

    if len(keys) > _MEMBERSHIPS:
        return refusal(400, 10005, message=f"ContactKeyList holds more than {_MEMBERSHIPS} keys")

    definition = journey.definition
    name = definitions.journey_name(definition, 1)
    inside = [key for key in keys if definition.runs_or_pauses and journey.has(key)]
    memberships = [{"contactKey": key, "definitionKey": name, "Version": 1} for key in inside]
    missing = [key for key in keys if key not in set(inside)]
    content = {"results": {"contactMemberships": memberships, "contactsNotFound": missing}}
    return json_answer(200, content)
