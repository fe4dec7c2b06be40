"""The HTTP client against a real server: what it says of the body must be true."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from pipeline import __version__
from pipeline.sending.client import ANSWER_BYTES, IDLE_SECONDS, open_client
from pipeline.sending.clock import Clock
from pipeline.sending.connection import SLICE_BYTES
from pipeline.sending.policy import DeliveryPolicy
from pipeline.sending.reply import Breakage, Broken, Reply
from tests.fakes.loopback import Exchange, Loopback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pipeline.sending.client import Client

BODY = b'{"x":1}' * 20_000
HEADERS = {"Authorization": "Bearer t"}


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with open_client(DeliveryPolicy(timeout_seconds=0.4), clock=Clock()) as opened:
        yield opened


async def post(client: Client, server: Loopback, body: bytes = BODY) -> Reply | Broken:
    return await client.post(f"{server.url}/x", body, headers=HEADERS)


async def broken(client: Client, server: Loopback) -> tuple[Breakage, bool]:
    answer = await post(client, server)
    assert isinstance(answer, Broken)
    return answer.breakage, answer.body_started


async def test_the_body_arrives_byte_for_byte(client: Client) -> None:
    """A body of any size arrives whole, with the headers Marketing Cloud wants."""
    bodies: list[bytes] = []

    async def act(exchange: Exchange) -> None:
        bodies.append(await exchange.body())
        await exchange.answer(201, b'{"eventInstanceId":"e"}', Content_Type="application/json")

    sizes = (1, 5_000, SLICE_BYTES, SLICE_BYTES + 1, 3_000_000)
    async with Loopback(act) as server:
        for size in sizes:
            answer = await post(client, server, b"x" * size)
            assert isinstance(answer, Reply)
            assert (answer.status, answer.body, answer.whole) == (
                201,
                b'{"eventInstanceId":"e"}',
                True,
            )

        assert [len(body) for body in bodies] == list(sizes)
        headers = server.exchanges[0].headers
        assert headers["content-type"] == "application/json; charset=UTF-8"
        assert headers["authorization"] == "Bearer t"
        assert headers["user-agent"] == f"journey-pipeline/{__version__}"
        assert server.connections == 1


async def test_nobody_listens(client: Client) -> None:
    """A refused connection is no answer, and the body was not begun."""
    async with Loopback(Exchange.answer) as server:
        pass

    assert await broken(client, server) == (Breakage.REFUSED, False)


async def test_no_such_host(client: Client) -> None:
    """A host that cannot be found is told apart from one that refuses."""
    answer = await client.post("http://nowhere.invalid/x", BODY, headers=HEADERS)
    assert isinstance(answer, Broken)
    assert answer.breakage is Breakage.DNS
    assert not answer.body_started
    assert "nowhere.invalid" in answer.detail


async def test_no_connection_in_time(client: Client) -> None:
    """A connection that is never made leaves the body unbegun."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):  # the queue of a listener that never accepts
                filler.settimeout(0)
                filler.connect_ex(address)

            url = f"http://127.0.0.1:{address[1]}/x"
            answer = await client.post(url, BODY, headers=HEADERS)

    assert isinstance(answer, Broken)
    assert answer.breakage in {Breakage.CONNECT_TIMEOUT, Breakage.TIMEOUT}
    assert not answer.body_started


async def _reset_before_body(exchange: Exchange) -> None:
    exchange.reset()


async def _reset_in_body(exchange: Exchange) -> None:
    await exchange.reader.readexactly(1000)
    exchange.reset()


async def _reset_after_body(exchange: Exchange) -> None:
    await exchange.body()
    exchange.reset()


async def _close_after_body(exchange: Exchange) -> None:
    await exchange.body()
    exchange.close()


async def _half_a_head(exchange: Exchange) -> None:
    await exchange.body()
    await exchange.raw(b"HTTP/1.1 201 Crea")
    exchange.close()


@pytest.mark.parametrize(
    "act", [_reset_before_body, _reset_in_body, _reset_after_body, _close_after_body, _half_a_head]
)
async def test_lost_after_the_first_byte(client: Client, act: object) -> None:
    """However a connection is lost once the body had begun, it is told as begun and not resent."""
    async with Loopback(act) as server:  # type: ignore[arg-type]
        assert await broken(client, server) == (Breakage.LOST, True)
        assert len(server.exchanges) == 1


async def test_what_is_no_http(client: Client) -> None:
    """An answer in another language is no answer."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.raw(b"220 smtp.example.org ready\r\n\r\n")
        exchange.close()

    async with Loopback(act) as server:
        assert await broken(client, server) == (Breakage.MALFORMED, True)


async def test_no_answer_in_time(client: Client) -> None:
    """A server that takes the body and falls silent leaves the body begun."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await asyncio.sleep(60)

    async with Loopback(act) as server:
        assert await broken(client, server) == (Breakage.TIMEOUT, True)


async def test_an_answer_cut_in_its_body(client: Client) -> None:
    """The status line has come: it stands, and the rest is as much as there was."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.raw(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"event')
        exchange.close()

    async with Loopback(act) as server:
        answer = await post(client, server)

    assert isinstance(answer, Reply)
    assert (answer.status, answer.body, answer.whole) == (201, b'{"event', False)


async def test_an_answer_that_never_ends(client: Client) -> None:
    """No more of an answer is read than the cap."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer(201, b"y" * (3 * ANSWER_BYTES))

    async with Loopback(act) as server:
        answer = await post(client, server)

    assert isinstance(answer, Reply)
    assert (len(answer.body), answer.whole) == (ANSWER_BYTES, False)


async def test_an_answer_before_the_body_is_read(client: Client) -> None:
    """An early refusal is an answer, not a broken connection."""

    async def act(exchange: Exchange) -> None:
        await exchange.answer(429, b"{}", Retry_After="7", Connection="close")
        await exchange.body()
        exchange.close()

    async with Loopback(act) as server:
        answer = await post(client, server, b"z" * 3_000_000)

    assert isinstance(answer, Reply)
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(client: Client, status: int) -> None:
    """The token goes to the configured host and nowhere else."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer(status, Location=f"{other.url}/elsewhere")

    async with Loopback(Exchange.answer) as other, Loopback(act) as server:
        answer = await post(client, server)
        assert isinstance(answer, Reply)
        assert answer.status == status
        assert other.connections == 0


async def test_cookies_are_not_kept(client: Client) -> None:
    """What a server sets does not come back to it."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer(201, Set_Cookie="a=b")

    async with Loopback(act) as server:
        server.url = server.url.replace("127.0.0.1", "localhost")  # addresses never get cookies
        await post(client, server)
        await post(client, server)
        assert "cookie" not in server.exchanges[1].headers


async def test_a_connection_closed_while_idle_is_not_begun(client: Client) -> None:
    """A connection whose end lies in the kernel, unseen by the loop, has taken no byte."""
    answered, closed = threading.Event(), threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve_once() -> None:
        connection, _ = listener.accept()
        with connection:
            while b"\r\n\r\nbody" not in connection.recv(65536):
                pass

            connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
            answered.wait(10)

        closed.set()

    thread = threading.Thread(target=serve_once)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    with listener:
        first = await client.post(url, b"body", headers=HEADERS)
        assert isinstance(first, Reply)
        answered.set()
        closed.wait(10)  # blocks the loop on purpose: it cannot see that the connection ended
        second = await client.post(url, b"body", headers=HEADERS)

    thread.join()
    assert isinstance(second, Broken)
    assert (second.breakage, second.body_started) == (Breakage.LOST, False)


async def test_an_idle_limit_that_the_server_names(client: Client) -> None:
    """Connections are dropped before the server drops them."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer(201, Keep_Alive=f"timeout={limits[-1]}, max=100")

    limits = [100]
    async with Loopback(act) as server:
        for limit, kept in ((100, IDLE_SECONDS), (3, 2.0), (1, 0.5), (9, 0.5)):
            limits.append(limit)
            await post(client, server)
            assert client._connector._keepalive_timeout == kept

        assert server.connections == 1
        limits.append(0)
        await post(client, server)
        await post(client, server)
        assert server.connections == 2


async def test_a_certificate_nobody_vouches_for(client: Client) -> None:
    """A server that cannot prove its name gets neither token nor contacts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with Loopback(Exchange.answer, tls=context) as server:
        assert await broken(client, server) == (Breakage.CERTIFICATE, False)
        assert not server.exchanges


async def test_proxies_of_the_environment_do_not_count(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way to Marketing Cloud is the config's business, not the environment's."""

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        await exchange.answer()

    async with Loopback(act) as proxy, Loopback(act) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert isinstance(await post(client, server), Reply)
        assert proxy.connections == 0


async def test_cancelled_in_the_middle(client: Client) -> None:
    """A cancelled POST is cancelled: it neither answers nor lingers."""
    arrived = asyncio.Event()

    async def act(exchange: Exchange) -> None:
        await exchange.body()
        arrived.set()
        await asyncio.sleep(60)

    async with Loopback(act) as server:
        task = asyncio.create_task(post(client, server))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
