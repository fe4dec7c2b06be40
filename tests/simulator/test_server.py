"""The simulator over HTTP: what goes over the wire, and what the audit tells afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import pytest

from pipeline.simulator.options import SimulatorOptions
from pipeline.simulator.serving import running
from tests.fakes.simulated_calls import JSON, batch, contact

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATH = "/interaction-experimental/v1/batchcontactevents"


class Client:
    """A client that has a token."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.headers = {"Content-Type": JSON}

    async def token(self) -> None:
        asked = {"clientId": "rehearsal", "clientSecret": "rehearsal-secret"}
        async with self.session.post("/v1/requestToken", json=asked) as answer:
            told = await answer.json()

        self.headers["Authorization"] = f"Bearer {told['accessToken']}"

    async def post(self, *keys: str, **data: Any) -> tuple[int, bytes]:
        body = batch(*(contact(key, **data) for key in keys))
        async with self.session.post(PATH, data=body, headers=self.headers) as answer:
            return answer.status, await answer.read()

    async def summary(self) -> Any:
        async with self.session.get("/_simulator/summary") as answer:
            return await answer.json()

    async def contacts(self, query: str = "") -> list[Any]:
        async with self.session.get("/_simulator/contacts" + query) as answer:
            assert answer.status == 200, await answer.text()
            return [orjson.loads(line) for line in (await answer.read()).splitlines()]


@asynccontextmanager
async def simulated(*faults: str, **options: Any) -> AsyncIterator[Client]:
    cloud = SimulatorOptions(faults=faults, **options).cloud()
    async with running(cloud) as url, aiohttp.ClientSession(url) as session:
        client = Client(session)
        await client.token()
        yield client


async def test_contacts_go_in_and_the_audit_tells_of_them() -> None:
    """CONTRACT: on the wire; the audit counts each key."""
    async with simulated() as client:
        status, body = await client.post("a", "b")
        assert status == 201
        assert set(orjson.loads(body)) == {"eventInstanceId"}
        await client.post("b")
        await client.post("c", FirstName="x" * 51)
        assert await client.contacts() == [
            {"contact_key": "a", "taken": 1, "entered": 1, "cause": None},
            {"contact_key": "b", "taken": 2, "entered": 2, "cause": None},
            {
                "contact_key": "c",
                "taken": 1,
                "entered": 0,
                "cause": "too_long",
                "field": "FirstName",
            },
        ]


async def test_the_audit_finds_contacts_by_what_became_of_them() -> None:
    """`taken=`, `entered=` and `cause=`; anything else is refused."""
    async with simulated() as client:
        for sent in ("abc", "bc", "c"):
            await client.post(*sent)

        await client.post("d", Points="x")

        async def keys(query: str) -> list[str]:
            return [row["contact_key"] for row in await client.contacts(query)]

        assert await keys("?taken=2+") == ["b", "c"]
        assert await keys("?taken=2%2B") == ["b", "c"]
        assert await keys("?taken=2") == ["b"]
        assert await keys("?taken=1-2&entered=1%2B") == ["a", "b"]
        assert await keys("?entered=0") == ["d"]
        assert await keys("?cause=not_a_number") == ["d"]
        for wrong in ("?taken=x", "?token=1"):
            async with client.session.get("/_simulator/contacts" + wrong) as answer:
                assert answer.status == 400


async def test_the_audit_holds_under_concurrent_posts() -> None:
    """Every contact is counted once, whatever the order."""
    async with simulated("429:rate=0.2", seed=3, latency="0.001") as client:
        batches = [[f"{number}-{index}" for index in range(50)] for number in range(60)]
        statuses = [
            status for status, _ in await asyncio.gather(*(client.post(*keys) for keys in batches))
        ]
        taken = [
            key
            for keys, status in zip(batches, statuses, strict=True)
            if status == 201
            for key in keys
        ]
        told = await client.summary()
        assert told["requests"]["by_status"] == {
            "201": statuses.count(201),
            "429": statuses.count(429),
        }
        assert {row["contact_key"] for row in await client.contacts()} == set(taken)
        assert told["contacts"]["taken"] == told["contacts"]["entered"] == len(taken)
        assert told["contacts"]["taken_more_than_once"] == 0
        assert told["requests"]["max_in_flight"] > 1
        assert told["requests"]["in_flight"] == 0


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ("close:before_body", 0),
        ("close:during_body", 0),
        ("close:after_body,taken=true", 1),
        ("close:after_body,taken=false", 0),
        ("hang:seconds=0.01,taken=true", 1),
        ("hang:seconds=0.01,taken=false", 0),
        ("truncated", 1),
    ],
)
async def test_connections_that_break(spec: str, taken: int) -> None:
    """The client sees a broken connection each time; whether contacts were taken differs."""
    async with simulated(spec) as client:
        with pytest.raises(aiohttp.ClientError):
            await client.post("a", FirstName="x" * 200_000)

        assert (await client.summary())["contacts"]["taken"] == taken


async def test_a_client_that_goes_away_is_counted() -> None:
    """A timeout on the client's side: the contacts are taken, and nobody was told."""
    async with simulated("hang:taken=true") as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.post("a")

        told = await client.summary()
        while told["requests"]["in_flight"]:  # until the server has noticed
            told = await client.summary()

        assert told["requests"]["by_status"] == {"gone": 1}
        assert told["contacts"]["taken"] == 1


async def test_a_slow_answer_comes_late_and_whole() -> None:
    """`slow` changes nothing but the time."""
    async with simulated("slow:seconds=0.05") as client:
        before = asyncio.get_running_loop().time()
        status, _ = await client.post("a")
        assert status == 201
        assert asyncio.get_running_loop().time() - before >= 0.05


async def test_the_same_seed_gives_the_same_run() -> None:
    """A rehearsal over HTTP can be repeated, one request after the other."""
    runs = []
    for _ in range(2):
        async with simulated("500:rate=0.4", "429:rate=0.2", seed=11) as client:
            statuses = [(await client.post(str(number)))[0] for number in range(30)]
            runs.append((statuses, await client.contacts()))

    assert runs[0] == runs[1]
    assert set(runs[0][0]) == {201, 429, 500}


async def test_the_schedule_can_be_changed_while_it_runs() -> None:
    """From now on, counted from one; a mistake changes nothing and is named."""
    async with simulated() as client:
        assert (await client.post("a"))[0] == 201
        asked: dict[str, Any] = {"faults": ["503:at=2", {"kind": "500", "at": 3}], "seed": 4}
        async with client.session.post("/_simulator/faults", json=asked) as answer:
            assert answer.status == 200

        assert [(await client.post("a"))[0] for _ in range(3)] == [201, 503, 500]
        mistakes: list[Any] = [{"faults": ["5o3"]}, {"faults": 7}, []]
        for wrong in mistakes:
            async with client.session.post("/_simulator/faults", json=wrong) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]

        async with client.session.get("/_simulator/faults") as answer:
            struck = (await answer.json())["struck"]
            assert struck == {"503:at=2": 1, "500:at=3": 1}


async def test_revoked_and_reset_from_outside() -> None:
    """POST revoke ends the tokens; POST reset forgets the rest and lets tokens live."""
    async with simulated() as client:
        await client.post("a")
        await client.session.post("/_simulator/revoke")
        assert (await client.post("a"))[0] == 401
        await client.token()
        await client.session.post("/_simulator/reset")
        assert await client.contacts() == []
        assert (await client.post("a"))[0] == 201


async def test_paths_that_are_not_there() -> None:
    """Reference, section 2: a GET of the token route; section 7: everything else."""
    async with simulated() as client:
        for path, word in (("/v1/requestToken", "errors/404"), ("/nothing", "error-handling")):
            async with client.session.get(path) as answer:
                assert answer.status == 404
                told = await answer.json()
                assert (told["errorcode"], told["message"]) == (404, "Not Found")
                assert word in told["documentation"]


async def test_lookups_go_through_the_token() -> None:
    """Event definition, fields and journey, by their real paths."""
    async with simulated(schema_shown=False) as client:
        url = "/interaction/v1/eventDefinitions/key:APIEvent-rehearsal"
        async with client.session.get(url) as answer:
            assert answer.status == 401

        async with client.session.get(url, headers=client.headers) as answer:
            extension = (await answer.json())["dataExtensionId"]

        url = f"/data/v1/customObjects/{extension}/fields"
        async with client.session.get(url, headers=client.headers) as answer:
            assert (await answer.json())["fields"]

        url = "/interaction/v1/interactions/key:spring"
        async with client.session.get(url, headers=client.headers) as answer:
            assert (await answer.json())["key"] == "spring"
