"""Queues over TLS that ask for a password: it is asked for, given, and told to nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import confluent_kafka
import pytest
import trustme

from pipeline.intake.queues.kafka_line import settings
from pipeline.intake.queues.place import place_of
from pipeline.intake.source import SourcePolicy
from tests.fakes.brokers import RABBIT, Kafka
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.program import Program
from tests.fakes.secured import PASSWORD, SECURED, Papers
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.program import Ran

pytestmark = pytest.mark.timeout(300)

CONTACTS = 300
WRONG = "not-the-Pa55word"


@pytest.fixture(scope="module", params=SECURED)
def queue(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The URL of a queue, and the certificate that its server is held against."""
    if request.param == "amqp" and not RABBIT.exists():
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")

    directory = tmp_path_factory.mktemp(request.param)
    papers = Papers(directory, trustme.CA())
    with SECURED[request.param](directory, papers) as url:
        yield url, papers.authority


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as simulator:
        yield simulator


@pytest.fixture
def program(
    tmp_path: Path, simulator: SimulatorProcess, queue: tuple[str, Path]
) -> Iterator[Program]:
    """A config of a file to be put on the queue, and one of a worker that takes from it."""
    simulator.reset()
    url, authority = queue
    with Program(tmp_path, JOURNEY_QUEUE_PASSWORD=PASSWORD) as program:
        write_contacts(tmp_path / "contacts.csv", range(1, CONTACTS + 1))
        trusted = {"ca_file": str(authority)}
        feed = {"url": "contacts.csv", **trusted}
        write_config(tmp_path / "feed.toml", url=simulator.url, source=feed)
        write_config(tmp_path / "worker.toml", url=simulator.url, source={"url": url, **trusted})
        program.environment["JOURNEY_SOURCE__PASSWORD"] = PASSWORD
        yield program


def audited(program: Program, *rans: Ran) -> None:
    """No password in what was said, nor in any file that was written."""
    told = "".join(ran.stdout + ran.stderr for ran in rans).encode()
    told += b"".join(path.read_bytes() for path in program.directory.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in told
    assert WRONG.encode() not in told


def test_who_has_the_password_takes_and_puts(
    program: Program, simulator: SimulatorProcess, queue: tuple[str, Path]
) -> None:
    """All contacts go there and back over TLS, and the password stays out of everything."""
    put = program("enqueue", "feed.toml", queue[0])
    assert put.code == 0, put.stderr
    checked = program("check", "worker.toml")
    assert checked.code == 0, checked.stdout
    ran = program("run", "worker.toml", "--json", "--limit", str(CONTACTS))
    assert (ran.code, ran.json["accepted"]) == (0, CONTACTS), ran.stderr
    assert simulator.summary()["contacts"]["taken"] == CONTACTS
    status = program("status", "worker.toml")
    audited(program, put, checked, ran, status)


def test_who_has_a_wrong_password_is_told_so(program: Program, queue: tuple[str, Path]) -> None:
    """At once, by a sentence that names the setting; it is not tried again and again."""
    program.environment["JOURNEY_SOURCE__PASSWORD"] = WRONG
    program.environment["JOURNEY_QUEUE_PASSWORD"] = WRONG
    put = program("enqueue", "feed.toml", queue[0], "--again")
    checked = program("check", "worker.toml")
    ran = program("run", "worker.toml")
    assert (put.code, checked.code, ran.code) == (2, 2, 2), put.stderr + checked.stdout + ran.stderr
    assert "JOURNEY_QUEUE_PASSWORD" in put.stderr
    assert "JOURNEY_SOURCE__PASSWORD" in checked.stdout
    assert "JOURNEY_SOURCE__PASSWORD" in ran.stderr
    assert not any("warning" in told for told in (put.stderr, checked.stderr, ran.stderr))

    audited(program, put, checked, ran)


def test_a_server_that_nobody_vouches_for_is_not_talked_to(
    program: Program, simulator: SimulatorProcess, queue: tuple[str, Path]
) -> None:
    """Its certificate is not one of the system's: the password does not reach it."""
    write_config(program.directory / "worker.toml", url=simulator.url, source={"url": queue[0]})
    checked = program("check", "worker.toml")
    assert checked.code == 2
    assert "certificate" in checked.stdout.lower()
    audited(program, checked)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_kafkas_client_is_told_of_user_and_certificate(tmp_path: Path, mechanism: str) -> None:
    """As far as there is a broker to try it on: it takes what it is told, and tells no password."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    place = place_of(
        SourcePolicy(
            url="kafkas://pipeline@127.0.0.1:9/contacts",
            password=PASSWORD,
            ca_file=str(tmp_path / "ca.pem"),
            sasl_mechanism=mechanism,
        )
    )
    told = settings(place)
    assert (told["security.protocol"], told["sasl.mechanism"]) == ("SASL_SSL", mechanism)
    assert (told["sasl.username"], told["sasl.password"]) == ("pipeline", PASSWORD)
    consumer = confluent_kafka.Consumer(told | {"group.id": "journey"})
    with pytest.raises(confluent_kafka.KafkaException) as refused:
        consumer.list_topics("contacts", timeout=1)

    consumer.close()
    assert PASSWORD not in str(refused.value) + repr(place) + place.label


def test_kafka_in_clear_gets_no_password(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """A broker without TLS, where TLS is asked for, is one that cannot be reached."""
    with Kafka(tmp_path) as broker, Program(tmp_path, JOURNEY_SOURCE__PASSWORD=PASSWORD) as program:
        broker.make("contacts")
        url = broker.url("contacts").replace("kafka://", "kafkas://pipeline@")
        write_config(tmp_path / "worker.toml", url=simulator.url, source=url)
        checked = program("check", "worker.toml")
        assert checked.code == 2
        assert "cannot be reached" in checked.stdout
        audited(program, checked)
