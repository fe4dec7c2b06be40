"""A simulator in a process of its own: what a user starts, for tests that kill and restart."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("SimulatorProcess",)

_REPOSITORY = Path(__file__).resolve().parents[2]


class SimulatorProcess:
    """`with SimulatorProcess("--fault", "500:every=3") as simulator`: serves on a free port.

    Its methods block: from async code call them in a thread.
    """

    def __init__(self, *arguments: str, module: str = "pipeline.simulator") -> None:
        self.url = ""
        self.welcome = ""
        self._command = [sys.executable, "-m", module, "--port", "0", *arguments]
        self._process: subprocess.Popen[str] | None = None
        # Loopback is never behind a proxy, whatever the environment says.
        self._opener = build_opener(ProxyHandler({}))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY
        )
        assert self._process.stdout is not None
        self.welcome = self._process.stdout.readline()
        if not self.welcome:
            raise RuntimeError(f"the simulator ended with {self._process.wait()}")

        self.url = self.welcome.split()[-1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.send_signal(number)
        code = self._process.wait(timeout=10)
        self.welcome += self._process.stdout.read()
        self._process.stdout.close()
        return code

    def summary(self) -> dict[str, Any]:
        """What really happened, in numbers."""
        summary: dict[str, Any] = json.loads(self._ask("summary"))
        return summary

    def contacts(self, **wanted: str) -> list[dict[str, Any]]:
        """What became of each contact: `contacts(taken="2+")`."""
        lines = self._ask(f"contacts?{urlencode(wanted)}").splitlines()
        return [json.loads(line) for line in lines]

    def reset(self) -> None:
        """Forget contacts and counts, and begin the schedule again."""
        self._ask("reset", b"")

    def revoke(self) -> None:
        """End every token."""
        self._ask("revoke", b"")

    def set_faults(self, *specs: str, seed: int = 0) -> None:
        """Replace the schedule."""
        self._ask("faults", json.dumps({"faults": specs, "seed": seed}).encode())

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        with self._opener.open(Request(f"{self.url}/_simulator/{path}", data=body)) as answer:
            content: bytes = answer.read()
            return content
