"""Requests to a simulated Marketing Cloud over a real socket, and shapes of its answers."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from pipeline.sending.reply import Reply
from pipeline.simulator.options import SimulatorOptions
from pipeline.simulator.serving import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

__all__ = ("GUID", "Told", "Wire", "like", "wire_to")

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
JSON = {"Content-Type": "application/json; charset=UTF-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer: `body` is its JSON, or its text where it is none."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            return self.raw.decode()

    @property
    def reply(self) -> Reply:
        """As our own client would have it."""
        return Reply(status=self.status, headers=self.headers, body=self.raw)


@dataclass(slots=True)
class Wire:
    """Asks as a client would, with `token` once there is one."""

    session: aiohttp.ClientSession
    url: str
    token: str = ""

    async def post(self, path: str, content: Any, **headers: str) -> Told:
        """POST JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        return await self._ask("POST", path, body, headers)

    async def get(self, path: str, **headers: str) -> Told:
        return await self._ask("GET", path, None, headers)

    async def _ask(self, method: str, path: str, body: bytes | None, named: Any) -> Told:
        headers = JSON | ({"Authorization": f"Bearer {self.token}"} if self.token else {})
        headers |= {name.replace("_", "-"): value for name, value in named.items()}
        async with self.session.request(
            method, self.url + path, data=body, headers=headers, allow_redirects=False
        ) as answer:
            return Told(status=answer.status, headers=answer.headers, raw=await answer.read())

    async def v1(self) -> Wire:
        """The same with a token of the old kind."""
        asked = {"clientId": "rehearsal", "clientSecret": "rehearsal-secret"}
        self.token = (await self.post("/v1/requestToken", asked)).body["accessToken"]
        return self

    async def v2(self) -> Wire:
        """The same with a token of the new kind."""
        asked = {
            "grant_type": "client_credentials",
            "client_id": "rehearsal",
            "client_secret": "rehearsal-secret",
        }
        self.token = (await self.post("/v2/token", asked)).body["access_token"]
        return self


@asynccontextmanager
async def wire_to(*faults: str, **options: Any) -> AsyncIterator[Wire]:
    """A Marketing Cloud with these faults and options (SimulatorOptions), and a wire to it."""
    cloud = SimulatorOptions(faults=faults, **options).cloud()
    async with running(cloud) as url, aiohttp.ClientSession() as session:
        yield Wire(session, url)


def like(told: Any, shape: Any) -> bool:
    """Whether an answer has a shape: an object exactly these members, a list one shape for all.

    A type stands for its values, a pattern for text it matches, anything else for itself.
    """
    if isinstance(shape, dict):
        return (
            isinstance(told, dict)
            and told.keys() == shape.keys()
            and all(like(told[name], each) for name, each in shape.items())
        )

    if isinstance(shape, list):
        return isinstance(told, list) and all(like(each, shape[0]) for each in told)

    if isinstance(shape, re.Pattern):
        return isinstance(told, str) and bool(shape.fullmatch(told))

    if isinstance(shape, type):
        return isinstance(told, shape) and (shape is bool or not isinstance(told, bool))

    return bool(told == shape)
