"""Brokers that let in nobody but a user with a password, over TLS, with a certificate of their own.

Each is a context that tells the URL of a queue that nobody has made yet.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import redis

from tests.fakes.brokers import BrokerProcess, Rabbit, Valkey, free_port, listens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from trustme import CA

__all__ = ("PASSWORD", "SECURED", "USER")

USER = "pipeline"
PASSWORD = "Pa55-of-the-queue/&%"


class Papers:
    """A server's certificate and key as files."""

    def __init__(self, directory: Path, authority: CA) -> None:
        issued = authority.issue_cert("127.0.0.1")
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        self.authority = directory / "authority.pem"
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))
        issued.private_key_pem.write_to_path(str(self.key))
        authority.cert_pem.write_to_path(str(self.authority))


class TlsFront:
    """TLS in front of a server that has none: what comes in on `port` goes on in clear."""

    def __init__(self, papers: Papers, port: int) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(papers.certificate, papers.key)
        self._behind = port
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._serve)

    def __enter__(self) -> TlsFront:
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._pass_on, "127.0.0.1", self.port, ssl=self._context)
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        self._loop.run_forever()
        self._server.close()
        self._loop.run_until_complete(_cancel_all())
        self._loop.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        ways = (_copy(reader, behind_writer), _copy(behind_reader, writer))
        with suppress(OSError):
            await asyncio.gather(*ways)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()

    await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def valkey(directory: Path, papers: Papers) -> Iterator[str]:
    """Valkey, as PyPI has it, was built without TLS."""
    with Valkey(directory) as server:
        with closing(redis.Redis(port=server.port)) as client:
            client.acl_setuser(
                USER, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], categories=["+@all"]
            )
            client.acl_setuser("default", enabled=False)

        with TlsFront(papers, server.port) as front:
            yield f"rediss://{USER}@127.0.0.1:{front.port}/0/contacts"


@contextmanager
def _nats(directory: Path, papers: Papers, *, login: str, user: str) -> Iterator[str]:
    port = free_port()
    config = directory / "nats.conf"
    config.write_text(
        f'listen: "127.0.0.1:{port}"\n'
        f'jetstream {{ store_dir: "{directory}" }}\n'
        f'tls {{ cert_file: "{papers.certificate}", key_file: "{papers.key}" }}\n'
        f"authorization {{ {login} }}\n"
    )
    server = Path(sys.executable).parent / "nats-server"
    process = BrokerProcess([str(server), "-c", str(config)], ready=listens(port))
    process.start()
    try:
        yield f"natss://{user}127.0.0.1:{port}/contacts"
    finally:
        process.kill()


@contextmanager
def nats_user(directory: Path, papers: Papers) -> Iterator[str]:
    login = f'user: "{USER}", password: "{PASSWORD}"'
    with _nats(directory, papers, login=login, user=f"{USER}@") as url:
        yield url


@contextmanager
def nats_token(directory: Path, papers: Papers) -> Iterator[str]:
    with _nats(directory, papers, login=f'token: "{PASSWORD}"', user="") as url:
        yield url


@contextmanager
def rabbit(directory: Path, papers: Papers) -> Iterator[str]:
    port = free_port()
    (directory / "rabbitmq.conf").write_text(
        f"listeners.ssl.1 = 127.0.0.1:{port}\n"
        f"ssl_options.cacertfile = {papers.authority}\n"
        f"ssl_options.certfile = {papers.certificate}\n"
        f"ssl_options.keyfile = {papers.key}\n"
    )
    with Rabbit(directory) as server:
        server.control("add_user", USER, PASSWORD)
        server.control("set_permissions", USER, ".*", ".*", ".*")
        yield f"amqps://{USER}@127.0.0.1:{port}/%2F/contacts"


SECURED: dict[str, Callable[[Path, Papers], AbstractContextManager[str]]] = {
    "redis": valkey,
    "nats-user": nats_user,
    "nats-token": nats_token,
    "amqp": rabbit,
}
"""Each kind of queue, and how it is served."""
