"""Look-ups: what is read, and the three ways in which it cannot be."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from pipeline.errors import (
    EndpointError,
    EventDefinitionError,
    HaltError,
    PermissionDeniedError,
    UnavailableError,
)
from pipeline.sending.account import Account
from pipeline.sending.client import open_client
from pipeline.sending.clock import Clock
from pipeline.sending.journeys import EntryMode, JourneyStatus
from pipeline.sending.lookup import Lookup, data_extension_of, schema_of
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.token import TokenKeeper
from tests.fakes.loopback import Exchange, Loopback
from tests.fakes.office import Office

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "APIEvent-1/ü?"
FIELDS = [{"name": "EmailAddress", "type": "EmailAddress", "length": 254}]


@asynccontextmanager
async def asking(*answers: tuple[int, object]) -> AsyncIterator[tuple[Lookup, Loopback]]:
    """A look-up whose requests get these answers, the last of them for ever."""
    left = list(answers)

    async def act(exchange: Exchange) -> None:
        status, body = left.pop(0) if len(left) > 1 else left[0]
        await exchange.answer(status, body if isinstance(body, bytes) else orjson.dumps(body))

    keeper = TokenKeeper(Office(), emit=lambda _: None, clock=Clock())
    async with Loopback(act) as server, open_client(DeliveryPolicy(), clock=Clock()) as client:
        account = Account(auth_url=server.url, rest_url=server.url)
        yield Lookup(account, client=client, keeper=keeper, clock=Clock()), server


async def test_an_event_definition() -> None:
    """Read by its key, which may hold anything."""
    async with asking((200, {"name": "n", "publishedInteractionCount": 1})) as (lookup, server):
        assert (await lookup.event_definition(KEY))["name"] == "n"
        exchange = server.exchanges[0]
        assert exchange.method == "GET"
        assert exchange.path == "/interaction/v1/eventDefinitions/key:APIEvent-1%2F%C3%BC%3F"
        assert exchange.headers["authorization"] == "Bearer t1"


async def test_fields_of_the_schema() -> None:
    """A definition that carries its schema needs no second request."""
    async with asking((500, {})) as (lookup, server):
        assert await lookup.fields({"schema": {"fields": FIELDS}}) == FIELDS
        assert not server.exchanges


@pytest.mark.parametrize(
    "definition",
    [
        {"dataExtensionId": "de 1"},
        {"arguments": {"dataExtensionId": "de 1"}, "schema": {"fields": []}},
    ],
)
async def test_fields_of_the_data_extension(definition: dict[str, Any]) -> None:
    """Without a schema they are read from the data extension."""
    async with asking((200, {"id": "x", "fields": FIELDS})) as (lookup, server):
        assert await lookup.fields(definition) == FIELDS
        assert server.exchanges[0].path == "/data/v1/customObjects/de%201/fields"


async def test_a_definition_without_a_data_extension() -> None:
    """There is nothing to ask for."""
    async with asking((500, {})) as (lookup, _):
        with pytest.raises(EndpointError, match="no data extension"):
            await lookup.fields({"schema": None, "arguments": None})


async def test_a_refused_token_is_renewed_once() -> None:
    """As for the senders: once more with a new token."""
    async with asking((401, {}), (200, {"name": "n"})) as (lookup, server):
        await lookup.event_definition(KEY)
        assert [exchange.headers["authorization"] for exchange in server.exchanges] == [
            "Bearer t1",
            "Bearer t2",
        ]


async def test_passing_trouble_is_waited_out() -> None:
    """Reading may be repeated, whatever the trouble was."""
    async with asking((500, {}), (429, {}), (200, {"name": "n"})) as (lookup, server):
        await lookup.event_definition(KEY)
        assert len(server.exchanges) == 3


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            404,
            {"message": "Not Found", "errorcode": 404},
            EventDefinitionError,
            "event_definition_key",
        ),
        (400, {"message": "no", "errorcode": 30003}, EventDefinitionError, "APIEvent-1"),
        (404, b"<html>nginx</html>", EndpointError, "account.rest_url"),
        (403, {"message": "Insufficient privileges"}, PermissionDeniedError, "may not read"),
        (401, {"message": "Not Authorized"}, PermissionDeniedError, "may not read"),
        (400, {"message": "odd"}, EndpointError, "status 400"),
        (302, b"", EndpointError, "status 302"),
        (200, b"<html>", EndpointError, "no object"),
        (200, [], EndpointError, "no object"),
        (503, {"message": "down"}, UnavailableError, "down"),
    ],
)
async def test_what_cannot_be_read(
    status: int, body: object, kind: type[HaltError], words: str
) -> None:
    """An unknown key, a missing permission and an unreadable answer are told apart."""
    async with asking((status, body)) as (lookup, _):
        with pytest.raises(kind, match=words) as caught:
            await lookup.event_definition(KEY)

        assert type(caught.value) is kind


@pytest.mark.parametrize("body", [{}, {"fields": []}, {"fields": "x"}, {"fields": [1]}])
async def test_an_answer_without_fields(body: object) -> None:
    """It is unreadable, not a data extension without fields."""
    async with asking((200, body)) as (lookup, _):
        with pytest.raises(EndpointError, match="holds no fields"):
            await lookup.fields({"dataExtensionId": "d"})


async def test_a_missing_data_extension_is_no_unknown_key() -> None:
    """404 for the fields says nothing about the event definition."""
    async with asking((404, {"errorcode": 404})) as (lookup, _):
        with pytest.raises(EndpointError):
            await lookup.fields({"dataExtensionId": "d"})


@pytest.mark.parametrize("odd", [{}, {"schema": []}, {"schema": {"fields": {}}}])
def test_definitions_of_odd_shape(odd: dict[str, Any]) -> None:
    """What is not there is None."""
    assert schema_of(odd) is None
    assert data_extension_of(odd) is None


def interaction(
    number: int, *, event: str = KEY, version: int = 1, **others: Any
) -> dict[str, Any]:
    """An interaction as recorded, as far as it is read."""
    told = {
        "id": f"ID-{number}",
        "key": f"key-{number}",
        "name": f"Journey {number}",
        "version": version,
        "entryMode": "MultipleEntries",
        "status": "Published",
        "definitionId": f"DEF-{number}-{version}",
        "triggers": [{"type": "APIEvent", "metaData": {"eventDefinitionKey": event}}],
        "stats": {"currentPopulation": 1, "cumulativePopulation": 7},
    }
    return told | others


async def test_journeys_are_found_on_every_page_in_every_version() -> None:
    """What listens to another event is no journey of this one; a short page is not the last."""
    pages = [
        (200, {"count": 3, "items": [interaction(1), interaction(2, event="APIEvent-other")]}),
        (200, {"count": 3, "items": [interaction(1, version=2, status="Draft")]}),
    ]
    async with asking(*pages) as (lookup, server):
        draft, published = await lookup.journeys(KEY)

    paths = [exchange.path for exchange in server.exchanges]
    assert [path.partition("&")[0] for path in paths] == [
        "/interaction/v1/interactions?$page=1",
        "/interaction/v1/interactions?$page=2",
    ]
    assert all("mostRecentVersionOnly=false" in path for path in paths)
    assert (draft.version, draft.status) == (2, JourneyStatus.DRAFT)
    assert published.status is JourneyStatus.PUBLISHED
    assert published.entry_mode is EntryMode.ANYTIME
    assert published.entered == 7
    assert published.definition_ids == {"id-1", "def-1-1"}


async def test_a_list_without_triggers_has_each_journey_read_alone() -> None:
    """Whether a list tells them is not known: what it leaves out is asked for."""
    bare = {name: value for name, value in interaction(1).items() if name != "triggers"}
    answers = [(200, {"items": [bare]}), (200, interaction(1)), (200, {"items": []})]
    async with asking(*answers) as (lookup, server):
        (journey,) = await lookup.journeys(KEY)

    assert journey.name == "Journey 1"
    assert server.exchanges[1].path == (
        "/interaction/v1/interactions/ID-1?extras=all&versionNumber=1"
    )


@pytest.mark.parametrize(
    "content", [{}, {"items": None}, {"items": [7]}, {"count": 0, "items": []}]
)
async def test_no_journeys(content: object) -> None:
    """A tenant without any is no trouble."""
    async with asking((200, content)) as (lookup, _):
        assert await lookup.journeys(KEY) == []


async def test_a_list_that_never_ends_ends() -> None:
    """A server that ignores the page gives the same one again: that is the end."""
    async with asking((200, {"count": 99, "items": [interaction(1)]})) as (lookup, server):
        assert len(await lookup.journeys(KEY)) == 1
        assert len(server.exchanges) == 2


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("Published", JourneyStatus.PUBLISHED),
        ("paused", JourneyStatus.PAUSED),
        ("Unpublished", JourneyStatus.FINISHING),
        ("ScheduledToPublish", JourneyStatus.OTHER),
        (None, JourneyStatus.OTHER),
    ],
)
def test_a_status_is_read_in_any_spelling(said: object, status: JourneyStatus) -> None:
    """What is not known is none of the known ones."""
    assert JourneyStatus.read(said) is status
