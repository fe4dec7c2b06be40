"""The server every way is measured against: a process of its own, on loopback.

server.c where a C compiler and Linux are there, else server_asyncio.py; both count alike.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Server", "Statistics", "best_server", "server_command", "serving")

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What the server counted since its last reset."""

    requests: int
    answered: int
    contacts: int
    body_bytes: int
    tokens: int
    connections: int
    max_in_flight: int
    mean_in_flight: float  # over time, from the first request to the last answer
    steady_in_flight: float  # the same between the first and the last tenth of the answers
    window_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: where it is, what it is made of, and how to ask it."""

    port: int
    kind: str  # "C" or "Python"

    @property
    def url(self) -> str:
        """Where REST and auth requests go."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self, *, latency_ms: float) -> None:
        """Forget all counts; from now on answer batches after `latency_ms`."""
        self._get(f"/reset?latency_ms={latency_ms}")

    def statistics(self) -> Statistics:
        """The counts since the last reset."""
        return Statistics(**json.loads(self._get("/stats")))

    def _get(self, path: str) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)

        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def best_server() -> Iterator[Server]:
    """The best server this machine can have, as long as it is wanted."""
    with TemporaryDirectory(prefix="journey-benchmark-") as built:
        command, kind = server_command(Path(built))
        with serving(command, kind=kind) as server:
            yield server


@contextmanager
def serving(command: list[str], *, kind: str) -> Iterator[Server]:
    """Start the server, yield it once it listens, end it afterwards."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_HERE.parent) as process:
        assert process.stdout is not None

        try:
            greeting = process.stdout.readline().split()

            if len(greeting) != 2:
                raise RuntimeError(f"the benchmark server did not start: {' '.join(command)}")

            yield Server(port=int(greeting[1]), kind=kind)
        finally:
            process.kill()


def server_command(build_directory: Path) -> tuple[list[str], str]:
    """The command that starts the best server this machine can have, and its kind."""
    if built := _compiled(build_directory):
        return [str(built), str(_HERE / "event_definition.json")], "C"

    return [sys.executable, "-m", "benchmarks.server_asyncio"], "Python"


def _compiled(build_directory: Path) -> Path | None:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

    if not compiler or not sys.platform.startswith("linux"):
        return None

    target = build_directory / "server"
    source = _HERE / "server.c"
    built = subprocess.run(
        [compiler, "-O2", "-o", str(target), str(source)], check=False, capture_output=True
    )
    return target if built.returncode == 0 else None
