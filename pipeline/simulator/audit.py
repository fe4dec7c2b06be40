"""What really happened, told under `/_simulator/` to whoever rehearses.

GET  /_simulator/summary    requests by status, contacts taken, entered and lost, tokens
GET  /_simulator/contacts   a JSON line for each key: taken, entered, cause (and data, if kept)
                            ?taken=2+ &entered=0 &cause=too_long  ("2", "2+" or "2-5")
POST /_simulator/reset      forget contacts and counts, begin the schedule again
GET  /_simulator/faults     the schedule, and how often each fault struck
POST /_simulator/faults     {"faults": ["429:rate=0.1"], "seed": 1}: from now on, counted from 1
POST /_simulator/revoke     end every token
POST /_simulator/entered    {"contact_keys": ["001"], "seconds_ago": 86400}: entered before
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from ..errors import ConfigError
from .fault_spec import fault_of_table, parse_fault
from .ledger import Wanted
from .schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .cloud import Cloud

__all__ = ("audit_routes",)


def audit_routes(cloud: Cloud) -> Iterable[web.RouteDef]:
    """The routes of the audit."""
    return (
        web.get("/_simulator/summary", partial(_summary, cloud)),
        web.get("/_simulator/contacts", partial(_contacts, cloud)),
        web.post("/_simulator/reset", partial(_reset, cloud)),
        web.get("/_simulator/faults", partial(_faults, cloud)),
        web.post("/_simulator/faults", partial(_set_faults, cloud)),
        web.post("/_simulator/revoke", partial(_revoke, cloud)),
        web.post("/_simulator/entered", partial(_entered, cloud)),
    )


def _json(content: object, status: int = 200) -> web.Response:
    body = orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(status=status, body=body, content_type="application/json")


async def _summary(cloud: Cloud, _: web.Request) -> web.Response:
    return _json(cloud.summary())


async def _reset(cloud: Cloud, _: web.Request) -> web.Response:
    cloud.reset()
    return _json(cloud.summary())


async def _revoke(cloud: Cloud, _: web.Request) -> web.Response:
    cloud.tokens.revoke()
    return _json(cloud.summary()["tokens"])


async def _entered(cloud: Cloud, request: web.Request) -> web.Response:
    try:
        asked = orjson.loads(await request.read())
        keys = [str(key) for key in asked["contact_keys"]]
        cloud.journey.enter_before(keys, time.time() - float(asked.get("seconds_ago", 86_400)))
    except (ValueError, TypeError, KeyError):
        example = '{"contact_keys": ["001"], "seconds_ago": 86400}'
        return _json({"error": f"the body must be JSON as in {example}"}, 400)

    return _json({"inside": len(cloud.journey.inside)})


async def _faults(cloud: Cloud, _: web.Request) -> web.Response:
    return _json({"seed": cloud.schedule.seed, "struck": cloud.schedule.struck()})


async def _set_faults(cloud: Cloud, request: web.Request) -> web.Response:
    try:
        asked = orjson.loads(await request.read())
        faults = [
            parse_fault(fault) if isinstance(fault, str) else fault_of_table(fault)
            for fault in asked["faults"]
        ]
        cloud.schedule = Schedule(faults, seed=int(asked.get("seed", cloud.schedule.seed)))
    except ConfigError as error:
        return _json({"error": str(error)}, 400)
    except (ValueError, TypeError, KeyError, AttributeError):
        example = '{"faults": ["429:rate=0.1,retry_after=2"], "seed": 1}'
        return _json({"error": f"the body must be JSON as in {example}"}, 400)

    return await _faults(cloud, request)


async def _contacts(cloud: Cloud, request: web.Request) -> web.StreamResponse:
    try:
        wanted = _wanted(request.query)
    except ValueError:
        return _json({"error": "write taken= and entered= as 2, 2+ or 2-5; cause= as a word"}, 400)

    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for page in cloud.ledger.pages(wanted):
        if page:
            await response.write(page)

        await asyncio.sleep(0)  # millions of contacts must not hold up the requests

    return response


def _wanted(query: Mapping[str, Any]) -> Wanted:
    if unknown := set(query) - {"taken", "entered", "cause"}:
        raise ValueError(unknown)

    return Wanted(
        taken=_bounds(query.get("taken", "0+")),
        entered=_bounds(query.get("entered", "0+")),
        cause=query.get("cause"),
    )


def _bounds(text: str) -> tuple[int, int | None]:
    """`2` exactly, `2+` or (as a plus means a blank in a URL) `2 ` at least, `2-5` between."""
    if text.endswith(("+", " ")):
        return int(text[:-1]), None

    least, dash, most = text.partition("-")
    return int(least), int(most) if dash else int(least)
