"""Records: what a run says on stderr as JSON, an object a line, for who collects logs.

    {"at": "2026-11-23T16:43:12.345Z", "level": "info", "event": "Progress", "text": "…", …}

`event` is the name of what happened: an event's (events.py), `Progress` every ten seconds, `Log`
for what a library says, `Summary` and `Error` at the end. `text` says it in words. With the level
"debug" every event is a record, with its members; what quotes a contact is left out.

A thread writes, so that a reader who is slow keeps nobody waiting; of what such a one leaves
unread beyond ten thousand lines the newest are dropped, and counted.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..events import BatchSettled
from ..settling.summary import iso
from .logs import masked, text_of, watched_retries
from .notices import LOG
from .progress import plain_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    from ..errors import JourneyError
    from ..events import Event
    from ..settling.summary import Summary
    from .tally import Tally

__all__ = ("Records", "log_error", "log_event", "log_summary", "recording_to")

PROGRESS_SECONDS: Final = 10.0
MOST_WAITING: Final = 10_000
GOODBYE_SECONDS: Final = 2.0
"""How long the end waits for a reader who does not read."""


@contextmanager
def recording_to(stream: IO[str], *, secrets: Iterable[str] = ()) -> Iterator[None]:
    """While it lasts, what is logged is written on `stream`; none of `secrets` ever is."""
    root, handler = logging.getLogger(), _Handler(_Writer(stream), frozenset(secrets))
    root.addHandler(handler)
    try:
        with watched_retries():
            yield
    finally:
        root.removeHandler(handler)
        handler.close()


def log_event(event: Event) -> None:
    """Log an event with its members, where that is wanted; subscribe this to the emitter."""
    if LOG.isEnabledFor(logging.DEBUG):
        members = asdict(event)
        if isinstance(event, BatchSettled):
            members.pop("detail")  # it may quote a contact

        name = type(event).__name__
        LOG.debug("%s", name, extra={"record": {"event": name, **members}})


def log_error(error: JourneyError) -> None:
    """Log why the run could not be made, or ended early."""
    LOG.error("%s", error, extra={"record": {"event": "Error", "exit_code": error.exit_code}})


def log_summary(summary: Summary) -> None:
    """Log how the run stands at its end, whatever the level."""
    told = summary.to_dict()
    counts = ", ".join(f"{told[name]:,} {name}" for name in ("accepted", "rejected", "unknown"))
    text = f"{told['state']}: {counts}"
    LOG.log(LOG.level, "%s", text, extra={"record": {"event": "Summary", **told}})


class Records:
    """A display (progress.py) for collectors: notices as they come, progress every ten seconds."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._due: float | None = None

    def tick(self, now: float) -> None:
        """Log the notices that have come up, and progress when it is due."""
        self._log_notices()
        if self._due is None or now >= self._due:
            if self._due is not None:
                self._log_progress(now)

            self._due = now + PROGRESS_SECONDS

    def finish(self, now: float) -> None:
        """Log what is left to tell."""
        self._log_progress(now)
        self._log_notices()

    def _log_notices(self) -> None:
        for notice in self._tally.take_notices():
            LOG.log(notice.tone.level, "%s", notice.text, extra={"record": {"event": notice.event}})

    def _log_progress(self, now: float) -> None:
        snapshot = self._tally.sample(now)
        record = {"event": "Progress", **asdict(snapshot)}
        LOG.info("%s", plain_line(snapshot), extra={"record": record})


class _Writer:
    """Lines go to a thread of their own."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def put(self, record: dict[str, Any]) -> None:
        """Have `record` written, unless too many wait already."""
        if self._dropped:
            record = {**record, "dropped": self._dropped}

        line = orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1
        else:
            self._dropped = 0

    def close(self) -> None:
        try:
            self._lines.put(None, timeout=GOODBYE_SECONDS)
        except queue.Full:
            return

        self._thread.join(GOODBYE_SECONDS)

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            self._stream.write(f"{line}\n")
            if self._lines.empty():
                self._stream.flush()

        self._stream.flush()


class _Handler(logging.Handler):
    """What is logged becomes a record. Of libraries, warnings and worse."""

    def __init__(self, writer: _Writer, secrets: frozenset[str]) -> None:
        super().__init__(logging.DEBUG)
        self._writer = writer
        self._secrets = secrets

    def emit(self, record: logging.LogRecord) -> None:
        ours = getattr(record, "record", None)
        if ours is None and record.levelno < logging.WARNING:
            return

        try:
            self._writer.put(self._told(record, ours))
        except Exception:  # noqa: BLE001  # a log line may not end a run: logging's own rule
            self.handleError(record)

    def _told(self, record: logging.LogRecord, ours: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "at": iso(record.created),
            "level": record.levelname.lower(),
            "event": "Log",
            "text": self._fit(text_of(record)),
            **({"logger": record.name} if ours is None else self._clean(ours)),
        }

    def _clean(self, members: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self._fit(value) if isinstance(value, str) else value
            for name, value in members.items()
        }

    def _fit(self, text: str) -> str:
        """No secret, and nothing that UTF-8 has not: a file's name may hold any bytes."""
        return masked(text, self._secrets).encode(errors="backslashreplace").decode()

    def close(self) -> None:
        self._writer.close()
        super().close()
