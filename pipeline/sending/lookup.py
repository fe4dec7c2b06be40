"""Look-ups: the event definition and its fields, read before anything is sent.

Reading may be repeated freely, so passing trouble is waited out. What stays wrong is told apart:
an unknown key, a missing permission, an answer that cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import EndpointError, HaltError, PermissionDeniedError
from .answers import Said, parse, unknown_definition
from .endpoint import bearer, event_definition_url, fields_url
from .patience import ATTEMPTS, PassingError, patiently
from .reply import Breakage, Broken, Reply

if TYPE_CHECKING:
    from datetime import datetime

    from .account import Account
    from .client import Client
    from .clock import Clock
    from .token import TokenKeeper

__all__ = ("Lookup", "data_extension_of", "schema_of")

_DEFINITION: Final = "the event definition (Automation, Interactions: read)"
_FIELDS: Final = "the fields of the event's data extension (Data Extensions: read)"


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
        self._account = account
        self._client = client
        self._keeper = keeper
        self._clock = clock
        self._attempts = attempts

    async def event_definition(self, key: str) -> dict[str, Any]:
        """The event definition as Marketing Cloud gives it.

        Raises:
            EventDefinitionError: There is none of this key.
            PermissionDeniedError: The package may not read it.
            EndpointError: The answer cannot be read, or comes from somewhere else.
            UnavailableError: No answer could be had.
            CredentialsError: No token could be had.
        """
        url = event_definition_url(self._account, key)
        return await self._read(url, subject=_DEFINITION, key=key)

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

        content = await self._read(fields_url(self._account, data_extension_id), subject=_FIELDS)
        if (fields := _objects(content.get("fields"))) is None:
            raise EndpointError(f"The answer to a request for {_FIELDS} holds no fields")

        return fields

    async def _read(self, url: str, *, subject: str, key: str | None = None) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            reply = await self._get(url)
            if isinstance(reply, Reply) and 200 <= reply.status < 300:
                content = parse(reply.body)
                if isinstance(content, dict):
                    return content

                said = f"status {reply.status}: {reply.excerpt()}"
                raise EndpointError(f"The answer to a request for {subject} is no object ({said})")

            raise _trouble(reply, subject=subject, key=key, now=self._clock.wall())

        return await patiently(
            ask, subject=subject[0].upper() + subject[1:], attempts=self._attempts
        )

    async def _get(self, url: str) -> Reply | Broken:
        """GET with the token; a refused token is renewed once."""
        token = await self._keeper.token()
        reply = await self._client.get(url, headers=bearer(token))
        if isinstance(reply, Reply) and reply.status == 401:
            token = await self._keeper.renew(token)
            reply = await self._client.get(url, headers=bearer(token))

        return reply


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


def _trouble(
    reply: Reply | Broken, *, subject: str, key: str | None, now: datetime
) -> PassingError | HaltError:
    if isinstance(reply, Broken):
        if reply.breakage is Breakage.CERTIFICATE:
            return EndpointError(f"The server's certificate was refused ({reply.detail})")

        return PassingError(reply.detail)

    said = Said.of(reply, now=now)
    if said.status in {408, 429} or said.status >= 500:
        return PassingError(said.detail, retry_after=said.retry_after)

    if said.status in {401, 403}:
        return PermissionDeniedError(
            f"The installed package behind account.client_id may not read {subject} ({said.detail})"
        )

    missing = said.status == 404 and said.code is not None  # without a code it is no such route
    if key is not None and (missing or said.names_event_definition):
        return unknown_definition(said, key=key)

    return EndpointError(
        f"A request for {subject} is answered with {said.detail}. Look at account.rest_url or "
        "account.subdomain"
    )
