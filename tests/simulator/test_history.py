"""Journey history as it is told: late, in the limits asked for, and only of those who entered."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from pipeline.simulator.answers import StreamedAnswer
from pipeline.simulator.cloud import Call, Route
from pipeline.simulator.options import SimulatorOptions
from pipeline.simulator.serving import running
from tests.fakes.simulated_calls import batch, contact, post_batch, send

if TYPE_CHECKING:
    from pipeline.simulator.answers import Answer
    from pipeline.simulator.cloud import Cloud

DAY = 1_795_452_200.0  # 2026-11-23 16:43:20
ALL = ("TransactionTime", "ContactKey", "Status", "DefinitionId", "ActivityType", "Result.Messages")


def asked(
    cloud: Cloud, route: Route, content: object = None, *, now: float = DAY, **query: str
) -> Answer:
    """Ask a route, with a good token and the header a download needs."""
    call = Call(
        route=route,
        authorization=f"Bearer {cloud.tokens.issue_v2(now)}",
        body=json.dumps(content or {}).encode(),
        query=query,
        direct_pipe=True,
    )
    return send(cloud, call, now=now)


def told(cloud: Cloud, route: Route, content: object = None, **options: Any) -> Any:
    return json.loads(asked(cloud, route, content, **options).body)


def rows_of(cloud: Cloud, content: object = None, **options: Any) -> list[dict[str, str]]:
    """The rows of a download, read by the standard library."""
    answer = asked(cloud, Route.DOWNLOAD, content, columns=",".join(ALL), **options)
    assert isinstance(answer, StreamedAnswer)
    text = b"".join(answer.pages).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def keys_of(rows: list[dict[str, str]]) -> list[str]:
    return [row["ContactKey"] for row in rows]


def test_who_entered_has_a_row_and_who_was_lost_has_none() -> None:
    """The 201 was the same for both."""
    cloud = SimulatorOptions().cloud()
    body = batch(contact("001"), contact('with "quotes", commas'), {"ContactKey": "lost"})
    assert post_batch(cloud, body, now=DAY).status == 201
    rows = rows_of(cloud)
    assert keys_of(rows) == ["001", 'with "quotes", commas']
    assert rows[0]["TransactionTime"] == "2026-11-23T16:43:20.000Z"
    assert rows[0]["Status"] == "Complete"
    assert rows[0]["ActivityType"] == "trigger"


def test_the_rows_come_late() -> None:
    """What is younger than the lag is not there yet, and freshness says so."""
    cloud = SimulatorOptions(history_lag_seconds=1200).cloud()
    post_batch(cloud, batch(contact("001")), now=DAY)
    assert told(cloud, Route.FRESHNESS) == {"freshness": 1200}
    assert keys_of(rows_of(cloud, now=DAY + 1199)) == []
    assert keys_of(rows_of(cloud, now=DAY + 1200)) == ["001"]


def test_rows_are_kept_for_thirty_days() -> None:
    """After that nobody can tell any more."""
    cloud = SimulatorOptions().cloud()
    post_batch(cloud, batch(contact("001")), now=DAY)
    assert keys_of(rows_of(cloud, now=DAY + 30 * 86_400)) == ["001"]
    assert keys_of(rows_of(cloud, now=DAY + 30 * 86_400 + 1)) == []


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ({}, ["001", "002"]),
        ({"start": "2026-11-23T16:43:21Z"}, ["002"]),
        ({"end": "2026-11-23T16:43:21Z"}, ["001"]),
        ({"contactKeys": ["002", "003"]}, ["002"]),
        ({"activityTypes": ["Trigger"]}, ["001", "002"]),
        ({"activityTypes": ["emailv2"]}, []),
        ({"statuses": ["complete"]}, ["001", "002"]),
        ({"statuses": ["failed"]}, []),
        ({"definitionIds": ["somebody-elses"]}, []),
    ],
)
def test_rows_are_limited(content: dict[str, Any], keys: list[str]) -> None:
    """Estimate and search are limited as the download is."""
    cloud = SimulatorOptions().cloud()
    post_batch(cloud, batch(contact("001")), now=DAY)
    post_batch(cloud, batch(contact("002")), now=DAY + 60)
    assert keys_of(rows_of(cloud, content, now=DAY + 60)) == keys
    assert told(cloud, Route.ESTIMATE, content, now=DAY + 60)["rowCount"] == len(keys)
    found = told(cloud, Route.SEARCH, content, now=DAY + 60)
    assert sorted(item["contactKey"] for item in found["items"]) == keys


def test_a_refusal_may_leave_a_row() -> None:
    """Where history tells failures, it tells their cause."""
    cloud = SimulatorOptions(failed_rows=True, vanishing="9$").cloud()
    post_batch(cloud, batch(contact("001"), contact("009")), now=DAY)
    by_key = {row["ContactKey"]: row for row in rows_of(cloud)}
    assert by_key["009"]["Status"] == "Failed"
    assert by_key["009"]["Result.Messages"] == "vanished"
    assert keys_of(rows_of(cloud, {"statuses": ["Failed"]})) == ["009"]


def test_a_download_needs_its_header() -> None:
    """Documented as required; without it there are no rows."""
    cloud = SimulatorOptions().cloud()
    token = cloud.tokens.issue(DAY)
    call = Call(route=Route.DOWNLOAD, authorization=f"Bearer {token}", body=b"{}")
    assert send(cloud, call, now=DAY).status == 400


def test_a_file_has_its_limit() -> None:
    """The estimate tells before that a question must be made smaller."""
    cloud = SimulatorOptions(history_file_bytes=1_000).cloud()
    post_batch(cloud, batch(*(contact(f"{n:05}") for n in range(500))), now=DAY)
    assert told(cloud, Route.ESTIMATE)["compressedFileSizeInBytes"] > 1_000
    assert asked(cloud, Route.DOWNLOAD).status == 400


def test_a_search_counts_to_ten_thousand() -> None:
    """As practitioners report; the pages go on."""
    cloud = SimulatorOptions(max_records=20_000).cloud()
    post_batch(cloud, batch(*(contact(f"{n:05}") for n in range(10_001))), now=DAY)
    query = {"$page": "101", "$pageSize": "100"}
    found = told(cloud, Route.SEARCH, **query)
    assert (found["count"], len(found["items"])) == (10_000, 1)


@pytest.mark.parametrize(("history", "status"), [("forbidden", 403), ("absent", 404)])
@pytest.mark.parametrize("route", [Route.FRESHNESS, Route.ESTIMATE, Route.DOWNLOAD, Route.SEARCH])
def test_history_may_not_be_had(history: str, status: int, route: Route) -> None:
    """Not every package may read it."""
    assert asked(SimulatorOptions(history=history).cloud(), route).status == status


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        ({"entry_mode": "MultipleEntries"}, ["old", "new", "new"]),
        ({"entry_mode": "SingleEntryAcrossAllVersions"}, ["new"]),
        ({"entry_mode": "OnceAndDone"}, ["new"]),
        ({"entry_mode": "OnceAndDone", "exit_seconds": 60.0}, ["old", "new"]),
        ({"journey_status": "Paused"}, []),
        ({"journey_status": "Stopped"}, []),
        ({"published_journeys": 0}, []),
    ],
)
def test_who_is_let_in(options: dict[str, Any], keys: list[str]) -> None:
    """By entry mode and status, for one who entered before and one who comes twice."""
    cloud = SimulatorOptions(**options).cloud()
    cloud.journey.enter_before(["old"], DAY - 3600)
    post_batch(cloud, batch(contact("old"), contact("new"), contact("new")), now=DAY)
    assert keys_of(rows_of(cloud, {"start": "2026-11-23T16:43:20Z"})) == keys


def test_memberships_are_asked_for_in_fifties() -> None:
    """Who is inside, and who is not found; more than fifty are refused."""
    cloud = SimulatorOptions().cloud()
    post_batch(cloud, batch(contact("001"), {"ContactKey": "lost"}), now=DAY)
    found = told(cloud, Route.MEMBERSHIP, {"ContactKeyList": ["001", "lost"]})["results"]
    assert [one["contactKey"] for one in found["contactMemberships"]] == ["001"]
    assert found["contactsNotFound"] == ["lost"]
    many = {"ContactKeyList": [str(number) for number in range(51)]}
    assert asked(cloud, Route.MEMBERSHIP, many).status == 400


def test_counts_are_told_by_journey_and_by_data_extension() -> None:
    """A row is stored for whom the door refuses as well."""
    cloud = SimulatorOptions(entry_mode="SingleEntryAcrossAllVersions").cloud()
    post_batch(cloud, batch(contact("001"), contact("001"), {"ContactKey": "lost"}), now=DAY)
    (journey,) = told(cloud, Route.INTERACTIONS, extras="all")["items"]
    assert journey["stats"]["cumulativePopulation"] == 1
    event = asked_of(cloud, Route.EVENT_DEFINITION, "APIEvent-rehearsal")
    extension = asked_of(cloud, Route.DATA_EXTENSION, event["dataExtensionId"])
    assert asked_of(cloud, Route.ROWSET, extension["key"])["count"] == 2


def test_rows_are_told_of_those_whose_event_was_stored() -> None:
    """Also of those at a closed door, whatever their data is; not of those lost before it."""
    paused = SimulatorOptions(journey_status="Paused", keep_data=True).cloud()
    post_batch(paused, batch(contact("001"), {"ContactKey": "002", "Data": [1]}), now=DAY)
    assert [bool(each["values"]) for each in stored_in(paused)] == [True, False]
    published = SimulatorOptions(keep_data=True).cloud()
    post_batch(published, batch({"ContactKey": "lost", "Data": {}}, contact("001")), now=DAY)
    (row,) = stored_in(published)
    assert row["values"]["emailaddress"] == contact("001")["Data"]["EmailAddress"]


def stored_in(cloud: Cloud) -> list[dict[str, Any]]:
    event = asked_of(cloud, Route.EVENT_DEFINITION, "APIEvent-rehearsal")
    extension = asked_of(cloud, Route.DATA_EXTENSION, event["dataExtensionId"])
    items: list[dict[str, Any]] = asked_of(cloud, Route.ROWSET, extension["key"])["items"]
    return items


def asked_of(cloud: Cloud, route: Route, argument: str) -> dict[str, Any]:
    authorization = f"Bearer {cloud.tokens.issue_v2(DAY)}"
    call = Call(route=route, authorization=authorization, argument=argument)
    content: dict[str, Any] = json.loads(send(cloud, call, now=DAY).body)
    return content


def test_a_list_tells_triggers_only_when_asked() -> None:
    """Somebody who reads the bare list must look closer."""
    cloud = SimulatorOptions(published_journeys=2).cloud()
    assert all("triggers" not in one for one in told(cloud, Route.INTERACTIONS)["items"])
    found = told(cloud, Route.INTERACTIONS, extras="all")["items"]
    assert [one["status"] for one in found] == ["Published", "Published"]
    assert all(one["triggers"] for one in found)


@pytest.mark.parametrize("faults", [(), ("truncated:on=history,at=1",)])
async def test_a_download_over_the_wire(faults: tuple[str, ...]) -> None:
    """Compressed where that is asked for, in pages; a broken one is seen to be broken."""
    cloud = SimulatorOptions(max_records=50_000, faults=faults).cloud()
    keys = [f"{number:06}" for number in range(45_000)]
    post_batch(cloud, batch(*map(contact, keys)), now=DAY)
    token = cloud.tokens.issue(4e9)  # alive whatever the time is
    headers = {
        "Authorization": f"Bearer {token}",
        "x-direct-pipe": "true",
        "Accept-Encoding": "gzip",
    }
    async with (
        running(cloud) as url,
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(f"{url}{Route.DOWNLOAD}", headers=headers, json={}) as response,
    ):
        assert response.headers["Content-Encoding"] == "gzip"
        if faults:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()

            return

        text = gzip.decompress(await response.read()).decode()

    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert keys_of(rows) == keys
