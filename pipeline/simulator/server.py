"""HTTP in front of the cloud: reads requests, delivers answers, and spoils them as told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from . import answers
from .answers import StreamedAnswer
from .audit import audit_routes
from .faults import Kind, Stage
from .routes import CONTACT_ROUTES, Call, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .answers import Answer
    from .cloud import Cloud, Visit
    from .faults import Fault

    Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]

__all__ = ("application",)

_MAX_BODY_BYTES: Final = 512 * 2**20  # the cloud refuses sooner; this only keeps memory in bounds


def application(cloud: Cloud, clock: Callable[[], float] = time.time) -> web.Application:
    """The web application of a simulated Marketing Cloud."""
    app = web.Application(client_max_size=_MAX_BODY_BYTES)
    front = _Front(cloud, clock)
    app.add_routes(
        [
            web.post(Route.TOKEN, front.on(Route.TOKEN)),
            web.get(Route.TOKEN, _not_found_old),
            web.post(Route.TOKEN_V2, front.on(Route.TOKEN_V2)),
            *(web.post(route, front.on(route)) for route in sorted(CONTACT_ROUTES)),
            web.get(Route.ASYNC_STATUS, front.on(Route.ASYNC_STATUS)),
            web.get(Route.EVENT_DEFINITION + "{argument}", front.on(Route.EVENT_DEFINITION)),
            web.get(Route.EVENT_DEFINITIONS, front.on(Route.EVENT_DEFINITIONS)),
            web.get(
                Route.EVENT_DEFINITION_BY_ID + "{argument}", front.on(Route.EVENT_DEFINITION_BY_ID)
            ),
            web.get(Route.FIELDS + "{argument}/fields", front.on(Route.FIELDS)),
            web.get(Route.DATA_EXTENSION + "/{argument}", front.on(Route.DATA_EXTENSION)),
            web.get(Route.ROWSET + "{argument}/rowset", front.on(Route.ROWSET)),
            web.get(Route.ROWSET_PAGE + "{argument}/rowset", front.on(Route.ROWSET_PAGE)),
            web.get(Route.INTERACTION + "{argument}", front.on(Route.INTERACTION)),
            web.get(Route.INTERACTIONS, front.on(Route.INTERACTIONS)),
            web.post(Route.MEMBERSHIP, front.on(Route.MEMBERSHIP)),
            web.get(Route.FRESHNESS, front.on(Route.FRESHNESS)),
            web.post(Route.ESTIMATE, front.on(Route.ESTIMATE)),
            web.post(Route.DOWNLOAD, front.on(Route.DOWNLOAD)),
            web.post(Route.SEARCH, front.on(Route.SEARCH)),
            web.post(Route.SUMMARY, front.on(Route.SUMMARY)),
            web.get(
                Route.INTERACTION_VERSIONS + "{argument}", front.on(Route.INTERACTION_VERSIONS)
            ),
            web.get(Route.INTERACTION_BY_ID + "{argument}", front.on(Route.INTERACTION_BY_ID)),
            web.get(Route.AUDIT, front.on(Route.AUDIT)),
            web.get(Route.PUBLISH_STATUS + "{argument}", front.on(Route.PUBLISH_STATUS)),
            web.get(Route.DISCOVERY, front.on(Route.DISCOVERY)),
            *audit_routes(cloud),
            web.route("*", "/{path:.*}", _not_found),
        ]
    )
    return app


async def _not_found(_: web.Request) -> web.Response:
    return _response(answers.NOT_FOUND)


async def _not_found_old(_: web.Request) -> web.Response:
    return _response(answers.NOT_FOUND_OLD)


def _response(answer: Answer) -> web.Response:
    headers = {"Content-Type": answer.content_type, **dict(answer.headers)}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


class _Front:
    """Turns requests into calls, and answers into what goes over the wire."""

    def __init__(self, cloud: Cloud, clock: Callable[[], float]) -> None:
        self._cloud = cloud
        self._clock = clock

    def on(self, route: Route) -> Respond:
        """The handler of one route."""

        async def respond(request: web.Request) -> web.StreamResponse:
            visit = self._cloud.arrive(route, self._clock())
            result = "gone"  # unless it ends otherwise: the client went away
            try:
                response = await self._serve(request, route, visit=visit)
                result = "closed" if response is None else str(response.status)
                return web.Response() if response is None else response
            finally:
                self._cloud.leave(visit, result, now=self._clock())

        return respond

    async def _serve(
        self, request: web.Request, route: Route, *, visit: Visit
    ) -> web.StreamResponse | None:
        """Read, answer, deliver; None if the connection was ended without an answer."""
        fault = visit.fault
        if fault and fault.kind is Kind.CLOSE and fault.stage is not Stage.AFTER_BODY:
            if fault.stage is Stage.DURING_BODY:
                await request.content.readany()

            _hang_up(request)
            return None

        call = await _call(request, route)
        answer = self._cloud.answer(visit, call, now=self._clock())
        if visit.delay_seconds:
            await asyncio.sleep(visit.delay_seconds)

        return await _deliver(request, answer, fault=fault)


async def _call(request: web.Request, route: Route) -> Call:
    headers = request.headers
    return Call(
        route=route,
        authorization=headers.get("Authorization", ""),
        content_type=headers.get("Content-Type", ""),
        body=await request.read(),
        argument=request.match_info.get("argument", ""),
        host=request.host,
        query=dict(request.query),
        direct_pipe=headers.get("x-direct-pipe", "").lower() == "true",
    )


async def _deliver(
    request: web.Request, answer: Answer, *, fault: Fault | None
) -> web.StreamResponse | None:
    kind = fault.kind if fault else None
    if fault and kind is Kind.HANG:
        await asyncio.sleep(fault.seconds)

    if kind in {Kind.HANG, Kind.CLOSE}:
        _hang_up(request)
        return None

    if isinstance(answer, StreamedAnswer):
        return await _streamed(request, answer, kind=kind)

    return await _truncated(request, answer) if kind is Kind.TRUNCATED else _response(answer)


async def _streamed(
    request: web.Request, answer: StreamedAnswer, *, kind: Kind | None
) -> web.StreamResponse:
    """Send an answer page by page, compressed where that is asked for.

    `truncated` breaks off in the midst of the first page, `garbled` does and calls it the end.
    """
    headers = {"Content-Type": answer.content_type, **dict(answer.headers)}
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.enable_chunked_encoding()
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        response.enable_compression(web.ContentCoding.gzip)

    await response.prepare(request)
    for page in answer.pages:
        if kind in {Kind.TRUNCATED, Kind.GARBLED}:
            await response.write(page[: len(page) // 2])
            break

        await response.write(page)
        await asyncio.sleep(0)

    if kind is Kind.TRUNCATED:
        _hang_up(request)
    else:
        await response.write_eof()

    return response


async def _truncated(request: web.Request, answer: Answer) -> web.StreamResponse:
    """Promise the whole body, send half of it, and end the connection."""
    headers: dict[str, Any] = {"Content-Type": answer.content_type, **dict(answer.headers)}
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    _hang_up(request)
    return response


def _hang_up(request: web.Request) -> None:
    """End the connection once what was written is on its way."""
    if request.transport is not None:
        request.transport.close()
