"""The live page: its files, and the stream of samples that it draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import web

from .metrics import journal_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .pulse import Pulse
    from .sight import Sight
    from .vitals import Vitals

__all__ = ("FILES", "Page")

PLACE: Final = Path(__file__).parent / "dashboard"
FILES: Final = {
    "index.html": "text/html",
    "icon.svg": "image/svg+xml",
    "page.css": "text/css",
    "uPlot.min.css": "text/css",
    "uPlot.iife.min.js": "text/javascript",
    "charts.js": "text/javascript",
    "page.js": "text/javascript",
}
MOST_VIEWERS: Final = 16


class Page:
    """Serves the page, and tells each of its viewers what was and what comes."""

    def __init__(self, vitals: Vitals, pulse: Pulse, sight: Sight) -> None:
        self._vitals = vitals
        self._pulse = pulse
        self._sight = sight
        self._viewers = 0

    def add_to(self, application: web.Application) -> None:
        """Add the page's routes."""
        for name, kind in FILES.items():
            path = "/" if name == "index.html" else f"/{name}"
            application.router.add_get(path, _handler(name, kind))

        application.router.add_get("/live", self._live)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """All that is kept at once, then a sample a second until the viewer leaves."""
        if self._viewers >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(text="too many are watching already\n")

        self._viewers += 1
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            past = {"samples": list(self._pulse.samples), "state": self._state()}
            await response.write(_event("history", past))
            while (sample := await self._pulse.beat()) is not None:
                told = {"sample": sample, "state": self._state()}
                await response.write(_event("sample", told))

            await response.write(_event("ended", {"state": self._state()}))
        except ConnectionError:
            pass  # the viewer has left
        finally:
            self._viewers -= 1

        return response

    def _state(self) -> dict[str, Any]:
        vitals, pace = self._vitals, self._sight.pace
        return {
            "run_id": vitals.run_id,
            "phase": vitals.phase,
            "lacks": vitals.lacking(),
            **vitals.settled,
            "unsettled": vitals.unsettled,
            "oldest_unsettled_seconds": vitals.oldest_unsettled_seconds,
            "waiting_files": vitals.waiting_files,
            "waiting_messages": vitals.waiting_messages,
            "oldest_message_seconds": vitals.oldest_message_seconds,
            "token_age_seconds": vitals.token_age_seconds,
            "limit": None if pace is None else pace.standing().limit,
            "journal_bytes": journal_bytes(self._sight),
        }


def _handler(name: str, kind: str) -> Any:
    content = (PLACE / name).read_bytes()

    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return serve


def _event(name: str, told: Mapping[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(told))
