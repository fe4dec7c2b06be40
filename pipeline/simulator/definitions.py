"""What the lookup routes tell of the event definition, its fields and its journey, as recorded.

The two routes that list fields spell them differently, and so does the simulator: the event's
schema says `dataType`, `Email` and a `maxLength` in quotes that may be empty; the data
extension's route says `type`, `EmailAddress` and a `length` that is a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import NAMESPACE_URL, uuid5

from .fields import FieldType

if TYPE_CHECKING:
    from .fields import Field
    from .journey import EventDefinition

__all__ = (
    "activity_id",
    "data_extension",
    "data_extension_id",
    "data_extension_key",
    "event_definition",
    "fields_of",
    "interaction",
    "journey_id",
    "journey_name",
)

_DATE: Final = "2024-05-04T05:54:44.95"
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"


def _id(kind: str, name: str) -> str:
    """A GUID that is the same in every run."""
    return str(uuid5(NAMESPACE_URL, f"simulator/{kind}/{name}"))


def data_extension_id(definition: EventDefinition) -> str:
    """The id of the event's data extension."""
    return _id("data-extension", definition.keys[0])


def data_extension_key(definition: EventDefinition) -> str:
    """Its external key."""
    return _id("data-extension-key", definition.keys[0]).upper()


def data_extension(definition: EventDefinition) -> dict[str, Any]:
    """GET /data/v1/customObjects/{id}."""
    return {
        "id": data_extension_id(definition),
        "key": data_extension_key(definition),
        "name": f"{definition.keys[0]} - rehearsal",
    }


def journey_name(definition: EventDefinition, number: int) -> str:
    """The name, which is the key as well, of the nth journey that listens to the event."""
    return f"Rehearsal of {definition.keys[0]}" + (f" {number}" if number > 1 else "")


def journey_id(name: str) -> str:
    """The id of a journey."""
    return _id("journey", name)


def activity_id(journey: str, kind: str) -> str:
    """The id of a journey's activity."""
    return _id("activity", f"{journey}/{kind}")


def event_definition(definition: EventDefinition, key: str) -> dict[str, Any]:
    """GET /interaction/v1/eventDefinitions/key:{key}. `schema` only where it is to be shown."""
    answer = _recorded(definition, key)
    if definition.schema_shown and definition.fields is not None:
        answer["schema"] = {
            "id": answer["dataExtensionId"],
            "name": answer["dataExtensionName"],
            "fields": [_in_schema(field) for field in definition.fields.fields],
            "isPlatformObject": False,
        }

    return answer


def _recorded(definition: EventDefinition, key: str) -> dict[str, Any]:
    extension = data_extension_id(definition)
    return {
        "id": _id("event", key),
        "type": "APIEvent",
        "name": key,
        "description": "",
        "createdDate": _DATE,
        "createdBy": 700301950,
        "modifiedDate": _DATE,
        "modifiedBy": 700301950,
        "mode": "Production",
        "eventDefinitionKey": key,
        "dataExtensionId": extension,
        "dataExtensionName": f"{key} - rehearsal",
        "sourceApplicationExtensionId": _id("application", "api-event"),
        "filterDefinitionId": _NO_ID,
        "filterDefinitionTemplate": "",
        "iconUrl": "/images/icon_journeyBuilder-event-api-blue.svg",
        "arguments": {
            "serializedObjectType": 11,
            "eventDefinitionKey": key,
            "dataExtensionId": extension,
            "criteria": "",
            "useHighWatermark": False,
        },
        "metaData": {"scheduleState": "No Schedule", "criteriaDescription": ""},
        "interactionCount": max(1, definition.published_journeys),
        "publishedInteractionCount": definition.published_journeys,
        "isVisibleInPicker": True,
        "isPlatformObject": False,
        "category": "Event",
        "automationId": _NO_ID,
        "disableDEDataLogging": False,
    }


def _in_schema(field: Field) -> dict[str, Any]:
    sized = field.type in {FieldType.TEXT, FieldType.DECIMAL} and field.length is not None
    return {
        "name": field.name,
        "dataType": "Email" if field.type is FieldType.EMAIL else field.type.value,
        "maxLength": str(field.length) if sized else "",
        "isNullable": not field.required,
        "isPrimaryKey": False,
        "isDevicePreference": False,
        **({"scale": str(field.scale)} if field.type is FieldType.DECIMAL else {}),
    }


def fields_of(definition: EventDefinition) -> dict[str, Any]:
    """GET /data/v1/customObjects/{id}/fields."""
    fields = () if definition.fields is None else definition.fields.fields
    return {
        "id": data_extension_id(definition),
        "fields": [_in_extension(field, ordinal) for ordinal, field in enumerate(fields)],
    }


def _in_extension(field: Field, ordinal: int) -> dict[str, Any]:
    return {
        "id": _id("field", field.name),
        "name": field.name,
        "type": field.type.value,
        **({} if field.length is None else {"length": field.length}),
        **({"scale": field.scale} if field.type is FieldType.DECIMAL else {}),
        "ordinal": ordinal,
        "isNullable": not field.required,
        "isPrimaryKey": False,
        "isTemplateField": False,
        "isHidden": False,
        "isReadOnly": False,
        "isInheritable": False,
        "isOverridable": False,
        "mustOverride": False,
        "storageType": "Plain",
    }


def interaction(definition: EventDefinition, key: str) -> dict[str, Any]:
    """GET /interaction/v1/interactions/key:{key}: the journey behind every event definition."""
    published = definition.published_journeys > 0
    event_key = definition.keys[0]
    return {
        "id": journey_id(key),
        "key": key,
        "name": key,
        "lastPublishedDate": _DATE if published else "0001-01-01T00:00:00",
        "description": "",
        "version": 1,
        "workflowApiVersion": 1,
        "createdDate": _DATE,
        "modifiedDate": _DATE,
        "activities": [],
        "triggers": [
            {
                "id": _id("trigger", key),
                "key": "TRIGGER",
                "name": "TRIGGER",
                "description": "",
                "type": "APIEvent",
                "outcomes": [],
                "arguments": {},
                "configurationArguments": {},
                "metaData": {
                    "eventDefinitionId": _id("event", event_key),
                    "eventDefinitionKey": event_key,
                },
            }
        ],
        "goals": [],
        "exits": [],
        "entryMode": definition.entry_mode.value,
        "definitionType": "Multistep",
        "channel": "",
        "status": definition.status if published else "Draft",
        "definitionId": journey_id(key),
    }
