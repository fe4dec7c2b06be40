"""The pace as a server sees it: bytes on real sockets, at rates that differ four hundredfold."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

import anyio
import pytest

from pipeline.sending.clock import Clock
from pipeline.sending.pace import Pace
from pipeline.sending.policy import DeliveryPolicy
from tests.fakes.moments import worst_window

SECONDS = 10.0
SENDERS = 256
COMMIT_SECONDS = 0.02
LATE_SECONDS = 0.04
"""By how much the buckets make up for who is late: a machine that gives no time for longer than
that, to any of our tasks, has taken the rest."""


@dataclass(slots=True)
class Line:
    """A connection to somebody who reads, and when something was sent on it."""

    rate: float
    ours: socket.socket
    sent: list[float] = field(default_factory=list)

    def within(self, begin: float) -> int:
        return sum(begin <= moment < begin + SECONDS for moment in self.sent)


def connected(rate: float, listener: socket.socket) -> Line:
    ours = socket.create_connection(listener.getsockname())
    ours.settimeout(0)
    theirs, _ = listener.accept()

    def read() -> None:
        with theirs:
            while theirs.recv(65_536):
                pass

    threading.Thread(target=read, daemon=True).start()
    return Line(rate, ours)


async def keep_sending(line: Line, pace: Pace, random: Random) -> None:
    """As a sender does: leave, a commit that takes now longer, now shorter, the gate, the bytes."""
    loop = asyncio.get_running_loop()
    while True:
        permit = await pace.wait(1)
        await anyio.sleep(random.random() * COMMIT_SECONDS)
        assert permit.gate is not None
        await permit.gate.acquire()
        line.sent.append(time.monotonic())
        await loop.sock_sendall(line.ours, b"POST / HTTP/1.1\r\n\r\n")
        pace.came_back(permit, None)


def kept_waiting() -> float:
    """Seconds this thread was ready to run, and others ran; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


async def stolen_seconds(until: float) -> float:
    """How much time was given to others, or to nobody, beyond what is made up for."""
    stolen, waited = 0.0, kept_waiting()
    while (now := time.monotonic()) < until:
        await anyio.sleep(0.005)
        stolen += max(0.0, time.monotonic() - now - 0.005 - LATE_SECONDS)

    return max(stolen, kept_waiting() - waited)


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_the_pace_is_kept() -> None:
    """98 to 101 % of what is asked over ten seconds, and no second with more than 105 %."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lines = [connected(rate, listener) for rate in (5, 50, 2000)]

    async with anyio.create_task_group() as group:
        for line in lines:
            policy = DeliveryPolicy(max_in_flight=SENDERS, requests_per_second=line.rate)
            pace = Pace(policy, clock=Clock(), emit=lambda _: None)
            pace.control.concurrency.limit = SENDERS
            for number in range(SENDERS):
                group.start_soon(partial(keep_sending, line, pace, Random(number)))

        await anyio.sleep(0.1)
        begin = time.monotonic()
        stolen = await stolen_seconds(begin + SECONDS)
        group.cancel_scope.cancel()

    for line in lines:
        line.ours.close()
        given = SECONDS - stolen
        assert 0.98 * line.rate * given <= line.within(begin) <= 1.01 * line.rate * SECONDS, stolen
        assert worst_window(line.sent, 1.0) <= 1.05 * line.rate, line.rate
