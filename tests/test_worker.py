"""A worker as it is looked at from outside: real processes, real sockets, real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from playwright.sync_api import expect
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.brokers import Valkey
from tests.fakes.browser import Viewer, browsing
from tests.fakes.configs import CLIENT_SECRET, write_config
from tests.fakes.processes import children
from tests.fakes.program import Program, Running, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.fakes.simulator_process import SimulatorProcess

HEAD = 3000
HEADER = b"customer_id,EmailAddress,FirstName\n"
OPENER = build_opener(ProxyHandler({}))


def rows(first: int, last: int) -> bytes:
    return b"".join(b"C%05d,c%d@example.com,Ann\n" % (n, n) for n in range(first, last + 1))


class Worker:
    """A run whose source is a pipe, and what it answers to whoever asks."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.url = ""

    def begin(self) -> None:
        """Give it as much as a run looks at before it begins, and wait until it listens."""
        self.feed(HEADER + rows(1, HEAD))
        self.listens()

    def listens(self) -> None:
        """Wait until it does."""
        found = eventually(lambda: re.search(r"http://127\S+/", self.running.said()))
        self.url = found[0]

    def feed(self, content: bytes) -> None:
        self.running.stdin.write(content)
        self.running.stdin.flush()

    def ask(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and text of an answer."""
        try:
            with OPENER.open(Request(self.url + path, headers=headers), timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Each sample by its name and its labels' values."""
        status, text = self.ask("metrics")
        assert status == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def settled(self, contacts: int) -> dict[tuple[str, ...], float]:
        """The metrics, once so many contacts are accepted."""

        def asked() -> dict[tuple[str, ...], float] | None:
            found = self.metrics()
            return found if found["journey_contacts_total", "accepted"] >= contacts else None

        found: dict[tuple[str, ...], float] = eventually(asked)
        return found


def configured(program: Program, simulator: SimulatorProcess, **sections: Any) -> None:
    write_config(
        program.directory / "worker.toml",
        url=simulator.url,
        source="-",
        **{
            "batch": {"linger_seconds": 0.05},
            "worker": {"listen": "127.0.0.1:0"},
            **sections,
        },
    )


def begun(program: Program, simulator: SimulatorProcess, **sections: Any) -> Worker:
    """A worker that waits for contacts."""
    configured(program, simulator, **sections)
    worker = Worker(program.start("run", "worker.toml", "--json"))
    worker.begin()
    return worker


def test_a_worker_that_is_looked_at(program: Program, simulator: SimulatorProcess) -> None:
    """It is alive, ready, and counts what it does; whatever it tells holds nothing of a contact."""
    worker = begun(program, simulator)
    assert worker.ask("healthz") == (200, "ok\n")
    eventually(lambda: worker.ask("readyz") == (200, "ok\n"))

    worker.feed(rows(HEAD + 1, HEAD + 1200))
    found = worker.settled(HEAD + 1200)
    assert found["journey_contacts_read_total",] == HEAD + 1200
    assert found["journey_requests_total", "201"] == found["journey_request_seconds_count",] >= 3
    assert found["journey_request_seconds_bucket", "+Inf"] >= 3
    assert (found["journey_tokens_total",], found["journey_phase", "running"]) == (1, 1)
    assert found["journey_token_age_seconds",] < 60 < found["journey_token_lifetime_seconds",]
    assert found["journey_limit", "source"] == 1
    assert found["journey_journal_bytes",] > 10_000
    assert (found["journey_contacts_unsettled",], found["journey_requests_in_flight",]) == (0, 0)
    assert all(name.startswith("journey_") for name, *_ in found)
    told = "".join(worker.ask(path)[1] for path in ("", "metrics", "readyz"))
    assert "@example" not in told
    assert CLIENT_SECRET not in told

    assert worker.ask("metrics", Host="mallory.example")[0] == 403
    assert worker.ask("journal.db")[0] == 404
    ran = worker.running.ended()
    assert (ran.code, ran.json["accepted"]) == (0, HEAD + 1200)
    with pytest.raises(OSError, match="refused"):
        worker.ask("healthz")


def test_not_ready(program: Program, simulator: SimulatorProcess) -> None:
    """Who waits for a token is alive and not ready, and says what is missing."""
    simulator.set_faults("slow:on=token,seconds=30")
    worker = begun(program, simulator)
    status, text = worker.ask("readyz")
    assert (status, "no token" in text, "not being read" in text) == (503, True, True)
    assert worker.ask("healthz")[0] == 200
    worker.running.signal(signal.SIGTERM)
    assert worker.running.ended().code == 5


def test_an_address_that_is_taken(program: Program, simulator: SimulatorProcess) -> None:
    """It is said before anything is sent, and nothing is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        configured(program, simulator, worker={"listen": listen})
        ran = program("run", "worker.toml", stdin=HEADER + rows(1, 3))

    assert ran.code == 2
    assert f"worker.listen: {listen} is not to be had: address already in use" in ran.stderr
    assert not (program.directory / "run").exists()
    assert simulator.summary()["contacts"]["taken"] == 0


def records(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def test_what_is_said_is_json(program: Program, simulator: SimulatorProcess) -> None:
    """Every line on stderr is an object with its time, its level, its event and its text."""
    simulator.set_faults("revoke:at=2")
    worker = begun(program, simulator, worker={"listen": "127.0.0.1:0", "log_level": "debug"})
    worker.settled(HEAD)
    ran = worker.running.ended()
    lines = records(ran.stderr)
    assert all({"at", "level", "event", "text"} <= set(line) for line in lines)
    by_event = {line["event"]: line for line in lines}
    assert by_event["ListeningStarted"]["level"] == "info"
    assert by_event["RequestEnded"]["level"] == "debug"
    warning = next(line for line in lines if line["level"] == "warning")
    assert "a token was refused" in warning["text"]
    assert (by_event["Progress"]["accepted"], by_event["Progress"]["in_flight"]) == (HEAD, 0)
    assert by_event["Summary"]["accepted"] == HEAD == ran.json["accepted"]
    assert "@example" not in ran.stderr


def test_an_error_is_json_too(program: Program, simulator: SimulatorProcess) -> None:
    """Why a worker could not begin is a record, and the exit code is what it always was."""
    configured(program, simulator, mapping={"contact_key": "nobody"})
    ran = program("run", "worker.toml", stdin=HEADER + rows(1, 3))
    assert ran.code == 2
    (line,) = records(ran.stderr)
    assert (line["event"], line["exit_code"], "nobody" in line["text"]) == ("Error", 2, True)


def test_text_for_who_wants_it(program: Program, simulator: SimulatorProcess) -> None:
    """`logs` and `log_level` decide, where no terminal does."""
    wanted = {"listen": None, "logs": "text", "log_level": "warning"}
    configured(program, simulator, worker=wanted)
    ran = program("run", "worker.toml", stdin=HEADER + rows(1, 3))
    assert ran.stderr.startswith("Completed after")


@contextmanager
def hangups_ignored() -> Iterator[None]:
    """What is begun meanwhile is as if `nohup` had begun it."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, former)


@pytest.mark.parametrize("begins", [nullcontext, hangups_ignored], ids=["as it is", "nohup"])
def test_the_config_is_read_again(
    program: Program,
    simulator: SimulatorProcess,
    begins: Callable[[], AbstractContextManager[None]],
) -> None:
    """SIGHUP takes another pace and log level, also of a worker that `nohup` has begun; what needs
    a new process is named; errors change nothing."""
    with begins():
        worker = begun(program, simulator)

    assert worker.settled(HEAD)["journey_requests_per_second_asked",] == 1000
    changed = {
        "delivery": {"requests_per_second": 7.0, "max_attempts": 3},
        "worker": {"listen": "127.0.0.1:0", "log_level": "warning"},
    }
    configured(program, simulator, **changed)
    worker.running.signal(signal.SIGHUP)
    eventually(lambda: worker.metrics()["journey_requests_per_second_asked",] == 7)
    (program.directory / "worker.toml").write_text("[nonsense]\n")
    worker.running.signal(signal.SIGHUP)
    eventually(lambda: "not read again" in worker.running.said())
    assert worker.metrics()["journey_requests_per_second_asked",] == 7
    ran = worker.running.ended()
    by_event = {line["event"]: line for line in records(ran.stderr)}
    assert "[nonsense] is not a known section" in by_event["ReloadRefused"]["text"]
    assert "ConfigReloaded" not in by_event  # news, and warnings alone are wanted now
    assert "Progress" not in by_event


def test_a_terminal_that_is_closed(program: Program, simulator: SimulatorProcess) -> None:
    """SIGHUP to all of its processes: the worker reads its config, and goes on with its encoder."""
    worker = begun(program, simulator, run={"directory": "run", "encoder": "process"})
    worker.settled(HEAD)
    encoders = children(worker.running.pid)
    assert encoders
    os.killpg(worker.running.pid, signal.SIGHUP)
    eventually(lambda: "read again" in worker.running.said())
    worker.feed(rows(HEAD + 1, HEAD + 10))
    worker.settled(HEAD + 10)
    assert children(worker.running.pid) == encoders
    assert worker.running.ended().code == 0


def test_a_drain_that_takes_too_long(program: Program, simulator: SimulatorProcess) -> None:
    """After `drain_seconds` what is under way is left: unknown, told at the next start, and never
    sent again."""
    simulator.set_faults("slow:seconds=30")
    worker = begun(program, simulator, worker={"listen": "127.0.0.1:0", "drain_seconds": 0.5})
    eventually(lambda: worker.metrics()["journey_requests_in_flight",])
    before = time.monotonic()
    worker.running.signal(signal.SIGTERM)
    eventually(lambda: not worker.running.alive())
    assert 0.5 <= time.monotonic() - before < 10
    ran = worker.running.ended()
    assert (ran.code, ran.json["state"], ran.json["accepted"]) == (5, "interrupted", 0)
    assert "as do 0.5 s" in ran.stderr


def test_a_service_manager_is_told(
    program: Program, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """READY once what comes is taken, WATCHDOG in time, STATUS for people, STOPPING at the end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20.0)
        program.environment |= {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "400000",
        }
        configured(program, simulator, worker={"listen": None})
        running = program.start("run", "worker.toml")
        told: list[str] = []

        def hear(wanted: str, times: int = 1) -> None:
            while told.count(wanted) < times:
                told.append(manager.recv(4096).decode())

        hear("WATCHDOG=1", 2)  # alive, and not ready: there is nothing to take yet
        assert "READY=1" not in told
        running.stdin.write(HEADER + rows(1, HEAD))
        running.stdin.flush()
        hear("READY=1")
        hear("WATCHDOG=1", 6)
        assert any(line.startswith("STATUS=") for line in told)
        assert "STOPPING=1" not in told
        running.signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert running.ended().code in {0, 5}


SHOWN = """() => ({
  phase: document.getElementById("phase")?.textContent,
  tiles: Object.fromEntries([...document.querySelectorAll(".tile")].map(
    (tile) => [tile.querySelector("span").textContent, tile.querySelector("b").textContent])),
  drawn: [...document.querySelectorAll("canvas")].filter((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value) => value);
  }).length,
  overflow: document.documentElement.scrollWidth - innerWidth,
  ground: getComputedStyle(document.body).backgroundColor,
})"""


def test_the_live_page(program: Program, simulator: SimulatorProcess) -> None:
    """In a real browser: figures and charts move by themselves, nothing is asked of anybody else,
    it fits a phone, is dark where that is liked, and says when it is over. So with the report."""
    worker = begun(program, simulator)
    with browsing() as viewer:
        desk = viewer.open(worker.url)
        expect(desk.locator("canvas")).to_have_count(5)
        worker.feed(b",x@example.com,Ann\n" + rows(HEAD + 1, HEAD + 1500))
        expect(desk.locator(".tile b").first).to_have_text("4,500", timeout=20_000)
        desk.wait_for_timeout(1_100)  # one beat more, so that a line has two ends
        shown = desk.evaluate(SHOWN)
        assert shown["phase"] == "running"
        assert shown["tiles"]["rejected"] == "1"
        assert shown["tiles"]["limited by"] == "source"
        for place in ("on the queue", "in the folder"):  # it is a pipe
            expect(desk.locator(".tile", has_text=place)).to_be_hidden()

        assert (shown["drawn"], shown["overflow"]) == (5, 0)

        phone = viewer.open(worker.url, width=360, scheme="dark")
        expect(phone.locator("canvas")).to_have_count(5)
        small = phone.evaluate(SHOWN)
        assert small["overflow"] <= 0
        assert small["ground"] != shown["ground"]
        assert all(url.startswith(worker.url) for url in viewer.asked)
        assert "C00001" not in desk.content()

        worker.running.stdin.close()
        expect(desk.locator("#phase")).to_have_text("the process has ended")
        ran = worker.running.ended()
        assert (ran.code, ran.json["accepted"]) == (1, HEAD + 1500)
        assert viewer.complaints == []
        the_report_is_drawn(program, viewer)


def the_report_is_drawn(program: Program, viewer: Viewer) -> None:
    """One file, drawn from what is in it: nothing is fetched, nothing is told of a contact."""
    written = program("report", "worker.toml")
    assert (written.code, "run/report.html written" in written.stderr) == (0, True)
    path = program.directory / "run" / "report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert len(text) < 200_000
    assert "@example" not in text
    assert "C00002" not in text

    viewer.asked.clear()
    page = viewer.open(path.as_uri())
    expect(page.locator("canvas")).to_have_count(5)
    told = page.inner_text("body")
    for line in ("missing_contact_key", "201", "4,500", "completed"):
        assert line in told

    assert page.evaluate(SHOWN)["drawn"] == 5
    assert viewer.asked == [path.as_uri()]
    assert viewer.complaints == []


def test_a_worker_of_a_queue(program: Program, simulator: SimulatorProcess) -> None:
    """It is ready as long as its queue answers, says so where it does not, and is again when it
    does; SIGTERM ends it well."""
    place = program.directory / "valkey"
    place.mkdir()
    with Valkey(place) as broker:
        write_config(
            program.directory / "worker.toml",
            url=simulator.url,
            source=broker.url("contacts"),
            worker={"listen": "127.0.0.1:0"},
        )
        program.environment |= broker.environment
        worker = Worker(program.start("run", "worker.toml", "--json"))
        worker.listens()
        eventually(lambda: worker.ask("readyz") == (200, "ok\n"))
        bodies = [
            json.dumps({"customer_id": f"Q{n}", "EmailAddress": "q@example.com"}).encode()
            for n in range(20)
        ]
        broker.put("contacts", bodies)
        assert worker.settled(20)["journey_source_up",] == 1

        broker._process.kill()
        eventually(lambda: worker.ask("readyz") == (503, "its queue cannot be talked to\n"))
        assert worker.ask("healthz")[0] == 200
        broker._process.start()
        eventually(lambda: worker.ask("readyz")[0] == 200)
        worker.running.signal(signal.SIGTERM)
        ran = worker.running.ended()
        assert (ran.code, ran.json["accepted"]) == (0, 20)
