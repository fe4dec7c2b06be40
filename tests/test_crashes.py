"""Runs that are killed, for real, at any moment of their lives, on a Marketing Cloud that fails.

Each seed is a story: which requests fail, and how; when the process dies, or its encoder, or both;
how often, before it is left in peace. Whatever the story, in the end every contact has exactly one
outcome, and none was taken twice. `pytest tests/test_crashes.py --crashes 300` tells many more,
`--crash-seed 17` one again.
"""

from __future__ import annotations

import gzip
import signal
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from pipeline.settling.schema import opened_to_read
from pipeline.settling.view import viewed
from tests.fakes.audit import audit, settled_so_far
from tests.fakes.configs import write_config, zstd_compressed
from tests.fakes.figures import FIGURES
from tests.fakes.processes import alive, children, heeds, kill
from tests.fakes.program import Program, eventually
from tests.fakes.runs import lines_of
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fakes.program import Ran, Running

pytestmark = pytest.mark.timeout(900)

CONTACTS = 8_000
CONTACTS_OF_ONE = 1_300  # where each takes a request of its own
THROTTLED_SECONDS = 240.0  # a story of many a 429 is told slowly: a dozen requests a second
MAX_RECORDS = 100
MAX_IN_FLIGHT = 8
POISON = (1_234, 5_678)

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "csv": bytes,
    "gz": gzip.compress,
    "zst": zstd_compressed,
}

HARMLESS = (
    "429:rate=0.02,retry_after=0.05",
    "429:rate=0.01,times=2",
    "503:rate=0.03",
    "503:from=20,to=24,retry_after=0.1",
    "400:rate=0.02,errorcode=10006",
    "revoke:rate=0.03",
    "revoke:at=1+30+60",
    "slow:rate=0.3,seconds=0.05",
    "slow:rate=0.05,seconds=0.3",
)
"""Whatever these hit was certainly not taken, or is answered in the end."""

AMBIGUOUS = (
    "500:rate=0.02",
    "502:rate=0.01,taken=true",
    "504:rate=0.01,taken=false",
    "close:before_body,rate=0.02",  # the server has not read it, but the client has written
    "close:during_body,rate=0.02",
    "close:after_body,rate=0.02",
    "html:rate=0.01",
)
"""Whatever these hit may have been taken: nobody outside can tell."""


PASSING_MEMBERS = (
    "members:rate=0.05,errorcode=10006",
    "members:rate=0.03,errorcode=30000,share=0.4",
    "members:rate=0.02,share=0.05",
)
"""What is said of single contacts is certain: they were not taken."""

MUDDLED = (
    "muddled:rate=0.02,by=order",
    "muddled:rate=0.02,by=length",
    "muddled:rate=0.02,by=count",
    "garbled:rate=0.01",
    "empty:rate=0.01",
)
"""Answers of success that say of nobody whether it was taken."""


class Endpoint(StrEnum):
    """The way into the journey."""

    BATCH = "batchcontactevents"
    ASYNC = "async-events"
    SINGLE = "events"

    @property
    def contacts(self) -> int:
        """How many contacts make a story long enough."""
        return CONTACTS_OF_ONE if self is Endpoint.SINGLE else CONTACTS

    @property
    def harmless(self) -> tuple[str, ...]:
        return HARMLESS + (PASSING_MEMBERS if self is Endpoint.ASYNC else ())

    @property
    def ambiguous(self) -> tuple[str, ...]:
        return AMBIGUOUS + (MUDDLED if self is Endpoint.ASYNC else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A directory with a config, and the Marketing Cloud it leads to."""

    program: Program
    simulator: SimulatorProcess
    stands: dict[tuple[str, int], str | None]
    endpoint: Endpoint = Endpoint.BATCH

    @property
    def run(self) -> Path:
        return self.program.directory / "run"

    def start(self, *options: str, verb: str = "run") -> Running:
        FIGURES["processes"] += 1
        return self.program.start(verb, "journey.toml", "--json", *options)

    def audit(self, *, resent: bool = False) -> None:
        """The audit, once the simulator has done with the requests of the dead."""
        eventually(lambda: not self.simulator.summary()["requests"]["in_flight"])
        audit(self.run, self.stands, self.simulator.contacts(), resent=resent)
        FIGURES["stories"] += 1
        FIGURES["contacts"] += len(self.stands)
        FIGURES["faults met"] += sum(self.simulator.summary()["faults"].values())

    def set_faults(self, *specs: str, seed: int = 0) -> None:
        """Replace the schedule; what it did so far is counted."""
        FIGURES["faults met"] += sum(self.simulator.summary()["faults"].values())
        self.simulator.set_faults(*specs, seed=seed)

    def taken(self) -> set[str]:
        return {line["contact_key"] for line in self.simulator.contacts()}

    def requests(self) -> int:
        """How many requests came so far."""
        count: int = self.simulator.summary()["requests"]["requests"]
        return count

    def strikes(self, specs: tuple[str, ...]) -> int:
        """How often one of these faults has struck."""
        struck = self.simulator.summary()["faults"]
        return sum(struck.get(spec, 0) for spec in specs)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    poison = [argument for number in POISON for argument in ("--poison", key_of(number))]
    with SimulatorProcess("--latency", "0.01", *poison) as simulator:
        yield simulator


def key_of(number: int) -> str:
    return f"C{number:05}"


class Kind(StrEnum):
    """How the contacts of a stand are stored, which decides how they are read."""

    WIDE = "contacts.csv"  # encoded by a child process
    NARROW = "few.csv"  # encoded by a thread
    PARTS = "part*"  # several files, two of them compressed


def stand(
    program: Program,
    simulator: SimulatorProcess,
    kind: Kind,
    *,
    endpoint: Endpoint = Endpoint.BATCH,
) -> Stand:
    """Contacts, some of them bad."""
    stands: dict[tuple[str, int], str | None] = {}
    names = ("part1.csv", "part2.csv.gz", "part3.csv.zst") if kind is Kind.PARTS else (kind.value,)
    each = endpoint.contacts // len(names)
    for index, name in enumerate(names):
        first, last = index * each + 1, (index + 1) * each
        lines = [line_of(number, wide=kind is Kind.WIDE) for number in range(first, last + 1)]
        content = "".join(["customer_id,EmailAddress,FirstName,Filling\n", *lines]).encode()
        (program.directory / name).write_bytes(COMPRESS[name.rpartition(".")[2]](content))
        for number in range(first, last + 1):
            stands[name, number - first + 1] = None if is_bad(number) else key_of(number)

    simulator.reset()
    simulator.set_faults()
    made = Stand(program=program, simulator=simulator, stands=stands, endpoint=endpoint)
    configured(made, source=kind.value)
    return made


def line_of(number: int, *, wide: bool) -> str:
    key = "" if number % 611 == 0 else key_of(number)
    end = ",one,too,many" if number % 1_999 == 0 else ""
    filling = "x" * 1_050 if wide else ""
    return f"{key},customer.{number}@example.com,Ann,{filling}{end}\n"


def is_bad(number: int) -> bool:
    return number % 611 == 0 or number % 1_999 == 0


def configured(place: Stand, *, source: str, on_unknown: str = "hold") -> None:
    write_config(
        place.program.directory / "journey.toml",
        url=place.simulator.url,
        source=source,
        account={"auth": "v2" if place.endpoint is Endpoint.ASYNC else "v1"},
        journey={"endpoint": place.endpoint.value},
        batch={"max_records": 1 if place.endpoint is Endpoint.SINGLE else MAX_RECORDS},
        delivery={
            "max_in_flight": MAX_IN_FLIGHT,
            "requests_per_second": 2_000.0 if place.endpoint is Endpoint.SINGLE else 400.0,
            "on_unknown": on_unknown,
        },
        run={"encoder": "process" if source == Kind.WIDE else "auto"},
    )


@pytest.fixture(scope="module")
def lifetime(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorProcess) -> float:
    """How long an undisturbed run lives, in seconds, from its start to its end."""
    with Program(tmp_path_factory.mktemp("calm")) as program:
        calm = stand(program, simulator, Kind.WIDE)
        began = time.monotonic()
        ran = calm.start().ended(seconds=THROTTLED_SECONDS)
        seconds = time.monotonic() - began

    calm.audit()
    assert (ran.code, ran.json["rejected"], ran.json["unknown"]) == (1, 19, 0)
    return seconds


class Moment:
    """When something is to happen to a process.

    At a time of its life, or as it ends, or so soon after its n-th request has come: time alone
    would seldom meet it at work, and hardly ever at its end.
    """

    def __init__(self, chance: Random, lifetime: float) -> None:
        self._kind = chance.choice(("time", "time", "request", "request", "end"))
        most = {"time": 1.2 * lifetime, "request": 0.01, "end": 0.05}
        self._seconds = chance.uniform(0.0, most[self._kind])
        self._request = chance.randint(1, CONTACTS // MAX_RECORDS)

    def wait_for(self, running: Running, place: Stand) -> None:
        """Wait until it has come, or the process has ended."""
        requests, summary = place.requests(), _changed(place.run)
        began = time.monotonic()
        while running.alive():
            if self._kind == "request" and place.requests() < requests + self._request:
                began = time.monotonic()
            elif self._kind == "end" and _changed(place.run) == summary:
                began = time.monotonic()  # the summary is what a run writes last
            elif time.monotonic() >= began + self._seconds:
                return

            time.sleep(0.0005)


def _changed(run: Path) -> int | None:
    try:
        return (run / "summary.json").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def tell(chance: Random, *kinds: tuple[str, ...]) -> list[str]:
    """A fault schedule."""
    return [spec for specs in kinds for spec in chance.sample(specs, chance.randrange(4))]


def to_the_end(place: Stand, *command: str) -> Ran | None:
    """Run until everything is settled, or as `command` says; None if it already was."""
    verb, *options = command or ("run",)
    ran = place.start(*options, verb=verb).ended(seconds=THROTTLED_SECONDS)
    while ran.code == 3:  # by the contract: two tokens in a row were revoked
        assert "refuses a fresh token" in ran.stderr
        ran = place.start(*options, verb=verb).ended(seconds=THROTTLED_SECONDS)

    if ran.code == 2:
        assert "already injected on" in ran.stderr
        return None

    assert (ran.code, ran.json["state"]) == (1, "completed"), ran.stderr
    return ran


def test_crashes(
    crash_seed: int, program: Program, simulator: SimulatorProcess, lifetime: float
) -> None:
    """Killed at any moment and run again: no contact is lost, doubled, or told of wrongly."""
    chance = Random(crash_seed)
    # Every second story is the experimental endpoint's, the others take turns.
    endpoint = tuple(Endpoint)[0 if crash_seed % 2 else 1 + crash_seed // 2 % 2]
    place = stand(program, simulator, chance.choice(tuple(Kind)), endpoint=endpoint)
    told = tell(chance, endpoint.harmless, endpoint.ambiguous)
    place.set_faults(*told, seed=crash_seed)
    kills = chance.randint(2, 4)
    for _ in range(kills):
        limit = (
            ("--limit", str(chance.randint(1, endpoint.contacts))) if chance.random() < 0.2 else ()
        )
        with place.start(*limit) as running:
            be_unkind(running, chance, place=place, lifetime=lifetime)

        if (place.run / "journal.db").exists():
            settled = settled_so_far(place.run)
            assert {place.stands[each] for each in settled["accepted"]} <= place.taken()

    to_the_end(place)
    place.audit()
    unknown = lines_of(place.run, "unknown")
    interrupted = [line for line in unknown if line["reason"] == "interrupted"]
    # An outcome is on disk two commits after its answer at the latest, and a sender begins at most
    # one batch in each: so it has three at the most that nobody would know of.
    assert len(interrupted) <= 3 * MAX_IN_FLIGHT * MAX_RECORDS * kills
    assert len(unknown) - len(interrupted) <= MAX_RECORDS * place.strikes(endpoint.ambiguous)


def be_unkind(running: Running, chance: Random, *, place: Stand, lifetime: float) -> None:
    """Kill the process, its encoder, or both, each at a moment of its own."""
    victims = chance.choice(("process", "process", "encoder", "both"))
    if victims != "process":
        Moment(chance, lifetime).wait_for(running, place)
        for child in children(running.pid):
            kill(child)
            FIGURES["kills"] += 1

    if victims == "encoder":
        ran = running.ended(seconds=THROTTLED_SECONDS)
        assert ran.code in range(4), ran.stderr  # 2: finished before; 3: see `to_the_end`
        return

    Moment(chance, lifetime).wait_for(running, place)
    orphans = children(running.pid)
    kill(running.pid)
    FIGURES["kills"] += 1
    eventually(lambda: not any(map(alive, orphans)))


def test_crashes_and_retries(
    kinder_seed: int, program: Program, simulator: SimulatorProcess, lifetime: float
) -> None:
    """A retry that is killed goes on: nobody is sent again who was sent in it, or not meant."""
    chance = Random(f"retry {kinder_seed}")
    endpoint = chance.choice((Endpoint.BATCH, Endpoint.BATCH, Endpoint.ASYNC))
    place = stand(program, simulator, chance.choice(tuple(Kind)), endpoint=endpoint)
    certain = chance.choice(AMBIGUOUS)
    place.set_faults(certain, *tell(chance, endpoint.harmless), seed=kinder_seed)
    if chance.random() < 0.5:
        with place.start() as running:
            be_unkind(running, chance, place=place, lifetime=lifetime)

    unfinished = chance.random() < 0.3  # and finished after the retries
    if not unfinished:
        to_the_end(place)

    for number in range(chance.randint(1, 3)):
        faults = tell(chance, endpoint.harmless, endpoint.ambiguous)
        place.set_faults(*faults, seed=kinder_seed + number)
        retry = ("retry", "--of", chance.choice(("unknown", "unknown", "rejected")))
        retry_and_be_killed(place, retry, chance=chance, lifetime=lifetime)

    to_the_end(place)
    with viewed(place.run) as view:
        begun = view.run().retrying

    if begun is not None:
        to_the_end(place, "retry", "--of", begun)

    audit_retried(place)


def retry_and_be_killed(
    place: Stand, retry: tuple[str, ...], *, chance: Random, lifetime: float
) -> None:
    """A retry that dies some times, a `run` between, and comes to its end."""
    if not (place.run / "journal.db").exists():
        return  # the run was killed so early that there is nobody to send again

    verb, *options = retry
    for _ in range(chance.randint(0, 3)):
        limit = ("--limit", str(chance.randint(1, 500))) if chance.random() < 0.3 else ()
        with place.start(*options, *limit, verb=verb) as running:
            be_unkind(running, chance, place=place, lifetime=0.7 * lifetime)

        if chance.random() < 0.2:
            with place.start() as running:
                be_unkind(running, chance, place=place, lifetime=lifetime)

        settled_so_far(place.run)

    if chance.random() < 0.8:
        ran = place.start(*options, verb=verb).ended(seconds=THROTTLED_SECONDS)
        assert ran.code in {0, 1, 3, 5}, ran.stderr


def audit_retried(place: Stand) -> None:
    """Each time a contact was taken is one that was accepted or is told of as unknown."""
    place.audit(resent=True)
    with closing(opened_to_read(place.run / "journal.db")) as connection:
        rows = connection.execute(
            "SELECT name, position, outcome, superseded FROM contact, source WHERE ordinal = source"
        ).fetchall()

    in_doubt = Counter(place.stands[row[:2]] for row in rows if row[2] == "unknown")
    failed = {place.stands[row[:2]] for row in rows if row[3] is None}
    for line in place.simulator.contacts():
        key = line["contact_key"]
        assert line["taken"] <= in_doubt[key] + (key not in failed), key


def test_crashes_and_resending(
    kinder_seed: int, program: Program, simulator: SimulatorProcess, lifetime: float
) -> None:
    """With on_unknown = "resend" contacts may be taken twice; none is lost or told of wrongly."""
    chance = Random(f"resend {kinder_seed}")
    kind = chance.choice(tuple(Kind))
    place = stand(program, simulator, kind)
    configured(place, source=kind.value, on_unknown="resend")
    place.set_faults(*tell(chance, HARMLESS, AMBIGUOUS), seed=kinder_seed)
    for _ in range(2):
        with place.start() as running:
            be_unkind(running, chance, place=place, lifetime=lifetime)

    to_the_end(place)
    place.audit(resent=True)
    assert all(line["reason"] != "interrupted" for line in lines_of(place.run, "unknown"))


def test_full_disks(
    kinder_seed: int, program: Program, simulator: SimulatorProcess, lifetime: float
) -> None:
    """Whatever the disk takes no more of, at whatever moment: a sentence, and nobody lost."""
    chance = Random(f"full {kinder_seed}")
    place = stand(program, simulator, chance.choice(tuple(Kind)))
    told = []
    for _ in range(4):
        file_bytes = int(10 ** chance.uniform(3.5, 5.7))
        running = program.start("run", "journey.toml", "--json", file_bytes=file_bytes)
        FIGURES["processes"] += 1
        ran = running.ended(seconds=THROTTLED_SECONDS)
        told += [ran.stderr] if ran.code == 2 and "already injected" not in ran.stderr else []
        assert told or ran.code in {1, 2}

    assert told
    for stderr in told:
        assert "error: " in stderr
        assert any(name in stderr for name in ("journal.db", ".ndjson", "summary.json")), stderr

    to_the_end(place)
    place.audit()


def test_signals(
    kinder_seed: int, program: Program, simulator: SimulatorProcess, lifetime: float
) -> None:
    """Drained at any moment and run again: unknown is only what a fault has made unknown."""
    chance = Random(-kinder_seed)
    place = stand(program, simulator, chance.choice(tuple(Kind)))
    kinds = (HARMLESS, AMBIGUOUS) if chance.random() < 0.5 else (HARMLESS,)
    place.set_faults(*tell(chance, *kinds), seed=kinder_seed)
    for _ in range(chance.randint(1, 3)):
        number = chance.choice((signal.SIGTERM, signal.SIGINT))
        running = place.start()
        # Python itself has no handler for SIGTERM: the first to set one is the program.
        eventually(partial(heeds, running.pid, signal.SIGTERM))
        Moment(chance, lifetime).wait_for(running, place)
        running.signal(number)
        assert_drained(running.ended(seconds=THROTTLED_SECONDS), number, place)

    to_the_end(place)
    place.audit()
    unknown = lines_of(place.run, "unknown")
    assert all(line["reason"] != "interrupted" for line in unknown)
    assert len(unknown) <= MAX_RECORDS * place.strikes(AMBIGUOUS)


def assert_drained(ran: Ran, number: signal.Signals, place: Stand) -> None:
    """5 and an interrupted run, or as if nothing had been; a signal never breaks off a run."""
    if ran.code == -number:
        # So early that nothing had begun, or so late that the run was over.
        lock = place.run / "run.lock"
        assert not lock.exists() or not lock.read_text()
        return

    if ran.code == 2:
        assert "already injected on" in ran.stderr
        return

    assert ran.code in {1, 3, 5}, ran.stderr
    if ran.stdout:
        states = {1: "completed", 3: "halted", 5: "interrupted"}
        assert ran.json["state"] == states[ran.code]


def test_two_signals(program: Program, simulator: SimulatorProcess) -> None:
    """A second signal leaves at once: what was under way is unknown, everything else is not."""
    place = stand(program, simulator, Kind.NARROW)
    place.set_faults("hang:from=21")
    running = place.start()
    hanging = 20 + MAX_IN_FLIGHT
    eventually(lambda: simulator.summary()["requests"]["requests"] == hanging)
    running.signal(signal.SIGTERM)
    eventually(lambda: "SIGTERM received" in running.said())
    running.signal(signal.SIGINT)
    ran = running.ended(seconds=THROTTLED_SECONDS)
    assert (ran.code, ran.json["state"]) == (5, "interrupted")
    place.set_faults()
    to_the_end(place)
    place.audit()
    unknown = lines_of(place.run, "unknown")
    assert {line["reason"] for line in unknown} == {"interrupted"}
    assert 0 < len(unknown) <= MAX_IN_FLIGHT * MAX_RECORDS


def test_encoder_of_a_pipe(program: Program, simulator: SimulatorProcess) -> None:
    """A pipe cannot be read again: its encoder's death ends the run; the same input mends it."""
    place = stand(program, simulator, Kind.WIDE)
    configured(place, source="-")
    content = (program.directory / "contacts.csv").read_bytes()
    running = place.start()
    running.stdin.write(content[: len(content) // 2])
    running.stdin.flush()
    eventually(lambda: simulator.summary()["contacts"]["taken"] > 1_000)
    for child in children(running.pid):
        kill(child)

    eventually(lambda: not running.alive())
    ran = running.ended(seconds=THROTTLED_SECONDS)
    assert (ran.code, ran.json["state"], ran.json["unknown"]) == (2, "halted", 0)
    assert "cannot be read again" in ran.stderr
    resumed = program("run", "journey.toml", "--json", stdin=content)
    assert (resumed.code, resumed.json["state"]) == (1, "completed")
    stands = {("stdin", position): key for (_, position), key in place.stands.items()}
    replace(place, stands=stands).audit()
