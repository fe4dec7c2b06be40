"""Marketing Cloud's doors: its URLs, and what is sent there. `answers.py` reads what comes back.

Pure: nothing here waits or connects. What one endpoint takes stands in its profile, and nowhere
else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote

import orjson

from ..mapping.contacts import ContactShape
from ..packing.payload import Envelope
from .account import AuthVersion
from .answers import read_instance
from .members import read_members

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .account import Account
    from .address import Addressed
    from .verdict import Verdict

__all__ = (
    "PROFILES",
    "EndpointName",
    "JourneyPolicy",
    "Profile",
    "batch_url",
    "bearer",
    "data_extension_url",
    "event_definition_url",
    "fields_url",
    "history_question",
    "history_url",
    "interaction_url",
    "interactions_url",
    "memberships_url",
    "rows_url",
    "status_url",
    "token_body",
    "token_url",
)


class EndpointName(StrEnum):
    """The three ways into a journey."""

    BATCH = "batchcontactevents"
    ASYNC = "async-events"
    SINGLE = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """All that sets one endpoint apart: never constants or branches elsewhere.

    `shape` and `envelope` are asked with the event definition key. `read` is given the content of
    a 2xx and the contact keys in their order, and finds the verdict. `auth` are the kinds of token
    that are known to open it, `auth_known` says how that is known.
    """

    path: str
    max_records: int
    shape: Callable[[str], ContactShape]
    envelope: Callable[[str], Envelope]
    read: Callable[[Any, Sequence[str]], Verdict]
    auth: tuple[AuthVersion, ...]
    auth_known: str
    status_path: str | None = None
    """Where it can be asked afterwards what became of contacts."""


PROFILES: Final[Mapping[str, Profile]] = {
    EndpointName.BATCH: Profile(
        path="/interaction-experimental/v1/batchcontactevents",
        max_records=500,
        shape=lambda _: ContactShape(key="ContactKey", data="Data"),
        envelope=Envelope.experimental,
        read=read_instance,
        auth=(AuthVersion.V1,),
        auth_known="whoever has used it needed the old kind of token",
    ),
    EndpointName.ASYNC: Profile(
        path="/interaction/v1/async/events",
        max_records=100,
        shape=lambda _: ContactShape(key="contactKey", data="data"),
        envelope=Envelope.members,
        read=read_members,
        auth=(AuthVersion.V2,),
        auth_known="it is documented for enhanced packages, and younger than the legacy ones",
        status_path="/interaction/v1/async/events/status",
    ),
    EndpointName.SINGLE: Profile(
        path="/interaction/v1/events",
        max_records=1,
        shape=lambda key: ContactShape(fixed=(("EventDefinitionKey", key),)),
        envelope=Envelope.bare,
        read=read_instance,
        auth=(AuthVersion.V1, AuthVersion.V2),
        auth_known="it is documented since before the new kind, and for both",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyPolicy:
    """Which journey, and by which way (section `[journey]`)."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    event_definition_key: str
    """The key of the API entry event: "APIEvent-…" in Journey Builder, not the journey's key."""

    endpoint: EndpointName = EndpointName.BATCH
    """"batchcontactevents": 500 contacts a request, v1. "async-events": 100, v2, and a verdict for
    each contact. "events": one a request, either kind of token."""

    check_fields: bool = True
    """Hold every contact against the fields of the event's data extension before it is sent."""

    def __post_init__(self) -> None:
        key = self.event_definition_key
        if not key or key != key.strip() or not key.isprintable():
            raise ValueError("event_definition_key must be the key alone, without blanks around it")

        if self.endpoint not in PROFILES:
            names = ", ".join(f'"{name}"' for name in PROFILES)
            raise ValueError(f"endpoint must be one of {names}, not {self.endpoint!r}")

    @property
    def profile(self) -> Profile:
        """What the endpoint takes."""
        return PROFILES[self.endpoint]

    @property
    def shape(self) -> ContactShape:
        """How a contact is written for the endpoint."""
        return self.profile.shape(self.event_definition_key)

    @property
    def envelope(self) -> Envelope:
        """What stands around the contacts."""
        return self.profile.envelope(self.event_definition_key)


def batch_url(address: Addressed, journey: JourneyPolicy) -> str:
    """Where batches are posted."""
    return address.rest_base + journey.profile.path


def status_url(address: Addressed, path: str, asked: Mapping[str, str | int]) -> str:
    """Where it is asked what became of contacts."""
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in asked.items())
    return f"{address.rest_base}{path}?{query}"


def event_definition_url(address: Addressed, key: str) -> str:
    """Where an event definition is read."""
    return f"{address.rest_base}/interaction/v1/eventDefinitions/key:{quote(key, safe='')}"


def fields_url(address: Addressed, data_extension_id: str) -> str:
    """Where the fields of a data extension are read."""
    return f"{address.rest_base}/data/v1/customObjects/{quote(data_extension_id, safe='')}/fields"


def interactions_url(address: Addressed, page: int) -> str:
    """Where a page of the tenant's journeys is read, every version with all it tells."""
    asked = f"$page={page}&$pageSize=50&mostRecentVersionOnly=false&extras=all"
    return f"{address.rest_base}/interaction/v1/interactions?{asked}"


def interaction_url(address: Addressed, interaction_id: str, *, version: int | None) -> str:
    """Where one version of a journey is read."""
    chosen = "" if version is None else f"&versionNumber={version}"
    place = f"/interaction/v1/interactions/{quote(interaction_id, safe='')}"
    return f"{address.rest_base}{place}?extras=all{chosen}"


def memberships_url(address: Addressed) -> str:
    """Where it is asked in which journeys contacts are."""
    return f"{address.rest_base}/interaction/v1/interactions/contactMembership"


def history_url(address: Addressed, what: str, columns: Sequence[str] = ()) -> str:
    """Where journey history is asked: for its `freshness`, an `estimate`, or the `download`."""
    asked = f"?columns={','.join(columns)}&format=csv" if columns else ""
    return f"{address.rest_base}/interaction/v1/interactions/journeyhistory/{what}{asked}"


def history_question(
    definition_ids: Sequence[str], activity_types: Sequence[str], *, start: str, end: str
) -> dict[str, Any]:
    """Which rows are asked for; the times as ISO 8601."""
    return {
        "definitionIds": list(definition_ids),
        "activityTypes": list(activity_types),
        "start": start,
        "end": end,
    }


def data_extension_url(address: Addressed, data_extension_id: str) -> str:
    """Where a data extension is read, and with it its key."""
    return f"{address.rest_base}/data/v1/customObjects/{quote(data_extension_id, safe='')}"


def rows_url(address: Addressed, data_extension_key: str) -> str:
    """Where the rows of a data extension are read: the first, and how many there are."""
    key = quote(data_extension_key, safe="")
    return f"{address.rest_base}/data/v1/customobjectdata/key/{key}/rowset?$page=1&$pagesize=1"


def token_url(account: Account) -> str:
    """Where a token is asked for."""
    return account.auth_base + (
        "/v2/token" if account.auth == AuthVersion.V2 else "/v1/requestToken"
    )


def token_body(account: Account, secret: str) -> bytes:
    """What is posted there."""
    if account.auth == AuthVersion.V1:
        return orjson.dumps({"clientId": account.identity(), "clientSecret": secret})

    body = {
        "grant_type": "client_credentials",
        "client_id": account.identity(),
        "client_secret": secret,
    }
    if account.account_id:
        body["account_id"] = account.account_id

    if account.scope:
        body["scope"] = account.scope

    return orjson.dumps(body)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}
