"""The routes the simulator knows, and a request to one of them as it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from .faults import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("CONTACT_ROUTES", "Call", "Route")


class Route(StrEnum):
    """The routes the simulator knows."""

    TOKEN = "/v1/requestToken"  # noqa: S105  # a path
    TOKEN_V2 = "/v2/token"  # noqa: S105  # a path
    BATCH_EVENTS = "/interaction-experimental/v1/batchcontactevents"
    ASYNC_EVENTS = "/interaction/v1/async/events"
    ASYNC_STATUS = "/interaction/v1/async/events/status"
    EVENTS = "/interaction/v1/events"
    EVENT_DEFINITION = "/interaction/v1/eventDefinitions/key:"
    EVENT_DEFINITIONS = "/interaction/v1/eventDefinitions"
    EVENT_DEFINITION_BY_ID = "/interaction/v1/eventDefinitions/"
    FIELDS = "/data/v1/customObjects/"
    DATA_EXTENSION = "/data/v1/customObjects"
    ROWSET = "/data/v1/customobjectdata/key/"
    ROWSET_PAGE = "/data/v1/customobjectdata/token/"
    INTERACTION = "/interaction/v1/interactions/key:"
    INTERACTION_VERSIONS = "/interaction/v1/interactions/status/key:"
    INTERACTIONS = "/interaction/v1/interactions"
    INTERACTION_BY_ID = "/interaction/v1/interactions/"
    AUDIT = "/interaction/v1/interactions/{argument}/audit/all"
    PUBLISH_STATUS = "/interaction/v1/interactions/publishStatus/"
    MEMBERSHIP = "/interaction/v1/interactions/contactMembership"
    FRESHNESS = "/interaction/v1/interactions/journeyhistory/freshness"
    ESTIMATE = "/interaction/v1/interactions/journeyhistory/estimate"
    DOWNLOAD = "/interaction/v1/interactions/journeyhistory/download"
    SEARCH = "/interaction/v1/interactions/journeyhistory/search"
    SUMMARY = "/interaction/v1/interactions/journeyhistory/summary"
    DISCOVERY = "/{argument}/v1/rest"

    @property
    def scope(self) -> Scope:
        """Which faults concern it."""
        if self in {Route.TOKEN, Route.TOKEN_V2}:
            return Scope.TOKEN

        if "/journeyhistory/" in self:
            return Scope.HISTORY

        return Scope.CONTACTS if self in CONTACT_ROUTES else Scope.LOOKUP


CONTACT_ROUTES = frozenset((Route.BATCH_EVENTS, Route.ASYNC_EVENTS, Route.EVENTS))
"""Where contacts are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was read. `argument` is the key or id in its path."""

    route: Route
    authorization: str = ""
    content_type: str = ""
    body: bytes = b""
    argument: str = ""
    host: str = "127.0.0.1"
    query: Mapping[str, str] = field(default_factory=dict)
    direct_pipe: bool = False  # the header x-direct-pipe: true
