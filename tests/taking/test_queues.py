"""Every queue passes the conformance test, on its real broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contracts import queue_source, queue_stopped
from tests.contracts.queue_arrival import check_arrived
from tests.contracts.queue_backlog import check_backlog, check_lag
from tests.contracts.queue_limit import LONG_SECONDS, check_given_back, check_limited
from tests.contracts.queue_source import Bench
from tests.fakes.brokers import BROKERS, RABBIT, Kafka, Nats, Rabbit, Sqs, Valkey
from tests.fakes.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.brokers import Broker
    from tests.fakes.simulator_process import SimulatorProcess

pytestmark = pytest.mark.timeout(400)  # where the machine has much else to do

QUICKLY = {
    "test_killed": tuple(BROKERS),
    "test_backlog": tuple(BROKERS),
    "test_lag": ("redis", "amqp", "kafka"),
    "test_arrived": ("nats", "sqs", "amqp"),
    "test_limited": tuple(BROKERS),
    "test_given_back": ("redis", "nats", "sqs", "amqp"),
    "test_taken_over": ("redis", "nats"),
    "test_stopped": tuple(BROKERS),
    "test_retried": ("redis", "amqp"),
    "test_alone": ("nats", "sqs"),
    "test_patience": ("redis", "sqs"),
    "test_drained": ("redis",),
    "test_shut": ("redis",),
    "test_enqueued": ("redis",),
    "test_story": (),
}
"""What is tried in every run; with `--queues N` all of it, and a story of N contacts, is."""


ONLY_THERE = ("test_arrived", "test_given_back")
"""Of queues that know no workers, and of those that give messages in their order."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each broker is started once for all tests on it."""
    name = metafunc.function.__name__
    all_of_them = metafunc.config.getoption("queues") and name not in ONLY_THERE
    tried = tuple(BROKERS) if all_of_them else QUICKLY[name]
    metafunc.parametrize("broker", tried, indirect=True, scope="module")


@pytest.fixture(scope="module")
def broker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    if request.param == "amqp" and not RABBIT.exists():
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")

    with BROKERS[request.param](tmp_path_factory.mktemp(request.param)) as broker:
        yield broker


@pytest.fixture
def bench(
    broker: Broker, simulator: SimulatorProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    simulator.reset()
    simulator.set_faults()
    queue = request.node.originalname.removeprefix("test_")
    broker.make(queue)
    with Program(tmp_path, **broker.environment) as program:
        yield Bench(broker=broker, simulator=simulator, program=program, queue=queue)


def test_killed(bench: Bench) -> None:
    """A worker that is killed, and a broker that is killed, lose nothing and double nobody."""
    queue_source.check_killed(bench)


def test_backlog(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits, what is taken and how old the oldest is can be asked, as far as it is told."""
    broker = bench.broker
    for name, value in broker.environment.items():
        monkeypatch.setenv(name, value)

    check_backlog(
        bench,
        tells_age=isinstance(broker, Valkey | Nats),
        tells_taken=not isinstance(broker, Rabbit | Kafka),
        commits=isinstance(broker, Kafka),
    )


def test_lag(bench: Bench) -> None:
    """A worker tells a monitor what lies on its queue."""
    check_lag(bench)


def test_arrived(bench: Bench) -> None:
    """What had just arrived when a worker was killed is sent."""
    check_arrived(bench)


@pytest.mark.timeout(300)
def test_limited(bench: Bench) -> None:
    """A run that ends by `--limit` leaves the rest to others, and nobody in doubt."""
    # Where one has left a group, the mock cluster has the next wait for as long as it takes to
    # forget one that fell silent. A broker does not.
    idle_seconds = 6.0 if isinstance(bench.broker, Kafka) else LONG_SECONDS
    check_limited(bench, claim_idle_seconds=idle_seconds)


@pytest.mark.timeout(300)
def test_given_back(bench: Bench) -> None:
    """Nor what it took too much of, because it was larger than was thought."""
    check_given_back(bench)


def test_taken_over(bench: Bench) -> None:
    """What another worker may have sent is held."""
    queue_source.check_taken_over(bench)


def test_stopped(bench: Bench) -> None:
    """Nothing is sent of what another one was given meanwhile; both books balance, and say so."""
    queue_stopped.check_stopped(bench)


def test_retried(bench: Bench) -> None:
    """What is absent by the other one's books, and sent again from there, is sent once."""
    queue_stopped.check_retried(bench)


def test_alone(bench: Bench) -> None:
    """Stopped where nobody else is, it goes on with all of it."""
    queue_stopped.check_alone(bench)


def test_patience(bench: Bench) -> None:
    """What waits on the pace is held beyond the deadline."""
    # A worker that joins takes partitions of the other, which must have settled in three seconds:
    # so it is in the mock cluster. A broker waits for minutes.
    rate = 10.0 if isinstance(bench.broker, Kafka) else 1.5
    queue_source.check_patience(bench, rate=rate)


def test_drained(bench: Bench) -> None:
    """Nothing is taken by looking, and what is left at the end of a drain is sent by the next."""
    queue_source.check_drained(bench)


def test_shut(bench: Bench) -> None:
    """Paused, or outside its window, it ends when it is told to; the next worker sends the rest."""
    queue_source.check_shut(bench)


def test_enqueued(bench: Bench) -> None:
    """A killed `enqueue` goes on, and what it has put is taken once."""
    queue_source.check_enqueued(bench, doubles=isinstance(bench.broker, Sqs | Rabbit | Kafka))


@pytest.mark.timeout(3600)  # how long it takes is the broker's
def test_story(
    bench: Bench, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Many contacts, three kills, one restart of the broker: none lost, none sent twice."""
    told = queue_source.check_story(bench, request.config.getoption("queues"))
    with capsys.disabled():
        print(f"\n{type(bench.broker).__name__}: {told}")  # noqa: T201  # the figures are the point
