"""Every verb as a user types it: real processes, a simulator of its own, exit codes for real."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import signal
import stat
import subprocess
import sys
import termios
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli import app
from tests.fakes.configs import CLIENT_SECRET, toml, write_config, write_contacts
from tests.fakes.fixed_server import FixedServer
from tests.fakes.program import Program, Running, eventually
from tests.fakes.simulator_process import SimulatorProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

SUMMARY_KEYS = [
    "run_id",
    "state",
    "endpoint",
    "read",
    "accepted",
    "rejected",
    "unknown",
    "unprocessed",
    "batches",
    "requests",
    "retries",
    "tokens",
    "seconds",
    "contacts_per_second",
    "started_at",
    "ended_at",
]


@pytest.fixture
def config(tmp_path: Path, simulator: SimulatorProcess) -> Path:
    """A config for three hundred good contacts, in batches of a hundred."""
    write_contacts(tmp_path / "contacts.csv", range(1, 301))
    return configured(tmp_path, simulator)


def configured(tmp_path: Path, simulator: SimulatorProcess, **sections: Any) -> Path:
    return write_config(
        tmp_path / "journey.toml",
        url=simulator.url,
        **{"source": "contacts.csv", "batch": {"max_records": 100}, **sections},
    )


def taken(simulator: SimulatorProcess) -> dict[str, int]:
    return {line["contact_key"]: line["taken"] for line in simulator.contacts()}


def keys(*numbers: int) -> set[str]:
    return {f"C{number:05}" for number in numbers}


def counts(summary: dict[str, Any]) -> tuple[int, ...]:
    names = ("read", "accepted", "rejected", "unknown", "unprocessed")
    return tuple(summary[name] for name in names)


def unread(pipe: IO[bytes]) -> int:
    """How many bytes lie in a pipe."""
    answer: bytes = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_run(program: Program, config: Path, simulator: SimulatorProcess, tmp_path: Path) -> None:
    """A good run ends with 0 and its summary; a second one is refused; --again starts anew."""
    ran = program("run", "journey.toml", "--json")
    assert ran.code == 0
    assert len(ran.stdout.splitlines()) == 1
    assert list(ran.json) == SUMMARY_KEYS
    assert counts(ran.json) == (300, 300, 0, 0, 0)
    assert (ran.json["state"], ran.json["batches"], ran.json["tokens"]) == ("completed", 3, 1)
    assert ran.json["started_at"].endswith("Z")
    assert json.loads((tmp_path / "run/summary.json").read_text()) == ran.json
    assert taken(simulator) == dict.fromkeys(sorted(keys(*range(1, 301))), 1)

    refused = program("run", "journey.toml", "--json")
    assert (refused.code, refused.stdout) == (2, "")
    assert "already injected on" in refused.stderr
    assert set(taken(simulator).values()) == {1}

    again = program("run", "journey.toml", "--again")
    assert (again.code, again.stdout) == (0, "")
    assert set(taken(simulator).values()) == {2}
    assert [path.name for path in (tmp_path / "run/previous").iterdir()] == [ran.json["run_id"]]


LOADED = """
import sys
from pipeline.cli import main
try:
    main()
finally:
    print("\\n".join(sys.modules))
"""

UNNEEDED = {
    *("pipeline.config.findings", "pipeline.config.schema", "pipeline.worker.folder"),
    *("pipeline.intake.json", "pipeline.intake.ndjson", "pipeline.intake.parquet"),
    *("pipeline.intake.objects", "pipeline.intake.remote", "pipeline.intake.queues.source"),
    *("pipeline.worker.reloading", "pipeline.sending.inquiry", "pipeline.sending.shared"),
    *("pipeline.settling.mending", "pipeline.settling.view", "pipeline.taking"),
    "pipeline.watching.records",
}
"""What a plain file's run has no use for, each behind one choice of its config."""


def test_a_plain_run_loads_what_it_needs(config: Path, tmp_path: Path) -> None:
    """The run of a CSV file starts without the other readers, queues, stores and displays."""
    ran = subprocess.run(
        [sys.executable, "-c", LOADED, "run", "journey.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(ran.stdout.splitlines())
    assert "pipeline.intake.csv" in loaded
    assert not loaded & UNNEEDED


def test_nothing_secret_and_nobody_elses(program: Program, config: Path, tmp_path: Path) -> None:
    """No file of a run holds the secret, and all are readable by their owner alone."""
    assert program("run", "journey.toml").code == 0
    files = list((tmp_path / "run").iterdir())
    assert {"journal.db", "accepted.ndjson", "summary.json"} <= {file.name for file in files}
    for file in files:
        assert CLIENT_SECRET.encode() not in file.read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700


def test_limit(program: Program, config: Path, simulator: SimulatorProcess) -> None:
    """--limit N sends N contacts; a later run goes on behind them."""
    first = program("run", "journey.toml", "--limit", "120", "--json")
    assert (first.code, counts(first.json)) == (0, (120, 120, 0, 0, 0))
    assert set(taken(simulator)) == keys(*range(1, 121))

    unprocessed = program("results", "journey.toml", "--of", "unprocessed")
    assert (unprocessed.code, table(unprocessed.stdout)) == (0, [])

    second = program("run", "journey.toml", "--json")
    assert (second.code, counts(second.json)) == (0, (300, 300, 0, 0, 0))
    assert second.json["run_id"] == first.json["run_id"]
    assert taken(simulator) == dict.fromkeys(keys(*range(1, 301)), 1)
    assert program("run", "journey.toml").code == 2


def test_dry_run(
    program: Program, config: Path, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    """--dry-run counts what would be sent, sends nothing, and leaves no run directory."""
    with (tmp_path / "contacts.csv").open("a") as file:
        file.write(",nobody@example.com,Bo\nC00999,nobody at nowhere,Bo\n")

    ran = program("run", "journey.toml", "--dry-run", "--json")
    assert ran.code == 1
    assert len(ran.stdout.splitlines()) == 1
    assert counts(ran.json) == (302, 0, 2, 0, 300)
    assert "missing_contact_key" in ran.stderr
    assert simulator.summary()["requests"]["requests"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"contacts.csv", "journey.toml"}


def test_stdin(program: Program, tmp_path: Path, simulator: SimulatorProcess) -> None:
    """`… | journey-pipeline run` injects what comes through the pipe."""
    configured(tmp_path, simulator, source="-")
    content = write_contacts(tmp_path / "contacts.csv", range(1, 251)).read_bytes()
    ran = program("run", "journey.toml", "--json", stdin=content)
    assert (ran.code, counts(ran.json)) == (0, (250, 250, 0, 0, 0))
    assert taken(simulator) == dict.fromkeys(keys(*range(1, 251)), 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stdin_that_never_comes(
    number: signal.Signals, program: Program, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    """Whoever forgot the pipe may leave with Ctrl-C: exit 5, and nothing was begun."""
    configured(tmp_path, simulator, source="-")
    running = program.start("run", "journey.toml", "--json")
    running.stdin.write(b"customer_id,")
    running.stdin.flush()
    eventually(lambda: unread(running.stdin) == 0)
    running.signal(number)
    eventually(lambda: not running.alive())
    ran = running.ended()
    assert (ran.code, ran.stdout) == (5, "")
    assert "interrupted before anything was sent" in ran.stderr
    assert not (tmp_path / "run").exists()


def test_stdin_once_more(program: Program, tmp_path: Path, simulator: SimulatorProcess) -> None:
    """What came through a pipe is sent though more may come; drained, it goes on where it was."""
    configured(tmp_path, simulator, source="-", batch={"max_records": 100, "linger_seconds": 0.3})
    content = write_contacts(tmp_path / "contacts.csv", range(1, 6001)).read_bytes()
    running = program.start("run", "journey.toml", "--json")
    running.stdin.write(content[:150_000])
    running.stdin.flush()
    came = content[:150_000].count(b"\n") - 1
    assert came % 100
    eventually(lambda: simulator.summary()["contacts"]["taken"] == came)
    running.signal(signal.SIGTERM)
    eventually(lambda: not running.alive())  # with its input still open
    assert running.ended().code == 5
    resumed = program("run", "journey.toml", "--json", stdin=content)
    assert (resumed.code, counts(resumed.json)) == (0, (6000, 6000, 0, 0, 0))
    assert taken(simulator) == dict.fromkeys(keys(*range(1, 6001)), 1)


def test_a_reader_that_has_enough(program: Program, config: Path) -> None:
    """`results … | head -1` is no trouble."""
    write_contacts(config.parent / "contacts.csv", range(1, 8001))
    assert program("run", "journey.toml").code == 0
    read, write = os.pipe()
    running = program.start("results", "journey.toml", "--of", "accepted", stdout=write)
    os.close(write)
    assert os.read(read, 11) == b"contact_key"
    os.close(read)
    ran = running.ended()
    assert (ran.code, ran.stderr) == (0, "")


FULL = Path("/dev/full")


@pytest.mark.parametrize("redirected", ["<&- >&- 2>&-", "2>&-", *[f"2>{FULL}"] * FULL.exists()])
def test_streams_that_are_gone(
    redirected: str, program: Program, config: Path, simulator: SimulatorProcess
) -> None:
    """A run needs nobody to listen, and never takes one of its files for its stderr."""
    ran = program.start("run", "journey.toml", "--json", redirected=redirected).ended()
    assert (ran.code, ran.stderr) == (0, "")
    assert ">&- " in redirected or ran.json["accepted"] == 300
    assert set(taken(simulator).values()) == {1}


def test_output_that_cannot_be_written(program: Program, config: Path) -> None:
    """What was asked for and cannot be told is an error, and a sentence; 2."""
    if FULL.exists():  # some systems have no disk that is always full
        for arguments in (("run", "journey.toml", "--json"), ("status", "journey.toml")):
            ran = program.start(*arguments, redirected=f">{FULL}").ended()
            assert (ran.code, "No space left" in ran.stderr) == (2, True)


def test_rejected_and_its_results(
    program: Program, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    """Rejected contacts end the run with 1 and are listed as a table fit for a spreadsheet."""
    write_contacts(tmp_path / "contacts.csv", range(1, 4))
    with (tmp_path / "contacts.csv").open("a") as file:
        file.write('C00004,"=HYPERLINK(""http://x"",""y"")",Bo\n,-7@example.com,Cy\nC00006,x\n')

    configured(tmp_path, simulator)
    ran = program("run", "journey.toml", "--json")
    assert (ran.code, counts(ran.json)) == (1, (6, 3, 3, 0, 0))

    listed = program("results", "journey.toml", "--of", "rejected")
    assert listed.code == 0
    rows = table(listed.stdout)
    assert [(row["position"], row["stage"]) for row in rows] == [
        ("4", "mapping"),
        ("5", "mapping"),
        ("6", "intake"),
    ]
    assert rows[0]["EmailAddress"] == '\'=HYPERLINK("http://x","y")'
    assert rows[1]["EmailAddress"] == "'-7@example.com"
    assert rows[1]["reason"] == "missing_contact_key"

    raw = table(program("results", "journey.toml", "--of", "rejected", "--raw").stdout)
    assert raw[0]["EmailAddress"] == '=HYPERLINK("http://x","y")'

    target = tmp_path / "rejected.out"
    arguments = ("--of", "rejected", "--format", "ndjson", "-o", target.name)
    written = program("results", "journey.toml", *arguments)
    assert (written.code, written.stdout) == (0, "")
    assert lines(target.read_text()) == lines((tmp_path / "run/rejected.ndjson").read_text())
    assert lines(target.read_text())[2]["record"] == "C00006,x"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_unknown_and_its_results(
    program: Program, config: Path, simulator: SimulatorProcess
) -> None:
    """A contact whose fate is unknown ends the run with 1, is listed, and is not sent again."""
    simulator.set_faults("500:at=2,taken=true")
    ran = program("run", "journey.toml", "--json")
    assert (ran.code, counts(ran.json)) == (1, (300, 200, 0, 100, 0))

    rows = lines(program("results", "journey.toml", "--of", "unknown", "--format", "ndjson").stdout)
    assert len(rows) == 100
    assert {row["reason"] for row in rows} == {"server_error_500"}
    accepted = table(program("results", "journey.toml", "--of", "accepted").stdout)
    both = {row["contact_key"] for row in (*rows, *accepted)}
    assert both == keys(*range(1, 301))
    assert set(taken(simulator).values()) == {1}

    status = program("status", "journey.toml", "--json")
    assert (status.code, status.json["last_error"]["reason"]) == (0, "server_error_500")
    assert (status.json["unknown"], status.json["unsettled"]) == (100, [])


def test_interrupted_and_watched(program: Program, simulator: SimulatorProcess) -> None:
    """SIGTERM ends with 5; others may watch meanwhile; what was not sent is listed, then sent."""
    place = program.directory
    write_contacts(place / "contacts.csv", range(1, 6001))
    simulator.set_faults("slow:seconds=0.5")  # fifteen seconds, if it were left alone
    configured(place, simulator, delivery={"max_in_flight": 2})
    running = program.start("run", "journey.toml", "--json")
    eventually(lambda: simulator.summary()["contacts"]["taken"] >= 400)
    watched = program("status", "journey.toml", "--json")
    assert (watched.code, watched.json["state"]) == (0, "running")
    assert watched.json["accepted"] in range(200, 6000, 100)
    assert list(watched.json) == [*SUMMARY_KEYS, "unsettled", "last_error", "live"]
    assert watched.json["live"]["limit"] == "concurrency"
    # Two are under way; what two others were answered may be on its way to the disk.
    unsettled = [batch["contacts"] for batch in watched.json["unsettled"]]
    assert (len(unsettled) <= 4, set(unsettled) <= {100}) == (True, True)

    busy = program("run", "journey.toml")
    assert busy.code == 2
    assert f"in use by process {running.pid}" in busy.stderr

    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, ran.json["state"]) == (5, "interrupted")
    read, accepted, *failed, unprocessed = counts(ran.json)
    assert (read, failed) == (accepted + unprocessed, [0, 0])
    sent = taken(simulator)
    assert 400 <= len(sent) == accepted < 6000
    told = program("status", "journey.toml")
    assert (told.code, "Interrupted" in told.stdout) == (0, True)

    listed = table(program("results", "journey.toml", "--of", "unprocessed").stdout)
    assert {row["contact_key"] for row in listed} == keys(*range(1, read + 1)) - set(sent)
    assert all(f"customer.{int(row['position'])}@" in row["EmailAddress"] for row in listed)

    simulator.set_faults()
    resumed = program("run", "journey.toml", "--json")
    assert (resumed.code, counts(resumed.json)) == (0, (6000, 6000, 0, 0, 0))
    assert taken(simulator) == dict.fromkeys(keys(*range(1, 6001)), 1)


def test_results_of_a_run_that_is_going_on(program: Program, simulator: SimulatorProcess) -> None:
    """Each outcome is listed meanwhile, safe for a spreadsheet or exactly, and nobody is in two."""
    place = program.directory
    path = write_contacts(place / "contacts.csv", range(1, 60_001))
    bad = path.read_text().replace("C00007,customer.7@example.com,Ann", ",c7@example.com,=1+1")
    path.write_text(bad)
    simulator.set_faults("500:at=2", "slow:seconds=0.3")
    configured(place, simulator, delivery={"max_in_flight": 2})
    running = program.start("run", "journey.toml", "--json")
    eventually(lambda: simulator.summary()["contacts"]["taken"] >= 400)
    seen: set[str] = set()
    for outcome in ("unprocessed", "unknown", "rejected", "accepted"):  # as they may become others
        listed = table(program("results", "journey.toml", "--of", outcome).stdout)
        positions = {row["position"] for row in listed}
        assert positions, outcome
        assert len(positions) == len(listed)
        if outcome in {"unknown", "rejected"}:
            assert not positions & seen
            seen |= positions

    assert running.alive()
    raw = table(program("results", "journey.toml", "--of", "rejected", "--raw").stdout)
    safe = table(program("results", "journey.toml", "--of", "rejected").stdout)
    assert ({row["FirstName"] for row in raw}, {row["FirstName"] for row in safe}) == (
        {"=1+1"},
        {"'=1+1"},
    )
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, ran.json["rejected"], ran.json["unknown"]) == (5, 1, 100)


def test_second_signal_leaves_at_once(
    program: Program, config: Path, simulator: SimulatorProcess
) -> None:
    """A second signal waits for no answer; what was under way is unknown, and not sent again."""
    simulator.set_faults("hang:taken=true,times=1")
    configured(config.parent, simulator, delivery={"max_in_flight": 1})
    running = program.start("run", "journey.toml", "--json")
    eventually(lambda: simulator.summary()["requests"]["in_flight"] == 1)
    running.signal(signal.SIGINT)
    status = ("status", "journey.toml", "--json")
    assert program(*status).json["state"] == "running"  # it waits for the answer
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, ran.json["state"]) == (5, "interrupted")

    resumed = program("run", "journey.toml", "--json")
    assert (resumed.code, counts(resumed.json)) == (1, (300, 200, 0, 100, 0))
    assert set(taken(simulator).values()) == {1}
    assert len(taken(simulator)) == 300


def test_over_budget(program: Program, tmp_path: Path, simulator: SimulatorProcess) -> None:
    """More failures than delivery.max_errors allows end the run with 4."""
    (tmp_path / "contacts.csv").write_text("customer_id,EmailAddress,FirstName\n" + ",,\n" * 11)
    configured(tmp_path, simulator, delivery={"max_errors": 10})
    ran = program("run", "journey.toml", "--json")
    assert (ran.code, ran.json["state"]) == (4, "over_budget")
    assert "max_errors" in ran.stderr


def test_a_budget_that_is_raised(
    program: Program, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    """A share stops the run once it means something; raised, the run goes on and nobody is lost."""
    rows = [
        f"C{number:05},customer.{number}@example.com,Ann" if number % 10 else ",,"
        for number in range(1, 3_001)
    ]
    (tmp_path / "contacts.csv").write_text(
        "customer_id,EmailAddress,FirstName\n" + "\n".join(rows) + "\n"
    )
    delivery = {"max_in_flight": 1, "max_errors": "5%"}
    configured(tmp_path, simulator, delivery=delivery)
    ran = program("run", "journey.toml", "--json")
    first = ran.json
    assert (ran.code, first["state"]) == (4, "over_budget")
    assert "max_errors allows 5 %" in ran.stderr
    assert first["unprocessed"] > 0
    assert first["accepted"] + first["rejected"] >= 1_000
    assert json.loads(program("status", "journey.toml", "--json").stdout)["state"] == "over_budget"

    again = program("run", "journey.toml", "--json")
    assert (again.code, counts(again.json)) == (4, counts(first)), "spent is spent"
    assert len(taken(simulator)) == first["accepted"]

    configured(tmp_path, simulator, delivery=delivery | {"max_errors": "20%"})
    raised = program("run", "journey.toml", "--json")
    assert (raised.code, counts(raised.json)) == (1, (3_000, 2_700, 300, 0, 0))
    assert raised.json["run_id"] == first["run_id"]
    assert set(taken(simulator).values()) == {1}
    assert len(taken(simulator)) == 2_700


def test_wrong_secret(program: Program, config: Path, simulator: SimulatorProcess) -> None:
    """A refused secret halts with 3 before anything is sent; with the right one the run goes on."""
    configured(config.parent, simulator, account={"client_secret": "another-secret"})
    ran = program("run", "journey.toml", "--json")
    assert (ran.code, ran.json["state"], ran.json["requests"]) == (3, "halted", 0)
    assert "account.client_secret" in ran.stderr
    assert "another-secret" not in ran.stderr
    configured(config.parent, simulator)
    assert program("run", "journey.toml").code == 0


WRONG_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"delivery": {"max_in_flihgt": 3}}, "max_in_flight"),
    "missing column": ({"mapping": {"contact_key": "customer_nr"}}, "customer_nr"),
    "no such source": ({"source": {"url": "nowhere.csv"}}, "nowhere.csv"),
    "a source that links to itself": ({"source": {"url": "loop.csv"}}, "loop.csv"),
    "a damaged source": ({"source": {"url": "damaged.csv.gz"}}, "damaged.csv.gz"),
    "the run directory is a file": ({"run": {"directory": "contacts.csv"}}, "contacts.csv"),
    "the run directory lies below one": ({"run": {"directory": "contacts.csv/run"}}, "Mend"),
    "the journal is a directory": ({"run": {"directory": "odd"}}, "journal.db"),
    "the journal is none": ({"run": {"directory": "foreign"}}, "is no journal"),
}
if os.geteuid() != 0:  # root may read and write everything
    WRONG_CONFIGS["a source that may not be read"] = ({"source": {"url": "closed.csv"}}, "closed")
    WRONG_CONFIGS["a run directory that may not be written"] = (
        {"run": {"directory": "closed"}},
        "closed",
    )


@pytest.fixture(scope="module")
def wrong_runs(
    one_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[Running, Path]]]:
    """A run for each wrong config, all at once: most of their time is the program's start."""
    with ExitStack() as stack:
        begun = {}
        for case, (sections, _) in WRONG_CONFIGS.items():
            place = tmp_path_factory.mktemp("wrong")
            program = stack.enter_context(Program(place))
            begun[case] = wrong_run(program, one_simulator, sections), place

        yield begun


def wrong_run(program: Program, simulator: SimulatorProcess, sections: dict[str, Any]) -> Running:
    place = program.directory
    write_contacts(place / "contacts.csv", range(1, 4))
    (place / "loop.csv").symlink_to("loop.csv")
    (place / "damaged.csv.gz").write_bytes(b"\x1f\x8b\x08\x00 nothing of the kind")
    (place / "closed.csv").touch(mode=0)
    (place / "closed").mkdir(mode=0o500)
    (place / "odd/journal.db").mkdir(parents=True)
    (place / "foreign").mkdir()
    (place / "foreign/journal.db").write_text("somebody's notes")
    source = sections.get("source", {}).get("url", "contacts.csv")
    rest = {name: keys for name, keys in sections.items() if name != "source"}
    configured(place, simulator, source=source, **rest)
    return program.start("run", "journey.toml", "--json")


@pytest.mark.parametrize("case", WRONG_CONFIGS)
def test_what_must_be_mended_first(case: str, wrong_runs: dict[str, tuple[Running, Path]]) -> None:
    """What the user must change ends with 2 and a sentence that names it; nothing is begun."""
    _, named = WRONG_CONFIGS[case]
    running, place = wrong_runs[case]
    ran = running.ended()
    assert (ran.code, ran.stdout) == (2, "")
    assert named in ran.stderr
    assert not list(place.rglob("accepted.ndjson"))


def test_a_field_the_extension_lacks(
    program: Program, config: Path, simulator: SimulatorProcess
) -> None:
    """A mapping that every contact would be lost by ends with 2; mended, the run goes on."""
    fields = {"EmailAddress": "EmailAddress", "Sirname": "FirstName"}
    configured(config.parent, simulator, mapping={"fields": fields})
    ran = program("run", "journey.toml", "--json")
    assert (ran.code, ran.json["state"], ran.json["read"]) == (2, "halted", 0)
    assert "Sirname" in ran.stderr
    configured(config.parent, simulator)
    assert program("run", "journey.toml").code == 0


def test_no_config(program: Program, tmp_path: Path) -> None:
    """A config that is not there, or is a directory, ends with 2 and is named."""
    (tmp_path / "directory.toml").mkdir()
    commands = (
        ("run", "nowhere.toml"),
        ("check", "directory.toml"),
        ("status", "directory.toml"),
        ("results", "nowhere.toml", "--of", "rejected"),
    )
    for command in [program.start(*command) for command in commands]:
        ran = command.ended()
        assert ran.code == 2
        assert ".toml" in ran.stdout + ran.stderr


def test_no_run_yet(program: Program, config: Path) -> None:
    """Where nothing ran, status and results say so, with 2."""
    for arguments in (("status", "journey.toml"), ("results", "journey.toml", "--of", "unknown")):
        ran = program(*arguments)
        assert (ran.code, ran.stdout) == (2, "")
        assert "journal.db" in ran.stderr


def test_results_that_cannot_be_written(program: Program, config: Path, tmp_path: Path) -> None:
    """An output file that cannot be opened ends with 2 and is named."""
    assert program("run", "journey.toml").code == 0
    (tmp_path / "taken").mkdir()
    ran = program("results", "journey.toml", "--of", "accepted", "-o", "taken")
    assert ran.code == 2
    assert "taken" in ran.stderr


def test_disk_that_fills(program: Program, config: Path, simulator: SimulatorProcess) -> None:
    """A disk that takes no more ends the run with 2; with room it goes on, nothing doubled."""
    write_contacts(config.parent / "contacts.csv", range(1, 3001))
    small = program.start("run", "journey.toml", "--json", file_bytes=90_000)
    ran = small.ended()
    assert ran.code == 2
    assert "Nothing written before is lost" in ran.stderr
    resumed = program("run", "journey.toml", "--json")
    assert resumed.code in {0, 1}
    assert set(taken(simulator).values()) == {1}
    assert resumed.json["accepted"] + resumed.json["unknown"] == 3000


def test_no_answer_to_be_had(program: Program, config: Path) -> None:
    """Nobody listens: the program says so while it tries, and a signal ends the waiting with 5."""
    write_config(config, url="http://127.0.0.1:9", source="contacts.csv")
    running = program.start("run", "journey.toml", "--json")
    eventually(lambda: "trying again" in running.said())
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, ran.json["state"]) == (5, "interrupted")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"accessToken":7}',
        b"HTTP/1.1 302 Found\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_somebody_else_answers(answer: bytes, program: Program, config: Path) -> None:
    """A server that is no Marketing Cloud halts the run with 3, or fails the check with 2."""
    with FixedServer(answer) as server:
        write_config(config, url=server.url, source="contacts.csv")
        ran = program("run", "journey.toml", "--json")
        assert (ran.code, ran.json["state"], ran.json["unprocessed"]) == (3, "halted", 0)
        assert "account." in ran.stderr
        checked = program("check", "journey.toml")
        assert checked.code == 2
        assert "fail  credentials" in checked.stdout


def findings(text: str) -> list[tuple[str, str]]:
    """(ok or fail, subject) of each line of a check."""
    marked = (line.partition("  ") for line in text.splitlines() if line[:4] in {"ok  ", "fail"})
    return [(mark.strip(), rest.strip().partition(":")[0]) for mark, _, rest in marked]


STEPS = ["config", "source", "mapping", "credentials", "event definition", "fields", "payload"]


def test_check(program: Program, config: Path, simulator: SimulatorProcess) -> None:
    """With everything right, each step is ok in its order, and no contact is sent."""
    ran = program("check", "journey.toml")
    assert (ran.code, findings(ran.stdout)) == (0, [("ok", step) for step in STEPS])
    assert '"ContactKey": "C00001"' in ran.stdout
    assert simulator.summary()["requests"]["requests"] == 0

    before = simulator.summary()["tokens"]["requests"]
    offline = program("check", "journey.toml", "--offline")
    steps = [step for step in STEPS if step in {"config", "source", "mapping", "payload"}]
    assert (offline.code, findings(offline.stdout)) == (0, [("ok", step) for step in steps])
    assert simulator.summary()["tokens"]["requests"] == before


WRONG_CHECKS: dict[str, tuple[dict[str, Any], str, str]] = {
    "wrong secret": (
        {"account": {"client_secret": "another-secret"}},
        "credentials",
        "client_secret",
    ),
    "unknown event": (
        {"journey": {"event_definition_key": "APIEvent-other"}},
        "event definition",
        "journey.event_definition_key",
    ),
    "missing column": ({"mapping": {"contact_key": "customer_nr"}}, "mapping", "customer_nr"),
    "a field the extension lacks": (
        {"mapping": {"fields": {"EmailAddress": "EmailAddress", "Sirname": "FirstName"}}},
        "fields",
        "Sirname",
    ),
    "a required field that is not sent": (
        {"mapping": {"fields": {"FirstName": "FirstName"}}},
        "fields",
        "EmailAddress",
    ),
    "unknown key": ({"delivery": {"max_in_flihgt": 3}}, "config", "max_in_flight"),
}


@pytest.fixture(scope="module")
def wrong_checks(
    one_simulator: SimulatorProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Running]]:
    """A check for each, all at once."""
    with ExitStack() as stack:
        begun = {}
        for case, (sections, *_) in WRONG_CHECKS.items():
            program = stack.enter_context(Program(tmp_path_factory.mktemp("check")))
            write_contacts(program.directory / "contacts.csv", range(1, 4))
            configured(program.directory, one_simulator, **sections)
            begun[case] = program.start("check", "journey.toml")

        yield begun


@pytest.mark.parametrize("case", WRONG_CHECKS)
def test_check_finds(case: str, wrong_checks: dict[str, Running]) -> None:
    """The step that does not hold fails, names what to look at, and ends the check with 2."""
    _, step, named = WRONG_CHECKS[case]
    ran = wrong_checks[case].ended()
    assert ran.code == 2
    before = [("ok", each) for each in STEPS[: STEPS.index(step)]]
    assert findings(ran.stdout) == [*before, ("fail", step)]
    assert named in ran.stdout
    assert "another-secret" not in ran.stdout + ran.stderr


def test_check_finds_that_nobody_listens(program: Program, config: Path, tmp_path: Path) -> None:
    """An event that no published journey listens to would swallow every contact."""
    options = tmp_path / "simulator.toml"
    options.write_text("published_journeys = 0\n")
    with SimulatorProcess("--config", str(options)) as deaf:
        configured(tmp_path, deaf)
        ran = program("check", "journey.toml")

    assert ran.code == 2
    assert [step for mark, step in findings(ran.stdout) if mark == "fail"] == ["event definition"]
    assert "publish the journey" in ran.stdout


def test_init(program: Program, tmp_path: Path, simulator: SimulatorProcess) -> None:
    """What init writes for a data file passes the check as it is, and is never overwritten."""
    (tmp_path / "contacts.csv").write_text(
        "customer_id;email;first_name\nC1;ann@example.com;Ann\nC2;bo@example.com;Bo\n"
    )
    made = program("init", "contacts.csv", "-o", "starter.toml")
    assert made.code == 0
    assert "starter.toml written" in made.stderr
    written = (tmp_path / "starter.toml").read_text()
    checked = program("check", "starter.toml", "--offline")
    assert (checked.code, '"ContactKey": "C1"' in checked.stdout) == (0, True)

    refused = program("init", "contacts.csv", "-o", "starter.toml")
    assert refused.code == 2
    assert "starter.toml exists" in refused.stderr
    assert (tmp_path / "starter.toml").read_text() == written
    assert program("init").code == 0
    assert (tmp_path / "journey.toml").exists()
    assert program("init", "nowhere.csv", "-o", "other.toml").code == 2


def test_environment_overrides(tmp_path: Path, config: Path, simulator: SimulatorProcess) -> None:
    """Every key can come from the environment, the credentials above all."""
    account = {"client_id": None, "client_secret": None}
    configured(config.parent, simulator, account=account)
    environment = {
        "JOURNEY_ACCOUNT__CLIENT_ID": "rehearsal",
        "JOURNEY_ACCOUNT__CLIENT_SECRET": CLIENT_SECRET,
        "JOURNEY_BATCH__MAX_RECORDS": "150",
    }
    with Program(tmp_path, **environment) as program:
        ran = program("run", "journey.toml", "--json")

    assert (ran.code, ran.json["batches"], ran.json["accepted"]) == (0, 2, 300)


def test_terminal_without_letters(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """Names a terminal has no letters for are shown by number; JSON is UTF-8 whatever it has."""
    (tmp_path / "Élodie.csv").write_text("customer_id,EmailAddress,FirstName\nC1,Zoë,Ann\n")
    configured(tmp_path, simulator, source="Élodie.csv", delivery={"max_errors": 0})
    with Program(tmp_path, PYTHONIOENCODING="ascii") as program:
        assert "\\xc9lodie.csv" in program("check", "journey.toml").stdout
        assert program("run", "journey.toml").code == 4
        status = program("status", "journey.toml", "--json")
        assert "Zoë" in program("results", "journey.toml", "--of", "rejected").stdout

    assert status.json["state"] == "over_budget"


def test_schema(program: Program) -> None:
    """schema prints JSON, and it knows every section."""
    ran = program("schema")
    assert ran.code == 0
    schema = json.loads(ran.stdout)
    assert {"account", "journey", "source", "mapping", "run"} <= set(schema["properties"])


def test_version_and_usage(program: Program) -> None:
    """--version prints a version; what is no command or option ends with 2."""
    assert program("--version").stdout.count(".") == 2
    assert program("inject").code == 2
    assert program("run", "journey.toml", "--secret", "x").code == 2


COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """Every command's help shows an example that begins as one would type it."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"journey-pipeline {command}" in result.output


def test_demo(program: Program, tmp_path: Path) -> None:
    """The demo needs nothing, tells the truth, and leaves a run one can look into."""
    ran = program("demo", "--contacts", "6000")
    assert (ran.code, ran.stdout) == (0, "")
    assert "1 of 1 that are told to be missing were lost in silence (vanished)" in ran.stderr
    assert "You were told the truth about every contact" in ran.stderr
    (place,) = (tmp_path / "runs").iterdir()
    config = place.relative_to(tmp_path) / "demo.toml"
    rejected = program("results", str(config), "--of", "rejected")
    assert len(table(rejected.stdout)) == 5


def test_ctrl_c_in_the_demo(program: Program) -> None:
    """Ctrl-C reaches every process of the terminal, and still the demo ends in good order."""
    running = program.start("demo", "--contacts", "300000")
    eventually(lambda: "a Marketing Cloud on" in running.said())
    eventually(lambda: list(program.directory.glob("runs/*/run/accepted.ndjson")))
    os.killpg(running.pid, signal.SIGINT)
    ran = running.ended()
    assert ran.code == 0
    assert "Interrupted" in ran.stderr
    assert "You were told the truth about every contact" in ran.stderr


def test_simulate(program: Program, tmp_path: Path) -> None:
    """simulate is the Marketing Cloud of the other tests; what it is told wrongly ends with 2."""
    ran = program("simulate", "--fault", "4x9")
    assert ran.code == 2
    assert "4x9" in ran.stderr
    (tmp_path / "wrong.toml").write_text(toml({}) + "prot = 1\n")
    assert "port" in program("simulate", "--config", "wrong.toml").stderr


@pytest.mark.parametrize("name", ["report.html", "report.html.new"])
def test_a_report_through_a_planted_link(program: Program, config: Path, name: str) -> None:
    """What a link in the run directory points at is neither written nor given other rights."""
    assert program("run", config.name).code == 0
    precious = program.directory / "precious"
    precious.write_text("mine")
    precious.chmod(0o644)
    path = program.directory / "run" / "report.html"
    path.with_name(name).symlink_to(precious)
    assert program("report", config.name).code == 0
    assert (precious.read_text(), stat.S_IMODE(precious.stat().st_mode)) == ("mine", 0o644)
    assert (path.is_symlink(), stat.S_IMODE(path.stat().st_mode)) == (False, 0o600)
    assert path.read_text().startswith("<!")
