"""Connections that end while they are idle: not one contact is in doubt that never left."""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from random import Random
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread
import pytest
import trustme

from pipeline.sending.client import IDLE_SECONDS, SHORTEST_IDLE_SECONDS, open_client
from pipeline.sending.clock import Clock
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.reply import Breakage, Broken, Reply
from tests.fakes.clock import FakeClock
from tests.fakes.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from pipeline.sending.client import Client

BODY = b"x" * 2_000
ANSWER = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


class Threaded:
    """A server in a thread: what it does to a connection, the client's loop cannot see coming.

    `rest` is called with a connection that was answered and is idle, and how much was read from it;
    what it returns is whether to wait for another request. `touched` counts the requests of which
    at least a byte was read, `whole` those that were read to their end.
    """

    def __init__(
        self,
        rest: Callable[[socket.socket, int], bool],
        *,
        tls: ssl.SSLContext | None = None,
        answers: Sequence[bytes] = (),
    ) -> None:
        self._rest = rest
        self._answers = list(answers)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._workers: list[threading.Thread] = []
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/x"
        self.touched = 0
        self.whole = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._workers):
            thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # the listener was shut down: the end
            while True:
                connection, _ = self._listener.accept()
                worker = threading.Thread(target=self._talk, args=[connection])
                self._workers.append(worker)
                worker.start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)

            with connection:
                connection.settimeout(5)
                read = 0
                while size := self._read(connection):
                    read += size
                    connection.sendall(self._answers.pop(0) if self._answers else ANSWER)
                    if not self._rest(connection, read):
                        return

    def _read(self, connection: socket.socket) -> int:
        """Read a request; how long it was, 0 at the end."""
        size, content = 0, b""
        while size < len(BODY) or not content.endswith(b"x"):
            content = connection.recv(65536)
            if not content:
                return 0

            self.touched += size == 0
            size += len(content)

        self.whole += 1
        return size


async def post(client: Client, server: Threaded) -> Reply | Broken:
    return await client.post(server.url, BODY, headers={})


def policy() -> DeliveryPolicy:
    return DeliveryPolicy(timeout_seconds=5, max_in_flight=4)


def received(connection: socket.socket) -> int:
    """How many bytes have come into a connection, read or not (Linux)."""
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
    number: int = struct.unpack_from("=Q", told, 128)[0]
    return number


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what was acknowledged")
async def test_ended_at_the_moment_of_reuse() -> None:
    """However the two race: in doubt is what had come to the server's host, and nothing else."""
    chance = Random(3)
    rounds, told = 200, []
    seen: SimpleQueue[bool] = SimpleQueue()
    gaps = [0.0]

    def end_about_now(connection: socket.socket, read: int) -> bool:
        time.sleep(max(0.0, gaps[-1] + chance.uniform(-0.0004, 0.0006)))
        connection.shutdown(socket.SHUT_RDWR)  # as closing, but that it can still be asked
        connection.settimeout(0.01)
        with suppress(OSError):
            while connection.recv(65536):  # what came before the end is dropped, not acted on
                pass

        seen.put(received(connection) - read > 1)  # the client's own end counts as one
        return False

    with Threaded(end_about_now) as server:
        for _ in range(rounds):
            gaps.append(chance.uniform(0.0, 0.002))
            async with open_client(policy(), clock=Clock()) as client:
                assert isinstance(await post(client, server), Reply)
                await anyio.sleep(gaps[-1])
                second = await post(client, server)

            had = await anyio.to_thread.run_sync(seen.get)
            if isinstance(second, Broken):
                told.append((second.body_started, had))
            else:
                await anyio.to_thread.run_sync(seen.get)

    assert {(False, False)} <= set(told) <= {(False, False), (True, True)}


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's, and that of a client who trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize("encrypted", [False, True])
async def test_nobody_is_doubled_in_the_race(encrypted: bool) -> None:  # noqa: FBT001  # a parameter
    """What is sent again because it was not begun was never read; each is read once."""
    chance = Random(4)
    rounds, unknown = 150, 0
    gaps = [0.0]
    theirs, ours = tls_contexts()

    def close_about_now(connection: socket.socket, read: int) -> bool:
        del connection, read
        time.sleep(max(0.0, gaps[-1] + chance.uniform(-0.0004, 0.0006)))
        return False

    with Threaded(close_about_now, tls=theirs if encrypted else None) as server:
        async with open_client(policy(), clock=Clock()) as client:
            client._connector._ssl = ours
            for _ in range(rounds):
                gaps.append(chance.uniform(0.0, 0.002))
                answer = await post(client, server)
                while isinstance(answer, Broken) and not answer.body_started:
                    answer = await post(client, server)

                unknown += isinstance(answer, Broken)
                await anyio.sleep(gaps[-1])

        assert rounds - unknown <= server.whole <= server.touched <= rounds
        assert unknown < rounds // 2


async def test_what_was_met_is_learnt() -> None:
    """A connection found closed after so long idle: from now on none is kept half as long."""
    clock = FakeClock()
    closing, closed = threading.Event(), threading.Event()

    def close_when_told(connection: socket.socket, read: int) -> bool:
        del read
        closing.wait(10)
        connection.close()
        closed.set()
        return False

    with Threaded(close_when_told) as server:
        async with open_client(policy(), clock=clock) as client:
            limits = [client._connector._keepalive_timeout]
            for idle in (3.0, 2.0, 0.25):
                closing.clear()
                closed.clear()
                assert isinstance(await post(client, server), Reply)
                clock.time += idle
                closing.set()
                closed.wait(10)  # blocks the loop on purpose: it cannot see the connection's end
                found = await post(client, server)
                assert isinstance(found, Broken)
                assert (found.breakage, found.body_started) == (Breakage.LOST, False)
                limits.append(client._connector._keepalive_timeout)

    assert limits == [IDLE_SECONDS, 1.5, 1.0, SHORTEST_IDLE_SECONDS]


async def test_a_reset_in_the_middle_teaches_nothing() -> None:
    """A connection lost at work was not idle too long, though it had been used before."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        if len(server.exchanges) == 1:
            await exchange.answer()
        else:
            exchange.reset()

    async with (
        Loopback(act) as server,
        open_client(policy(), clock=Clock()) as client,
    ):
        url = f"{server.url}/x"
        assert isinstance(await client.post(url, BODY, headers={}), Reply)
        lost = await client.post(url, BODY, headers={})
        assert isinstance(lost, Broken)
        assert (lost.body_started, server.connections) == (True, 1)
        assert client._connector._keepalive_timeout == IDLE_SECONDS


STALE = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\n"


@pytest.mark.parametrize("stale", [STALE + b'"1"', STALE, STALE[:9], b"bye"])
@pytest.mark.parametrize("moment", ["with the answer", "while idle", "unseen"])
async def test_an_answer_to_nobody(moment: str, stale: bytes) -> None:
    """What comes unasked is nobody's verdict: each request gets its own answer, or none."""
    stuttered, seen = threading.Event(), threading.Event()
    aside = moment == "with the answer"

    def stutter(connection: socket.socket, read: int) -> bool:
        del read
        if moment == "unseen":
            seen.wait(10)

        connection.sendall(b"" if aside else stale)
        stuttered.set()
        return True

    answers = [ANSWER + (stale if aside else b""), REFUSAL, REFUSAL]
    with Threaded(stutter, answers=answers) as server:
        async with open_client(policy(), clock=Clock()) as client:
            first = await post(client, server)
            seen.set()
            if moment == "unseen":
                stuttered.wait(10)  # blocks the loop on purpose: it cannot see what came
            else:
                await anyio.sleep(0.05)

            second = await post(client, server)
            if isinstance(second, Broken) and not second.body_started:
                assert server.touched == 1
                second = await post(client, server)

    assert status_of(first) in {201, None}
    assert status_of(second) in {400, None}
    if stale.startswith(STALE):
        assert isinstance(second, Reply)
        assert server.whole == 2


def status_of(answer: Reply | Broken) -> int | None:
    return answer.status if isinstance(answer, Reply) else None
