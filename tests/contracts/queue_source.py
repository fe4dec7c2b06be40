"""What every queue holds to, against its real broker, through the program as it is run.

A contact is known by its key: those of a test are unique. Whatever happens to workers and broker,
in the end each has one outcome, nobody was sent twice, and the queue is empty.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.errors import RunDirectoryError
from pipeline.settling.view import viewed
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.program import Program
from tests.fakes.program import eventually as within
from tests.fakes.runs import every_line
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tests.fakes.brokers import Broker
    from tests.fakes.program import Ran, Running

__all__ = (
    "Bench",
    "benched",
    "check_drained",
    "check_enqueued",
    "check_killed",
    "check_patience",
    "check_shut",
    "check_story",
    "check_taken_over",
    "told_of",
)

MAX_RECORDS = 50
MAX_IN_FLIGHT = 4
DEADLINE_SECONDS = 2.0
"""After which a message that is not extended goes to another worker."""

PATIENCE_SECONDS = 200.0
eventually = partial(within, seconds=PATIENCE_SECONDS)

POISON = (b"{broken", b"\xff\xfe\x00", b'"a text"', b"[1, 2")


@dataclass(kw_only=True)
class Bench:
    """A broker, a queue on it, a Marketing Cloud, and a directory with a config."""

    broker: Broker
    simulator: SimulatorProcess
    program: Program
    queue: str
    keys: list[str] = field(default_factory=list)
    patience_seconds: float = PATIENCE_SECONDS

    def configure(
        self,
        *,
        run: str = "run",
        rate: float = 400.0,
        max_records: int = MAX_RECORDS,
        linger_seconds: float = 0.1,
        **source: Any,
    ) -> None:
        write_config(
            self.program.directory / f"{run}.toml",
            url=self.simulator.url,
            source={
                "url": self.broker.url(self.queue),
                "claim_idle_seconds": DEADLINE_SECONDS,
                **source,
            },
            batch={"max_records": max_records, "linger_seconds": linger_seconds},
            delivery={"max_in_flight": MAX_IN_FLIGHT, "requests_per_second": rate},
            run={"directory": run},
        )

    def put(self, messages: int, *, each: int = 10) -> None:
        """Put messages on the queue: one contact or `each`, in every shape there is."""
        bodies = []
        for number in range(messages):
            keys = [f"K{len(self.keys) + at:06}" for at in range(1 if number % 4 == 3 else each)]
            self.keys += keys
            bodies.append(_body([_contact(key) for key in keys], number % 4))

        self.broker.put(self.queue, bodies)

    def start(self, run: str = "run") -> Running:
        return self.program.start("run", f"{run}.toml", "--json")

    def outstanding(self) -> int:
        return self.broker.outstanding(self.queue)

    def taken(self) -> int:
        count: int = self.simulator.summary()["contacts"]["taken"]
        return count

    def has_settled(self, share: float, *, sending: bool = False) -> bool:
        """Whether so many contacts have an outcome, held ones too, as the worker's journal tells.

        `sending`: and others are under way, unless there are no others.
        """
        settled = 0
        with suppress(RunDirectoryError), viewed(self.program.directory / "run") as view:
            told = view.summary()
            settled = told.read - told.unprocessed

        if sending and settled < len(self.keys) and not self.in_flight():
            return False

        return settled >= share * len(self.keys)

    def acknowledged(self, run: str, *, up_to: int) -> int:
        """How many messages end at that position or before, once all of them are acknowledged."""
        path = self.program.directory / run / "journal.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
            ((messages, acknowledged),) = journal.execute(
                "SELECT count(*), count(acked) FROM message WHERE first + records - 1 <= ?",
                (up_to,),
            )

        return messages if messages == acknowledged else 0

    def in_flight(self) -> int:
        count: int = self.simulator.summary()["requests"]["in_flight"]
        return count

    def drain(self, running: Running) -> Ran:
        """Wait until the queue is empty, and end the worker by a signal."""
        within(lambda: not self.outstanding() or not running.alive(), seconds=self.patience_seconds)
        running.signal(signal.SIGTERM)
        ran = running.ended()
        assert ran.code == 0, ran.stderr
        return ran

    def audit(self, *runs: str) -> dict[str, set[str]]:
        """Hold what the runs tell against the simulator's book; the keys by outcome."""
        eventually(lambda: not self.in_flight())
        told = told_of(self.program.directory / run for run in runs or ("run",))
        times = Counter(key for keys in told.values() for key in keys)
        assert times == Counter(self.keys), "each contact has exactly one outcome"
        taken = {line["contact_key"]: line["taken"] for line in self.simulator.contacts()}
        assert set(taken.values()) <= {1}, "a contact was taken twice"
        assert set(told["accepted"]) <= taken.keys(), "accepted, but never taken"
        assert taken.keys() <= {*told["accepted"], *told["unknown"]}, "taken, and nobody says so"
        assert not self.outstanding(), "the queue is not empty"
        return {outcome: set(keys) for outcome, keys in told.items()}

    def audit_shared(self, *runs: str) -> None:
        """The same, where one worker took over from another that died: both tell of some."""
        told = [told_of([self.program.directory / run]) for run in runs]
        accepted = Counter(key for each in told for key in each["accepted"])
        assert set(accepted.values()) <= {1}
        unknown = {key for each in told for key in each["unknown"]}
        assert {*accepted, *unknown} == set(self.keys)
        taken = {line["contact_key"]: line["taken"] for line in self.simulator.contacts()}
        assert set(taken.values()) <= {1}, "a contact was taken twice"
        assert accepted.keys() <= taken.keys()
        assert not self.outstanding(), "the queue is not empty"


@contextmanager
def benched(make: Callable[[Path], Any], directory: Path, queue: str) -> Iterator[Bench]:
    """A broker of its own with this queue, a simulator, and the program in `directory`."""
    place = directory / "broker"
    place.mkdir()
    with (
        make(place) as broker,
        SimulatorProcess() as simulator,
        Program(directory, **broker.environment) as program,
    ):
        broker.make(queue)
        yield Bench(broker=broker, simulator=simulator, program=program, queue=queue)


def _contact(key: str) -> dict[str, str]:
    return {"customer_id": key, "EmailAddress": f"{key}@example.com", "FirstName": "Ann"}


def _body(contacts: list[dict[str, str]], shape: int) -> bytes:
    if shape == 3:
        return json.dumps(contacts[0]).encode()

    if shape == 0:
        return json.dumps(contacts).encode()

    return "\n".join(map(json.dumps, contacts)).encode()


def told_of(runs: Iterable[Path]) -> dict[str, list[str]]:
    """The keys by outcome, as the result files of several runs tell; their books balance."""
    told: dict[str, list[str]] = {"accepted": [], "rejected": [], "unknown": []}
    for run in runs:
        summary = json.loads((run / "summary.json").read_text())
        accepted = [key for line in every_line(run, "accepted") for key in line["contact_keys"]]
        told["accepted"] += accepted
        assert summary["accepted"] == len(accepted)
        for outcome in ("rejected", "unknown"):
            lines = every_line(run, outcome)
            assert summary[outcome] == len(lines)
            told[outcome] += [line["contact_key"] for line in lines if line["stage"] != "intake"]

        parts = ("accepted", "rejected", "unknown", "unprocessed")
        assert summary["read"] == sum(summary[part] for part in parts)

    return told


def check_killed(bench: Bench) -> None:
    """A worker that is killed, and a broker that is killed: nothing is lost, nobody sent twice.

    Messages hold one contact or many. What cannot be read goes to the dead letters as it was. What
    was in flight is unknown, and not sent, but it is there to be retried by hand.
    """
    bench.configure()
    bench.put(60)
    bench.broker.put(bench.queue, POISON)
    bench.simulator.set_faults("slow:rate=1,seconds=0.5")
    with bench.start() as running:
        eventually(lambda: bench.taken() >= 100 or not running.alive())
        eventually(lambda: bench.in_flight() or not running.alive())
        running.signal(signal.SIGKILL)
        eventually(lambda: not running.alive())

    assert bench.outstanding()
    bench.simulator.set_faults("slow:rate=1,seconds=0.1")
    bench.put(60)
    with bench.start() as running:
        eventually(lambda: bench.taken() >= 500 or not running.alive())
        bench.broker.restart()
        bench.put(20)
        bench.drain(running)

    told = bench.audit()
    unknown = every_line(bench.program.directory / "run", "unknown")
    assert {line["reason"] for line in unknown} <= {"interrupted", "redelivered"}
    assert len(told["accepted"]) > len(bench.keys) / 2
    rejected = every_line(bench.program.directory / "run", "rejected")
    raw = {line["record"] for line in rejected if line["stage"] == "intake"}
    assert raw - {"\\xff\\xfe\x00"} == {"{broken", '"a text"', "[1, 2"}
    assert len(raw) == (len(POISON) if bench.broker.takes_bytes else len(POISON) - 1)
    assert any(line["reason"] == "interrupted" for line in unknown)
    assert all(line["record"]["ContactKey"] == line["contact_key"] for line in unknown)
    retried = bench.program("retry", "run.toml", "--of", "unknown", "--json")
    assert (retried.json["unknown"], retried.json["accepted"]) == (0, len(bench.keys))


def check_taken_over(bench: Bench) -> None:
    """What one worker had in flight when it died, another one holds, and does not send.

    Nothing is acknowledged before its outcome is on disk. What the first one knows of is settled
    by the first, should it come back.
    """
    # However busy the machine, all batches are full but for the last one.
    bench.configure(run="first", linger_seconds=60.0)
    bench.configure(run="second")
    bench.put(40)
    bench.simulator.set_faults("hang:from=3,taken=true")
    with bench.start("first") as running:
        eventually(lambda: bench.in_flight() == MAX_IN_FLIGHT or not running.alive())
        settled = partial(bench.acknowledged, "first", up_to=2 * MAX_RECORDS)
        before = 40 - eventually(settled)
        eventually(lambda: bench.outstanding() == before)  # brokers take it in by and by
        running.signal(signal.SIGKILL)
        eventually(lambda: not running.alive())

    assert before == bench.outstanding()
    assert before * 10 >= MAX_IN_FLIGHT * MAX_RECORDS, "acknowledged before it had an outcome"
    bench.simulator.set_faults()
    with bench.start("second") as running:
        assert "unknown and not sent (redelivered)" in bench.drain(running).stderr

    bench.configure(run="first")
    with bench.start("first") as running:
        eventually(lambda: "going on with run" in running.said() or not running.alive())
        bench.drain(running)

    bench.audit_shared("first", "second")
    summary = bench.program("status", "first.toml", "--json").json
    assert summary["unprocessed"] == summary.get("let_go", 0), "it is told to be run again"
    held = every_line(bench.program.directory / "second", "unknown")
    assert {line["reason"] for line in held} == {"redelivered"}
    assert all(json.dumps(line["record"]) != "null" for line in held)
    interrupted = every_line(bench.program.directory / "first", "unknown")
    assert len(interrupted) == MAX_IN_FLIGHT * MAX_RECORDS
    assert {line["reason"] for line in interrupted} == {"interrupted"}


def check_patience(bench: Bench, *, rate: float = 1.5) -> None:
    """Messages that wait on the pace are held beyond the deadline, and no more are taken than fit.

    Nobody is given them meanwhile, not even another worker that stands by.
    """
    # Twice the usual: on a busy machine a worker may get no turn for as long as that.
    deadline_seconds = 2 * DEADLINE_SECONDS
    bench.configure(rate=rate, claim_idle_seconds=deadline_seconds)
    bench.configure(run="idle", rate=rate, claim_idle_seconds=deadline_seconds)
    bench.put(60, each=10)
    with bench.start() as running:
        eventually(lambda: bench.taken() or not running.alive())
        with bench.start("idle") as standing_by:
            journal = bench.program.directory / "idle" / "journal.db"
            eventually(lambda: journal.exists() or not standing_by.alive())
            bench.drain(running)
            standing_by.signal(signal.SIGTERM)
            assert standing_by.ended().code == 0

    bench.audit("run", "idle")
    assert not every_line(bench.program.directory / "run", "unknown")
    assert not every_line(bench.program.directory / "idle", "unknown")


def check_drained(bench: Bench) -> None:
    """`check` takes nothing; a drain without time enough leaves the rest, and nobody in doubt."""
    bench.configure(rate=2.0)
    bench.put(60)
    checked = bench.program("check", "run.toml")
    assert (checked.code, bench.outstanding()) == (0, 60), checked.stdout + checked.stderr
    assert f"source: {bench.broker.url(bench.queue)}: " in checked.stdout
    bench.program.environment["JOURNEY_WORKER__DRAIN_SECONDS"] = "1.5"
    with bench.start() as running:
        eventually(lambda: bench.taken() or not running.alive())
        running.signal(signal.SIGTERM)
        ran = running.ended()

    assert (ran.code, ran.json["state"], ran.json["unknown"]) == (0, "interrupted", 0), ran.stderr
    assert ran.json["unprocessed"]
    listed = bench.program("results", "run.toml", "--of", "unprocessed")
    assert (listed.code, "cannot be listed" in listed.stderr) == (2, True)
    del bench.program.environment["JOURNEY_WORKER__DRAIN_SECONDS"]
    bench.configure()
    with bench.start() as running:
        bench.drain(running)

    told = bench.audit()
    assert told["accepted"] == set(bench.keys)


def check_shut(bench: Bench) -> None:
    """A worker that may send nothing ends at once when it is told to, and leaves what it took."""
    bench.configure(rate=1.0, max_records=10)
    bench.put(60)
    environment = bench.program.environment
    later = datetime.now(UTC) + timedelta(days=2)
    environment["JOURNEY_DELIVERY__WINDOW"] = f"{later:%a} 12:00-13:00"
    environment["JOURNEY_DELIVERY__TIME_ZONE"] = "UTC"
    with bench.start() as running:
        eventually(lambda: "outside delivery.window" in running.said())
        running.signal(signal.SIGTERM)
        ran = running.ended()

    assert (ran.code, ran.json["state"], ran.json["accepted"]) == (0, "interrupted", 0), ran.stderr
    assert (bench.outstanding(), bench.taken()) == (60, 0)
    del environment["JOURNEY_DELIVERY__WINDOW"], environment["JOURNEY_DELIVERY__TIME_ZONE"]

    # Paused while it is drained: what is under way is finished, and no more is begun.
    with bench.start() as running:
        eventually(bench.taken)
        running.signal(signal.SIGTERM)
        eventually(lambda: "SIGTERM received" in running.said())
        assert bench.program("pause", "run.toml").code == 0
        ran = running.ended()

    assert (ran.code, ran.json["state"], ran.json["unknown"]) == (0, "interrupted", 0), ran.stderr
    assert ran.json["unprocessed"]
    assert bench.outstanding()
    bench.configure()
    with bench.start() as running:
        bench.drain(running)

    told = bench.audit()
    assert told["accepted"] == set(bench.keys)


def check_enqueued(bench: Bench, *, doubles: bool) -> None:
    """`enqueue` that is killed goes on where it stopped, and two workers share what it has put.

    `doubles`: the queue cannot tell what it has, so that some messages may be on it twice; a
    worker that gets both sends one.
    """
    directory = bench.program.directory
    contacts = write_contacts(directory / "contacts.csv", range(1, 10_001))
    bench.keys = [f"C{number:05}" for number in range(1, 10_001)]
    with contacts.open("a") as file:
        file.write("C99999,unterminated,Ann,one,too,many\n")

    write_config(directory / "feed.toml", url=bench.simulator.url, source="contacts.csv")
    command = ("enqueue", "feed.toml", bench.broker.url(bench.queue))
    with bench.program.start(*command) as running:
        record = directory / "run" / "enqueued"
        eventually(lambda: _begun(record) or not running.alive())
        running.signal(signal.SIGKILL)
        eventually(lambda: not running.alive())

    done = bench.program(*command, "--json")
    assert done.code == 1, done.stderr
    assert (done.json["contacts"], done.json["rejected"]) == (10_000, 1)
    messages = bench.outstanding()
    assert done.json["messages"] == 100
    assert messages == 100 or (doubles and messages <= 200)
    again = bench.program(*command)
    assert again.code == 2
    assert "already: 10,000 contacts in 100 messages" in again.stderr
    bench.configure(rate=2_000.0, max_records=500, shared=False)
    with bench.start() as running:
        bench.drain(running)

    bench.audit()


def _begun(directory: Path) -> bool:
    """Whether it is written down that something is on the queue."""
    return any(json.loads(path.read_bytes())["last"] for path in directory.glob("*.json"))


def check_story(bench: Bench, contacts: int) -> str:
    """Many contacts, put there by `enqueue`; a worker killed three times, the broker once.

    A kill waits for a share of the outcomes, not of what Marketing Cloud has: what is held after a
    kill never gets there, and may be more than was left to be sent. Returns what came of it, for a
    person.
    """
    directory = bench.program.directory
    # The more there are, the longer it takes to give them out.
    bench.patience_seconds = patience = max(PATIENCE_SECONDS, contacts / 100)
    write_contacts(directory / "contacts.csv", range(1, contacts + 1))
    bench.keys = [f"C{number:05}" for number in range(1, contacts + 1)]
    write_config(directory / "feed.toml", url=bench.simulator.url, source="contacts.csv")
    url = bench.broker.url(bench.queue)
    with bench.program.start("enqueue", "feed.toml", url, "--json") as running:
        done = running.ended(seconds=patience)

    assert (done.code, done.json["contacts"]) == (0, contacts), done.stderr
    bench.configure(rate=10_000.0, max_records=500, claim_idle_seconds=10.0)
    bench.simulator.set_faults("slow:rate=1,seconds=0.05", "429:rate=0.01,retry_after=0.1")
    began = time.monotonic()
    for share in (0.15, 0.4, 0.65):
        with bench.start() as running:
            reached = partial(bench.has_settled, share, sending=True)
            within(lambda: reached() or not running.alive(), seconds=patience)  # noqa: B023  # now
            assert running.alive(), running.said()
            running.signal(signal.SIGKILL)
            eventually(lambda: not running.alive())  # asked at once

    with bench.start() as running:
        within(lambda: bench.has_settled(0.8) or not running.alive(), seconds=patience)
        bench.broker.restart()
        ran = bench.drain(running)

    seconds = time.monotonic() - began
    told = bench.audit()
    reasons = Counter(line["reason"] for line in every_line(directory / "run", "unknown"))
    known = ", ".join(f"{number:,} {reason}" for reason, number in sorted(reasons.items()))
    assert set(reasons) <= {"interrupted", "redelivered"}
    assert ran.json["unprocessed"] == 0
    return (
        f"{contacts:,} contacts in {seconds:,.0f} s, 3 kills, 1 restart of the broker: "
        f"{len(told['accepted']):,} accepted, unknown: {known or 'none'}; lost 0, sent twice 0"
    )
