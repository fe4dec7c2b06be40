"""A folder that is watched for months: real processes, and journals made old."""

from __future__ import annotations

import re
import signal
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from itertools import islice
from random import Random
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

import pytest

from pipeline.errors import JournalInUseError
from pipeline.settling.lock import holder, locked
from pipeline.settling.orders import command
from tests.fakes.busy_journal import busy
from tests.fakes.configs import write_contacts
from tests.fakes.inboxes import names, watching
from tests.fakes.program import Program, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.program import Running
    from tests.fakes.simulator_process import SimulatorProcess


def left(run: Path) -> list[Path]:
    """What lies in the runs that were put aside; nothing while one of them is being removed."""
    with suppress(FileNotFoundError):
        return list(run.glob("previous/*/*"))

    return []


def age(run: Path, *, days: float) -> None:
    """Let what lies in previous/ have ended so long ago."""
    for journal in run.glob("previous/*/journal.db"):
        with closing(sqlite3.connect(journal)) as connection, connection:
            seconds = days * 86_400
            connection.execute(
                "UPDATE run SET started_at = started_at - ?, ended_at = ended_at - ?",
                (seconds, seconds),
            )


def test_old_runs_leave_and_their_files_are_known(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A month after its end a run is gone from previous/, whenever the worker is killed meanwhile,
    and nothing with it that is somebody else's; its file is moved and not sent when it comes again,
    and refused when it has grown."""
    files = 8
    for number in range(files):
        write_contacts(inbox / f"{number}.csv", range(10 * number + 1, 10 * number + 11))

    running = program.start("run", "watch.toml")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    run = program.directory / "run"
    (run / "injected.db").unlink()
    age(run, days=32)
    mine = next((run / "previous").iterdir()) / "report.xlsx"
    mine.touch()

    random = Random(5)
    for _ in range(4):
        running = program.start("run", "watch.toml")
        time.sleep(random.uniform(0.4, 0.9))
        running.signal(signal.SIGKILL)
        running.ended()

    running = program.start("run", "watch.toml")
    eventually(lambda: left(run) == [mine])
    assert list((run / "previous").iterdir()) == [mine.parent], "somebody's own file stays"
    for number in range(files):
        (inbox / "done" / f"{number}.csv").rename(inbox / f"{number}.csv")

    with (inbox / "0.csv").open("a") as file:
        file.write("X1,x1@example.com,Bob\n")

    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert names(inbox / "done") == [f"{number}.csv" for number in range(1, files)]
    assert names(inbox / "failed") == ["0.csv"]
    assert "5.csv was injected already" in ran.stderr
    assert "has grown since it was injected" in ran.stderr
    assert simulator.summary()["contacts"]["taken"] == 10 * files
    assert simulator.contacts(taken="2+") == []


def one_put_aside(program: Program, inbox: Path) -> Path:
    """A worker has sent two files of ten contacts, and ended; where the first one's run lies."""
    for number in range(2):
        write_contacts(inbox / f"{number}.csv", range(10 * number + 1, 10 * number + 11))

    running = program.start("run", "watch.toml")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    running.ended()
    (place,) = (program.directory / "run" / "previous").iterdir()
    return place


def test_the_place_of_a_run_that_is_gone(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """Where the run directory is named that a removed run had, its file is refused as in the one it
    lay in; a folder's worker moves it and sends nothing."""
    run = program.directory / "run"
    place = one_put_aside(program, inbox)
    age(run, days=32)
    running = program.start("run", "watch.toml")
    eventually(lambda: not place.exists())

    there = {"JOURNEY_RUN__DIRECTORY": f"run/previous/{place.name}"}
    for name in ("0.csv", "1.csv"):
        source = {"JOURNEY_SOURCE__WATCH": "false", "JOURNEY_SOURCE__URL": f"inbox/done/{name}"}
        with Program(program.directory, **there, **source) as other:
            refused = other("run", "watch.toml")
            assert (refused.code, "already injected on" in refused.stderr) == (2, True)

    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    (inbox / "done" / "0.csv").rename(inbox / "0.csv")
    program.environment |= there
    running = program.start("run", "watch.toml")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    assert "0.csv was injected already" in running.ended().stderr
    assert simulator.summary()["contacts"]["taken"] == 20
    assert simulator.contacts(taken="2+") == []


def test_begun_anew_in_its_place(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """`run --again` in the place of a run that was put aside sends another file from there; both
    are known to the worker, also once that run has left."""
    run = program.directory / "run"
    place = one_put_aside(program, inbox)
    other = write_contacts(program.directory / "other.csv", range(101, 111))
    there = {"JOURNEY_RUN__DIRECTORY": f"run/previous/{place.name}"}
    source = {"JOURNEY_SOURCE__WATCH": "false", "JOURNEY_SOURCE__URL": "other.csv"}
    with Program(program.directory, **there, **source) as another:
        assert another("run", "watch.toml", "--again").code == 0

    running = program.start("run", "watch.toml")
    other.rename(inbox / "other.csv")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    running.ended()
    assert (place / "journal.db").exists()

    age(run, days=32)
    running = program.start("run", "watch.toml")
    eventually(lambda: not (place / "journal.db").exists())
    for name in ("0.csv", "1.csv", "other.csv"):
        (inbox / "done" / name).rename(inbox / name)

    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert ran.stderr.count("was injected already") == 3, ran.stderr
    assert simulator.summary()["contacts"]["taken"] == 30
    assert simulator.contacts(taken="2+") == []

    (run / "injected.db").unlink()
    (inbox / "done" / "other.csv").rename(inbox / "other.csv")
    refused = program("run", "watch.toml")
    assert refused.code == 2
    assert "injected.db does not know 2 of the 2 runs any more that it knew" in refused.stderr
    assert names(inbox) == ["other.csv"]
    assert simulator.contacts(taken="2+") == []


def test_steered_between_two_files(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A worker that waits tells so, before its first file and after it; one that is paused then is
    paused when the next file comes, and sends it once it may go on; what is asked of its pace
    holds."""
    running = program.start("run", "watch.toml")
    live = program.directory / "run" / "watch-live.json"
    eventually(live.exists)
    shown = program("status", "watch.toml")
    assert (shown.code, shown.stderr) == (0, "")
    assert f"the worker (process {running.pid}) waits for files" in shown.stdout
    found = program("status", "watch.toml", "--json").json
    assert (found["live"]["waiting"], found["live"]["limit"]) == (True, "source")

    paused = program("pause", "watch.toml")
    assert "limit: paused, since " in paused.stdout
    assert "waits for files" in paused.stdout
    write_contacts(inbox / "a.csv", range(1, 201))
    eventually(lambda: not program("status", "watch.toml", "--json").json["live"]["waiting"])
    slower = program("pace", "watch.toml", "--requests-per-second", "50")
    assert "limit: paused" in slower.stdout
    assert simulator.summary()["contacts"]["taken"] == 0
    assert names(inbox) == ["a.csv"]

    resumed = program("resume", "watch.toml")
    assert (resumed.code, "limit: paused" in resumed.stdout) == (0, False)
    eventually(lambda: names(inbox / "done") == ["a.csv"])
    eventually(lambda: program("status", "watch.toml", "--json").json["live"]["waiting"])
    shown = program("status", "watch.toml")
    assert "waits for files" in shown.stdout
    assert program("status", "watch.toml", "--json").json["accepted"] == 200
    assert "pace: 50 requests a second" in program("pace", "watch.toml").stdout

    program("pause", "watch.toml")
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert ran.stderr.count("nothing is sent until `resume`") == 2, "once each time it is asked"
    assert ran.stderr.count("sending goes on") == 1
    assert ran.stderr.count("50 requests a second") == 1
    assert not live.exists()
    gone = program("pause", "watch.toml")
    assert (gone.code, "no run is going on" in gone.stderr) == (2, True)


def test_how_many_files_wait(program: Program, inbox: Path) -> None:
    """`status`, the metrics and the live page tell it, also while one is sent; and each file that
    is settled is one line in the log, which names its run."""
    with watching(program.directory, JOURNEY_WORKER__LISTEN="127.0.0.1:0") as listening:
        follow_files(program, listening.start("run", "watch.toml"), inbox)


def follow_files(program: Program, running: Running, inbox: Path) -> None:
    url = eventually(lambda: re.search(r"http://127\S+/", running.said()))[0]
    assert told_of_files(program) == (0, "in the watched folder: 0 files to be sent")
    program("pause", "watch.toml")
    for number in range(3):
        write_contacts(inbox / f"{number}.csv", range(10 * number + 1, 10 * number + 11))

    eventually(lambda: not program("status", "watch.toml", "--json").json["live"]["waiting"])
    assert told_of_files(program) == (2, "in the watched folder: 2 files to be sent")
    (inbox / "9.csv.part").touch()  # is none yet
    write_contacts(inbox / "3.csv", range(31, 41))
    assert told_of_files(program) == (3, "in the watched folder: 3 files to be sent")
    metrics = partial(asked, f"{url}metrics")
    eventually(lambda: "\njourney_source_waiting_files 4.0" in metrics())
    assert '"waiting_files":4' in asked(f"{url}live", lines=2)

    program("resume", "watch.toml")
    eventually(lambda: len(names(inbox / "done")) == 4)
    running.signal(signal.SIGTERM)
    ran = running.ended()
    lines = [line for line in ran.stderr.splitlines() if "run/previous" in line or ".csv" in line]
    runs = {each.name for each in (program.directory / "run" / "previous").iterdir()}
    assert [line.partition(" now: ")[0][-20:] for line in lines] == [
        f" in inbox/done/{number}.csv" for number in range(4)
    ]
    assert {line.rpartition(", run ")[2][:32] for line in lines[:3]} == runs
    away = inbox.rename(inbox.with_name("away"))
    assert told_of_files(program)[0] is None
    away.rename(inbox)


def test_a_known_file_between_two(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A file that was injected before has no run, so the last one stays the last that was told of:
    it is not told of once more when the next file's run is begun in its place."""
    running = program.start("run", "watch.toml")
    for name, first in (("a", 1), ("known", 1), ("b", 11)):
        write_contacts(inbox / f"{name}.csv", range(first, first + 10))
        eventually((inbox / "done" / f"{name}.csv").exists)

    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert "known.csv was injected already" in ran.stderr
    assert "run/previous" not in ran.stderr
    assert simulator.summary()["contacts"]["taken"] == 20


def told_of_files(program: Program) -> tuple[int | None, str]:
    """What `status` tells programs and people of the files that wait."""
    told = program("status", "watch.toml").stdout.splitlines()
    lines = [line.strip() for line in told if "watched folder" in line]
    return program("status", "watch.toml", "--json").json["waiting_files"], *lines


def asked(url: str, *, lines: int | None = None) -> str:
    """What a worker answers, as much of it as so many lines."""
    with build_opener(ProxyHandler({})).open(url, timeout=10) as answer:
        told: bytes = answer.read() if lines is None else b"".join(islice(answer, lines))

    return told.decode()


@pytest.mark.parametrize("killed", [False, True], ids=["to its end", "killed"])
def test_another_run_is_steered(
    program: Program, simulator: SimulatorProcess, inbox: Path, *, killed: bool
) -> None:
    """Where another process works on a run while the worker waits, that one is looked at, paused
    and made faster, each within a second, and the worker is not; afterwards it is the worker
    again."""
    running = program.start("run", "watch.toml")
    write_contacts(inbox / "a.csv", range(1, 11))
    eventually((inbox / "done" / "a.csv").exists)
    write_contacts(program.directory / "other.csv", range(1001, 3001))
    slow = {"JOURNEY_BATCH__MAX_RECORDS": "5", "JOURNEY_DELIVERY__REQUESTS_PER_SECOND": "10"}
    unwatched = {"JOURNEY_SOURCE__WATCH": "false", "JOURNEY_SOURCE__URL": "other.csv"}
    with Program(program.directory, **slow, **unwatched) as other:
        another = other.start("run", "watch.toml", "--json")
        gets_on(simulator)
        assert looked_at(program) == (another.pid, False)
        took = []
        for _ in range(2):
            paused = program("pause", "watch.toml")
            assert (paused.stdout.startswith("limit: paused"), paused.code) == (True, 0)
            time.sleep(0.2)  # for what was under way
            taken = simulator.summary()["contacts"]["taken"]
            time.sleep(0.3)
            assert simulator.summary()["contacts"]["taken"] == taken
            began = time.monotonic()
            command(program.directory / "run", {"paused": False})
            gets_on(simulator)
            took.append(time.monotonic() - began)

        assert min(took) < 1.0  # a machine that is busy is late once in a while
        faster = program("pace", "watch.toml", "--requests-per-second", "30")
        assert faster.stdout.splitlines()[1].startswith("pace: 30 requests a second")
        if killed:
            another.signal(signal.SIGKILL)
            another.ended()
        else:
            command(program.directory / "run", {"requests_per_second": 1000.0})
            ended = another.ended()
            assert (ended.code, ended.json["accepted"]) == (0, 2000)

    assert looked_at(program) == (running.pid, True)
    shown = program("pace", "watch.toml").stdout
    assert ("waits for files" in shown, "limit: paused" in shown) == (True, False)
    assert "pace: 1,000 requests a second" in shown, "nothing was asked of it"
    if not killed:
        write_contacts(inbox / "b.csv", range(11, 21))
        eventually((inbox / "done" / "b.csv").exists)

    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, "the pace was changed" in ran.stderr) == (0, False)


def test_another_run_is_opened(program: Program, simulator: SimulatorProcess, inbox: Path) -> None:
    """Where another process still opens its journal while the worker waits, a pause is its own, and
    the worker sends the next file."""
    running = program.start("run", "watch.toml")
    eventually((program.directory / "run" / "watch-live.json").exists)
    write_contacts(program.directory / "other.csv", range(1001, 3001))
    unwatched = {"JOURNEY_SOURCE__WATCH": "false", "JOURNEY_SOURCE__URL": "other.csv"}
    with Program(program.directory, **unwatched) as other:
        first = other.start("run", "watch.toml")
        gets_on(simulator)
        first.signal(signal.SIGTERM)
        first.ended()
        with busy(program.directory / "run"):
            another = other.start("run", "watch.toml", "--json")
            eventually(lambda: holder(program.directory / "run"))
            live = command(program.directory / "run", {"paused": True})
            assert (live.process, live.opening, live.waiting) == (another.pid, True, False)

        command(program.directory / "run", {"paused": False})
        assert another.ended().json["accepted"] == 2000

    assert looked_at(program) == (running.pid, True)
    assert "limit: paused" not in program("pace", "watch.toml").stdout
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, "the pace was changed" in ran.stderr) == (0, False)


def looked_at(program: Program) -> tuple[int, bool]:
    """The process that `status` looks at, and whether it waits for files."""
    live = program("status", "watch.toml", "--json").json["live"]
    return live["process"], live["waiting"]


def gets_on(simulator: SimulatorProcess) -> None:
    """Wait until somebody more was taken."""
    before = simulator.summary()["contacts"]["taken"]
    eventually(lambda: simulator.summary()["contacts"]["taken"] > before)


def test_others_between_two_files(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """While it waits, the last file's run can be verified, and the next file waits for that; no
    second worker gets into its run directory, whatever folder it watches."""
    running = program.start("run", "watch.toml")
    write_contacts(inbox / "a.csv", range(1, 11))
    eventually((inbox / "done" / "a.csv").exists)
    eventually(lambda: program("status", "watch.toml", "--json").json["live"]["waiting"])
    assert program("verify", "watch.toml").code in {0, 1}

    with locked(program.directory / "run"):
        write_contacts(inbox / "b.csv", range(11, 21))
        eventually(lambda: "is in use by process" in running.said())
        assert running.alive()

    eventually((inbox / "done" / "b.csv").exists)
    (program.directory / "other").mkdir()
    with Program(
        program.directory,
        JOURNEY_SOURCE__WATCH="true",
        JOURNEY_SOURCE__URL="other",
    ) as other:
        refused = other("run", "watch.toml")
        assert (refused.code, "in use by process" in refused.stderr) == (2, True)
        assert len(refused.stderr.splitlines()) == 1, "it says why, and nothing else"

    assert (program.directory / "run" / "watch-live.json").exists()
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == 20


@pytest.mark.parametrize("killed", [False, True], ids=["going on", "killed"])
def test_replaced_before_it_was_opened(
    program: Program, simulator: SimulatorProcess, inbox: Path, *, killed: bool
) -> None:
    """A file whose run was begun, and that was replaced before anything of it was read or sent, is
    taken as the file it is now, by this process or the next; nobody of the other is sent."""
    simulator.set_faults("slow:seconds=2,on=token")
    write_contacts(inbox / "a.csv", range(1, 201))
    other = write_contacts(program.directory / "other.csv", range(1001, 1101))
    run = program.directory / "run"
    running = program.start("run", "watch.toml")
    eventually((run / "journal.db").exists)
    other.rename(inbox / "a.csv")
    if killed:
        running.signal(signal.SIGKILL)
        running.ended()
        running = program.start("run", "watch.toml")

    eventually((inbox / "done" / "a.csv").exists)
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, "halted" in ran.stderr) == (0, False)
    assert "a.csv is settled and lies in inbox/done/a.csv now: 100 accepted" in ran.stderr
    assert "the run that was here before lies in " in ran.stderr
    taken = {line["contact_key"] for line in simulator.contacts(taken="1+")}
    assert len(taken) == 100
    assert "C00001" not in taken
    assert simulator.contacts(taken="2+") == []


def test_replaced_while_others_wait_for_the_run(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """What was read and sent of a file is looked at while its run is this process's own: another
    that takes the run directory in the next moment, and its journal with it, is waited for."""
    simulator.set_faults("slow:seconds=2,on=token")
    write_contacts(inbox / "a.csv", range(1, 201))
    other = write_contacts(program.directory / "other.csv", range(1001, 1101))
    run = program.directory / "run"
    running = program.start("run", "watch.toml")
    eventually((run / "journal.db").exists)
    other.rename(inbox / "a.csv")
    with taken(run):
        (run / "journal.db").rename(run / "away.db")
        time.sleep(1.0)
        (run / "away.db").rename(run / "journal.db")

    eventually((inbox / "done" / "a.csv").exists)
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, "halted" in ran.stderr) == (0, False)
    assert "is in use by process" in ran.stderr
    assert len(simulator.contacts(taken="1")) == 100
    assert simulator.contacts(taken="2+") == []


@contextmanager
def taken(run: Path) -> Iterator[None]:
    """The run directory, in the moment in which it is free."""
    with ExitStack() as stack:
        while True:
            with suppress(JournalInUseError):
                stack.enter_context(locked(run))
                break

        yield
