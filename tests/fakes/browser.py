"""A real Chromium, which tells of everything that goes wrong on a page."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ("Viewer", "browsing")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Viewer:
    """Opens pages, and keeps what was asked of whom, and what the pages complained of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.asked: list[str] = []
        self.complaints: list[str] = []

    def open(
        self, url: str, *, width: int = 1280, scheme: Literal["light", "dark"] = "light"
    ) -> Page:
        page = self._browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.goto(url)
        return page

    def _hear(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@contextmanager
def browsing() -> Iterator[Viewer]:
    """A browser, until the end; skips where there is none."""
    path = os.environ.get("JOURNEY_TEST_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    if path is None:
        pytest.skip("needs a Chromium: apt-get install chromium, or JOURNEY_TEST_CHROMIUM=its path")

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield Viewer(browser)
        browser.close()
