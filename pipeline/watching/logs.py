"""Logs: what libraries and the program's corners have to say goes to stderr, a line each, masked.

What a run reports about itself are events (`events.py`); logs are for the rest: warnings of the
event loop, of aiohttp, of a secret file that is open to everybody. stdout is never written to,
which has to be seen to: where structlog is installed, stamina's own hook prints there, and with it
the arguments of whatever is tried again.
"""

from __future__ import annotations

import logging
import re
from asyncio import Task
from contextlib import contextmanager
from socket import gaierror
from typing import TYPE_CHECKING, Any

import stamina.instrumentation
from rich.text import Text

from .progress import printable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from stamina.instrumentation import RetryDetails

__all__ = ("logging_to", "masked", "overheard", "text_of", "watched_retries")

_BEARER = re.compile(
    r"(?i)(bearer\s+|(?:client_?secret|access_?token)\W{0,2}[:=]\W{0,2})[\w.~+/=-]{6,}"
)
_log = logging.getLogger(__name__)


@contextmanager
def logging_to(console: Console, *, secrets: Iterable[str] = ()) -> Iterator[None]:
    """While it lasts, warnings and worse are printed on `console`; none of `secrets` ever is.

    Printing goes through the console, so that a line stands above the live bar, not in it.
    """
    root, handler = logging.getLogger(), _Lines(console, frozenset(secrets))
    root.addHandler(handler)
    try:
        with watched_retries():
            yield
    finally:
        root.removeHandler(handler)


@contextmanager
def watched_retries() -> Iterator[None]:
    """While it lasts, a look-up that is tried again is a warning; then stamina's own hooks rule.

    Which hooks there are is not asked: stamina would load all of Prometheus' client to tell.
    """
    stamina.instrumentation.set_on_retry_hooks([_again])
    try:
        yield
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)


def masked(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets`, and without whatever looks like a token or a secret."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")

    return _BEARER.sub(r"\1***", text)


def overheard(loop: AbstractEventLoop, context: dict[str, Any]) -> None:
    """An event loop's exception handler: tells of what nobody waited for, as asyncio's own does.

    Not of a host that was not found after all: where a connect runs out of time, uvloop leaves the
    look-up behind, and whoever wanted the connection has said what became of it.
    """
    left_behind = "future" in context and not isinstance(context["future"], Task)
    if not (left_behind and isinstance(context.get("exception"), gaierror)):
        loop.default_exception_handler(context)


def text_of(record: logging.LogRecord) -> str:
    """What is logged; of an exception its last line, not its traceback."""
    text = record.getMessage()
    error = record.exc_info and record.exc_info[1]
    return f"{text} ({type(error).__name__}: {error})" if error else text


def _again(details: RetryDetails) -> None:
    """Tell of a look-up that is tried again, without the arguments of the call."""
    _log.warning("trying again in %.1f s: %s", details.wait_for, details.caused_by)


class _Lines(logging.Handler):
    """A record is a line, whatever it holds."""

    def __init__(self, console: Console, secrets: frozenset[str]) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = f"{record.levelname.lower()}: {text_of(record)}"
            line = printable(masked(text, self._secrets))
            style = "yellow" if record.levelno < logging.ERROR else "red"
            self._console.print(Text(line, style=style), soft_wrap=True, highlight=False)
        except Exception:  # noqa: BLE001  # a log line may not end a run: logging's own rule
            self.handleError(record)
