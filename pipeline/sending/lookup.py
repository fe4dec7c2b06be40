"""Look-ups: the event definition and its fields, read before anything is sent.

How they are asked for, and what stays wrong when trouble does not pass, is told in `asking.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import EndpointError
from .address import Address
from .asking import Asker
from .endpoint import event_definition_url, fields_url, interaction_url, interactions_url
from .journeys import Journey, journeys_of, listens, tells_triggers
from .patience import ATTEMPTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .account import Account
    from .client import Client
    from .clock import Clock
    from .token import TokenKeeper

__all__ = ("Lookup", "data_extension_of", "schema_of")

_DEFINITION: Final = "the event definition (Automation, Interactions: read)"
_FIELDS: Final = "the fields of the event's data extension (Data Extensions: read)"
_JOURNEYS: Final = "the journeys (Journeys: read)"
_MAX_PAGES: Final = 2_000


class Lookup:
    """Reads from Marketing Cloud with the senders' token."""

    def __init__(
        self,
        account: Account,
        *,
        client: Client,
        keeper: TokenKeeper,
        clock: Clock,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._address = Address(account, keeper)
        self._asker = Asker(client=client, keeper=keeper, clock=clock, attempts=attempts)

    async def event_definition(self, key: str) -> dict[str, Any]:
        """The event definition as Marketing Cloud gives it.

        Raises:
            EventDefinitionError: There is none of this key.
            PermissionDeniedError: The package may not read it.
            EndpointError: The answer cannot be read, or comes from somewhere else.
            UnavailableError: No answer could be had.
            CredentialsError: No token could be had.
        """
        url = event_definition_url(self._address, key)
        return await self._asker.get(url, subject=_DEFINITION, key=key)

    async def fields(self, definition: dict[str, Any]) -> list[dict[str, Any]]:
        """The fields of the definition's data extension: from its schema, or read on their own.

        The two forms name things differently (`dataType`, `maxLength` as text; `type`, `length`).

        Raises:
            HaltError: As `event_definition`, but that a data extension which cannot be found is an
                EndpointError.
        """
        if (fields := schema_of(definition)) is not None:
            return fields

        data_extension_id = data_extension_of(definition)
        if data_extension_id is None:
            raise EndpointError("The event definition names no data extension")

        url = fields_url(self._address, data_extension_id)
        content = await self._asker.get(url, subject=_FIELDS)
        if (fields := _objects(content.get("fields"))) is None:
            raise EndpointError(f"The answer to a request for {_FIELDS} holds no fields")

        return fields

    async def journeys(self, event_definition_key: str) -> list[Journey]:
        """The journeys, in every version, that contacts enter by the event.

        Raises:
            HaltError: As `event_definition`; none may be found without being an error.
        """
        found = []
        async for item in self._interactions():
            if not tells_triggers(item):
                item = await self._interaction(item)  # noqa: PLW2901  # the same, told whole

            if listens(item, event_definition_key):
                found.append(item)

        return journeys_of(found)

    async def _interactions(self) -> AsyncIterator[dict[str, Any]]:
        """Every interaction of the tenant; the list ends with a page that brings nothing new."""
        seen: set[tuple[str, str]] = set()
        for page in range(1, _MAX_PAGES):
            url = interactions_url(self._address, page)
            content = await self._asker.get(url, subject=_JOURNEYS)
            items = content.get("items")
            fresh = [
                item
                for item in (items if isinstance(items, list) else [])
                if isinstance(item, dict)
                and (str(item.get("id")), str(item.get("version"))) not in seen
            ]
            for item in fresh:
                seen.add((str(item.get("id")), str(item.get("version"))))
                yield item

            count = content.get("count")
            if not fresh or (isinstance(count, int) and len(seen) >= count):
                return

    async def _interaction(self, item: dict[str, Any]) -> dict[str, Any]:
        version = item.get("version")
        url = interaction_url(
            self._address,
            str(item.get("id") or item.get("definitionId")),
            version=version if isinstance(version, int) else None,
        )
        return await self._asker.get(url, subject=_JOURNEYS)


def schema_of(definition: dict[str, Any]) -> list[dict[str, Any]] | None:
    """The fields a definition carries itself; none where it was bound to an older extension."""
    schema = definition.get("schema")
    return _objects(schema.get("fields")) if isinstance(schema, dict) else None


def data_extension_of(definition: dict[str, Any]) -> str | None:
    """The id of the data extension behind a definition."""
    arguments = definition.get("arguments")
    nested = arguments.get("dataExtensionId") if isinstance(arguments, dict) else None
    found = definition.get("dataExtensionId") or nested
    return found if isinstance(found, str) and found else None


def _objects(value: object) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or not value:
        return None

    return value if all(isinstance(each, dict) for each in value) else None
