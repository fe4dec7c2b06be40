"""The server of server.c once more, in Python, for machines without a C compiler or epoll.

It costs three to five times as much a POST, so fast ways are slowed by it and ratios come out
smaller: the harness says when it was used. Started as `python -m benchmarks.server_asyncio`, it
prints `listening PORT` and serves until it is killed.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import time
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

__all__ = ("Exchange", "Tally", "serve")

_PREFIX_BYTES = 200
_RECORD_COUNT = re.compile(rb'"RecordCount"\s*:\s*(\d+)')
_CONTENT_LENGTH = re.compile(rb"\ncontent-length:\s*(\d+)", re.IGNORECASE)
_LATENCY = re.compile(r"latency_ms=([\d.]+)")
_DEFINITION = json.loads(Path(__file__).with_name("event_definition.json").read_bytes())
_TOKEN = {"accessToken": "benchmarktoken0123456789", "expiresIn": 3600}


@dataclass(slots=True)
class Tally:
    """What the server counted. Told the time, in seconds; keeps no clock."""

    requests: int = 0
    contacts: int = 0
    body_bytes: int = 0
    tokens: int = 0
    connections: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    integral: float = 0.0  # of in flight over time
    first: float = 0.0
    changed: float = 0.0
    marks: list[tuple[float, float]] = field(default_factory=list)  # time, integral; an answer each

    def begin(self, body_bytes: int, *, now: float) -> None:
        """A batch's headers were seen."""
        if not self.requests:
            self.first = self.changed = now

        self.requests += 1
        self.body_bytes += body_bytes
        self._change(+1, now)
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self, *, now: float, answered: bool) -> None:
        """A batch was answered, or its client left."""
        self._change(-1, now)

        if answered:
            self.marks.append((now, self.integral))

    def statistics(self) -> dict[str, int | float]:
        """The counts, and in flight averaged over time: whole, and without the end tenths."""
        mean = _slope((self.first, 0.0), self.marks[-1]) if self.marks else 0.0
        tenth = len(self.marks) // 10
        steady = _slope(self.marks[tenth - 1], self.marks[-tenth - 1]) if tenth else mean

        return {
            "requests": self.requests,
            "answered": len(self.marks),
            "contacts": self.contacts,
            "body_bytes": self.body_bytes,
            "tokens": self.tokens,
            "connections": self.connections,
            "max_in_flight": self.max_in_flight,
            "mean_in_flight": mean,
            "steady_in_flight": steady,
            "window_seconds": self.marks[-1][0] - self.first if self.marks else 0.0,
        }

    def _change(self, by: int, now: float) -> None:
        self.integral += self.in_flight * (now - self.changed)
        self.changed = now
        self.in_flight += by


def _slope(start: tuple[float, float], end: tuple[float, float]) -> float:
    return (end[1] - start[1]) / (end[0] - start[0]) if end[0] > start[0] else 0.0


@dataclass(slots=True)
class _Shared:
    """What all connections hold in common."""

    tally: Tally = field(default_factory=Tally)
    latency: float = 0.0
    cpu_at_reset: float = 0.0


class Exchange(asyncio.Protocol):
    """One connection: requests one after another, each answered before the next is read."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._head = bytearray()
        self._prefix = bytearray()
        self._line = ""
        self._body_left: int | None = None  # None: a head is being read
        self._owed = False  # a batch whose answer is still to come

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class
        self._shared.tally.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """What was owed is owed no more."""
        if self._owed:
            self._owed = False
            self._shared.tally.end(now=time.monotonic(), answered=False)

    def data_received(self, data: bytes) -> None:
        """Gather the head, then count the body down."""
        if self._body_left is None:
            self._head += data
            head, found, data = bytes(self._head).partition(b"\r\n\r\n")

            if not found:
                return

            self._head.clear()
            self._begin(head)

        assert self._body_left is not None
        self._body_left -= len(data)

        if len(self._prefix) < _PREFIX_BYTES:
            self._prefix += data[:_PREFIX_BYTES]

        if self._body_left <= 0:
            self._body_left = None
            self._finish()

    def _begin(self, head: bytes) -> None:
        length = _CONTENT_LENGTH.search(head)
        self._body_left = int(length[1]) if length else 0
        self._line = head.partition(b"\r\n")[0].decode("latin-1")
        self._prefix.clear()

        if "/batchcontactevents " in self._line:
            self._owed = True
            self._shared.tally.begin(self._body_left, now=time.monotonic())

    def _finish(self) -> None:
        if self._owed:
            self._finish_batch()
        elif "/v1/requestToken " in self._line:
            self._shared.tally.tokens += 1
            self._answer("200 OK", _TOKEN)
        elif "/eventDefinitions/" in self._line:
            self._answer("200 OK", _DEFINITION)
        elif self._line.startswith("GET /stats "):
            self._answer("200 OK", self._statistics())
        elif self._line.startswith("GET /reset"):
            self._reset()
            self._answer("200 OK", {})
        else:
            self._answer("404 Not Found", {"message": "Not Found", "errorcode": 404})

    def _finish_batch(self) -> None:
        if count := _RECORD_COUNT.search(self._prefix):
            self._shared.tally.contacts += int(count[1])

        if self._shared.latency:
            loop = asyncio.get_running_loop()
            loop.call_later(self._shared.latency, self._answer_batch)
        else:
            self._answer_batch()

    def _answer_batch(self) -> None:
        if not self._owed:
            return

        tally = self._shared.tally
        self._owed = False
        tally.end(now=time.monotonic(), answered=True)
        number = len(tally.marks)
        self._answer("201 Created", {"eventInstanceId": f"00000000-0000-4000-8000-{number:012x}"})

    def _answer(self, status: str, content: object) -> None:
        body = json.dumps(content, separators=(",", ":"))
        self._transport.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def _statistics(self) -> dict[str, int | float]:
        cpu = _cpu_seconds() - self._shared.cpu_at_reset
        return self._shared.tally.statistics() | {"cpu_seconds": cpu}

    def _reset(self) -> None:
        latency = _LATENCY.search(self._line)
        self._shared.tally = Tally()
        self._shared.latency = float(latency[1]) / 1000 if latency else 0.0
        self._shared.cpu_at_reset = _cpu_seconds()


def _cpu_seconds() -> float:
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


async def serve() -> None:
    """Listen on a free loopback port, say which, and serve for ever."""
    shared = _Shared()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Exchange(shared), "127.0.0.1", 0, backlog=1024)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _main() -> None:
    if find_spec("uvloop"):
        import_module("uvloop").run(serve())
    else:
        asyncio.run(serve())


if __name__ == "__main__":
    _main()
