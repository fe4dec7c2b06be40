"""Serving: what `[worker] listen` lets a monitor ask, over plain HTTP, and nothing else.

    GET /healthz   200 while the process works
    GET /readyz    200 where the run has a token, reads its source and is not halted; else 503, with
                   a line for each thing that is missing
    GET /metrics   for Prometheus
    GET /          a live page, with what it needs (dashboard/) and `/live`: a sample a second, as
                   server-sent events

Nothing served holds anything of a contact, and nothing can be changed. Where it listens on loopback
alone, a request must name loopback too: else any web page that the machine's own browser shows
could read it, by a name that leads here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import anyio
from aiohttp import web

from ..errors import ConfigError
from ..events import ListeningStarted
from ..sending.loopback import is_loopback
from .metrics import Exposition
from .page import Page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskStatus

    from ..events import Emit
    from .pulse import Pulse
    from .sight import Sight
    from .vitals import Vitals

__all__ = ("Server",)

GOODBYE_SECONDS: Final = 1.0
"""How long those who are connected at the end have for the rest of their answer."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "journey-pipeline",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server:
    """A companion of the run (sight.py): listens from before it begins until its end."""

    def __init__(
        self, address: tuple[str, int], vitals: Vitals, *, pulse: Pulse, emit: Emit
    ) -> None:
        self._host, self._port = address
        self._vitals = vitals
        self._pulse = pulse
        self._emit = emit

    async def __call__(self, sight: Sight, *, task_status: TaskStatus[None]) -> None:
        """Serve until cancelled. Raises ConfigError where the address is not to be had."""
        runner = web.AppRunner(
            self._application(sight), access_log=None, shutdown_timeout=GOODBYE_SECONDS
        )
        await runner.setup()
        try:
            await self._listen(runner)
            self._emit(ListeningStarted(url=_url(self._host, runner.addresses[0][1])))
            task_status.started()
            await anyio.sleep_forever()
        finally:
            with anyio.move_on_after(2 * GOODBYE_SECONDS, shield=True):
                await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            raise ConfigError(
                f"worker.listen: {self._host}:{self._port} is not to be had: "
                f"{_reason(error)}. Each worker needs an address of its own"
            ) from None

    def _application(self, sight: Sight) -> web.Application:
        exposition = Exposition(self._vitals, sight)
        page = Page(self._vitals, self._pulse, sight)

        async def healthz(_: web.Request) -> web.Response:
            return web.Response(text="ok\n")

        async def readyz(_: web.Request) -> web.Response:
            lacks = self._vitals.lacking()
            text = "".join(f"{line}\n" for line in lacks) or "ok\n"
            return web.Response(text=text, status=503 if lacks else 200)

        async def metrics(request: web.Request) -> web.Response:
            body, content_type = exposition.text(request.headers.get("Accept", ""))
            return web.Response(body=body, headers={"Content-Type": content_type})

        application = web.Application(middlewares=[self._guard])
        application.router.add_get("/healthz", healthz)
        application.router.add_get("/readyz", readyz)
        application.router.add_get("/metrics", metrics)
        page.add_to(application)
        application.on_response_prepare.append(_harden)
        return application

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if is_loopback(self._host) and not is_loopback(request.url.host or ""):
            raise web.HTTPForbidden(text="this listens to this machine alone\n")

        return await handler(request)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _reason(error: OSError) -> str:
    """The system's own words, without those that the event loop puts around them."""
    number = error.errno or 0  # a name that is not found has a number of another kind, or none
    return (os.strerror(number) if number > 0 else str(error)).lower()
