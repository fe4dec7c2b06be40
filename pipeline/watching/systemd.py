"""systemd: a worker tells its service manager how it is, and that it is alive (sd_notify(3)).

    READY=1      the source is open: what comes is taken
    STATUS=…     a line for `systemctl status`, every ten seconds
    WATCHDOG=1   twice as often as the manager asks (WatchdogSec=), from the event loop: where that
                 hangs, the process is killed and started again, and goes on
    STOPPING=1   it takes no more, and finishes what is begun

Datagrams to the socket that NOTIFY_SOCKET names. A manager that does not listen costs nothing.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio

from .vitals import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyio.abc import TaskStatus

    from .sight import Sight
    from .vitals import Vitals

__all__ = ("Notifier",)

LOOK_SECONDS: Final = 0.25
STATUS_SECONDS: Final = 10.0


class Notifier:
    """A companion of the run (sight.py). Made by `of` where a service manager listens."""

    def __init__(self, address: str, vitals: Vitals, *, watchdog_seconds: float | None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._vitals = vitals
        self._watchdog_seconds = watchdog_seconds

    @classmethod
    def of(cls, env: Mapping[str, str], vitals: Vitals) -> Notifier | None:
        """One as the environment asks for it, or None."""
        address = env.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None

        asked, whose = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
        ours = asked.isdecimal() and whose in ("", str(os.getpid()))
        return cls(address, vitals, watchdog_seconds=int(asked) / 1e6 if ours else None)

    async def __call__(self, sight: Sight, *, task_status: TaskStatus[None]) -> None:
        """Tell until cancelled."""
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with socket.socket(socket.AF_UNIX, kind) as self._socket:
            task_status.started()
            try:
                await self._tell_on(sight)
            finally:
                self._tell("STOPPING=1")

    async def _tell_on(self, sight: Sight) -> None:
        """Tell what is to be told, until cancelled."""
        ready = stopping = False
        watchdog_at = status_at = anyio.current_time()
        while True:
            now, phase = anyio.current_time(), self._vitals.phase
            if phase is Phase.RUNNING and not ready:
                self._tell("READY=1")
                ready = True
            elif phase not in {Phase.STARTING, Phase.RUNNING} and not stopping:
                self._tell("STOPPING=1")
                stopping = True

            if self._watchdog_seconds is not None and now >= watchdog_at:
                self._tell("WATCHDOG=1")
                watchdog_at = now + self._watchdog_seconds / 2

            if now >= status_at:
                self._tell(f"STATUS={self._status(sight)}")
                status_at = now + STATUS_SECONDS

            await anyio.sleep(min(LOOK_SECONDS, (self._watchdog_seconds or 1.0) / 4))

    def _status(self, sight: Sight) -> str:
        vitals = self._vitals
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in vitals.settled.items())
        limit = f", limit: {sight.pace.standing().limit}" if sight.pace else ""
        return f"{vitals.phase}: {counts}, {vitals.in_flight} in flight{limit}"

    def _tell(self, text: str) -> None:
        with suppress(OSError):
            self._socket.sendto(text.encode(), self._address)
