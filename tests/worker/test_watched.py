"""A watched folder, as its users see it: real processes, killed at any moment."""

from __future__ import annotations

import os
import signal
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from pipeline.intake.source import SourcePolicy
from pipeline.settling.view import viewed
from tests.fakes.configs import write_contacts
from tests.fakes.inboxes import make_inbox, names
from tests.fakes.program import Program, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.simulator_process import SimulatorProcess

HEADER = "customer_id,EmailAddress,FirstName\n"


@pytest.fixture
def inbox(program: Program, simulator: SimulatorProcess) -> Path:
    return make_inbox(program.directory, url=simulator.url, max_in_flight=4)


def test_files_as_they_come(program: Program, simulator: SimulatorProcess, inbox: Path) -> None:
    """Each is sent when it is complete, and moved; SIGTERM ends it well. What cannot be read, or
    was sent in part, is set aside; what was sent already is not sent again."""
    write_contacts(inbox / "a.csv", range(1, 201))
    running = program.start("run", "watch.toml", "--json")
    eventually(lambda: names(inbox / "done") == ["a.csv"] if (inbox / "done").exists() else False)
    first = (inbox / "done" / "a.csv").read_text()

    (inbox / "b.csv").write_text(HEADER + ",nobody@example.com,Ann\nX1,x@example.com,Bob\n")
    (inbox / "again.csv").write_text(first)
    (inbox / "grown.csv").write_text(first + "X2,x2@example.com,Bob\n")
    (inbox / "empty.csv").touch()
    (inbox / "link.csv").symlink_to("done/a.csv")
    (inbox / "notes.txt.tmp").write_text("not yet")
    eventually(lambda: names(inbox) == ["link.csv", "notes.txt.tmp"])
    assert names(inbox / "done") == ["a.csv", "again.csv", "b.csv"]
    assert names(inbox / "failed") == ["empty.csv", "grown.csv"]

    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, ran.json["read"], ran.json["rejected"]) == (0, 2, 1)
    assert "a.csv is settled and lies in inbox/done/a.csv now: 200 accepted" in ran.stderr
    assert "again.csv was injected already" in ran.stderr
    assert "grown.csv was not sent" in ran.stderr
    assert ran.stderr.count("link.csv is a link, which is not followed, and is not sent") == 1
    assert simulator.summary()["contacts"]["taken"] == 201
    assert simulator.contacts(taken="2+") == []


def test_killed_at_any_moment(
    program: Program, simulator: SimulatorProcess, inbox: Path, pytestconfig: pytest.Config
) -> None:
    """Killed and started again until all is done: nobody twice, nobody left out, each file in its
    place once. `--crashes 60` kills more often."""
    kills = pytestconfig.getoption("crashes") // 6
    files = 2 + kills
    simulator.set_faults("slow:seconds=0.1")
    for number in range(files):
        write_contacts(inbox / f"{number}.csv", range(1000 * number + 1, 1000 * number + 601))

    random = Random(7)
    for _ in range(kills):
        running = program.start("run", "watch.toml")
        gets_on(simulator)
        time.sleep(random.uniform(0.0, 0.35))
        running.signal(signal.SIGKILL)
        running.ended()

    assert names(inbox)
    running = program.start("run", "watch.toml")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    assert running.ended().code in {0, 1}
    assert names(inbox / "done") == sorted(f"{number}.csv" for number in range(files))
    assert names(inbox / "failed") == []
    assert simulator.contacts(taken="2+") == []
    accepted, unknown = told(program.directory / "run")
    assert (len(accepted), len(accepted | unknown)) == (len(accepted - unknown), 600 * files)
    taken = {line["contact_key"] for line in simulator.contacts(taken="1+")}
    assert accepted <= taken <= accepted | unknown


def gets_on(simulator: SimulatorProcess) -> None:
    """Wait until somebody more was taken."""
    before = simulator.summary()["contacts"]["taken"]
    eventually(lambda: simulator.summary()["contacts"]["taken"] > before)


def test_a_retry_finds_the_file_where_it_lies_now(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """While the worker waits, and of a run that was put aside as well: by what the file holds, so
    neither its name nor others that lie there matter."""
    refused = HEADER + "X1,x1@example.com,Ann\n,nobody@example.com,Ann\n"
    (inbox / "a.csv").write_text(refused)
    running = program.start("run", "watch.toml")
    eventually(lambda: names(inbox) == [])
    write_contacts(inbox / "b.csv", range(1, 11))
    eventually(lambda: names(inbox) == [])
    done = inbox / "done"
    (done / "a.csv").rename(done / "kept.csv")
    (done / "a.csv").write_text(refused.replace("X1", "X2"))  # as long, and another
    (inbox / "link.csv").symlink_to("/etc/passwd")

    last = program("retry", "watch.toml", "--of", "rejected")
    assert (last.code, "has no rejected contacts to send again" in last.stderr) == (0, True)
    (before,) = (program.directory / "run" / "previous").iterdir()
    environment = {**program.environment, "JOURNEY_RUN__DIRECTORY": str(before)}
    with Program(program.directory, **environment) as other:
        ran = other("retry", "watch.toml", "--of", "rejected", "--json")
        assert (ran.code, ran.json["accepted"], ran.json["rejected"]) == (1, 1, 1)
        assert "sending 1 rejected contact of run" in ran.stderr
        (done / "kept.csv").unlink()
        gone = other("retry", "watch.toml", "--of", "rejected")
        assert (gone.code, gone.stdout) == (2, "")
        assert "lies in inbox no more, nor in its done/" in gone.stderr

    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == 11


def told(run: Path) -> tuple[set[str], set[str]]:
    """Who is accepted and who unknown, by all runs of the directory."""
    accepted: set[str] = set()
    unknown: set[str] = set()
    for place in [run, *(run / "previous").iterdir()]:
        with viewed(place) as view:
            accepted |= {each.contact_key for each in view.accepted()}
            unknown |= {str(each.contact_key) for each in view.failed("unknown")}

    return accepted, unknown


def test_a_file_that_was_begun_comes_first(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A drained worker leaves it where it is, and the next one goes on with it before all others;
    gone, it is missed."""
    simulator.set_faults("slow:seconds=0.3")
    path = write_contacts(inbox / "z.csv", range(1, 1001))
    running = program.start("run", "watch.toml", "--json")
    eventually(lambda: simulator.summary()["contacts"]["taken"] >= 200)
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert (ran.code, ran.json["state"], names(inbox)) == (0, "interrupted", ["z.csv"])

    simulator.set_faults()
    write_contacts(inbox / "a.csv", range(2001, 2011))
    away = path.rename(program.directory / "z.csv")
    missed = program("run", "watch.toml")
    assert missed.code == 2
    assert "an unfinished run" in missed.stderr
    assert "of z.csv, which is not in inbox any more" in missed.stderr
    assert "another run.directory" not in missed.stderr  # which does not know who was injected
    away.rename(path)
    running = program.start("run", "watch.toml")
    eventually(lambda: names(inbox) == [])
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == 1010
    assert simulator.contacts(taken="2+") == []


def test_a_file_that_changes_while_its_run_goes_on(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """Another in its place is sent in its turn; one that has grown is set aside, as it would be if
    it had grown later. Nobody is sent twice, and nothing is moved to done/ unsent."""
    simulator.set_faults("slow:seconds=0.3")
    path = write_contacts(inbox / "a.csv", range(1, 1001))
    other = write_contacts(program.directory / "other.csv", range(2001, 2101))
    running = program.start("run", "watch.toml")
    eventually(lambda: simulator.summary()["contacts"]["taken"] >= 200)
    other.rename(path)
    eventually(lambda: names(inbox) == [])
    assert simulator.summary()["contacts"]["taken"] == 1100
    assert len((inbox / "done" / "a.csv").read_text().splitlines()) == 101

    path = write_contacts(inbox / "b.csv", range(3001, 4001))
    eventually(lambda: simulator.summary()["contacts"]["taken"] >= 1300)
    with path.open("a") as file:
        file.write("X1,x1@example.com,Bob\n")

    eventually(lambda: names(inbox) == [])
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert "what lies there now is taken in its turn" in ran.stderr
    assert "b.csv was not sent and lies in inbox/failed/b.csv now" in ran.stderr
    assert "has grown since it was injected" in ran.stderr
    assert (names(inbox / "done"), names(inbox / "failed")) == (["a.csv"], ["b.csv"])
    assert simulator.summary()["contacts"]["taken"] == 2100
    assert simulator.contacts(taken="2+") == []


def test_a_file_that_is_taken_away_while_it_is_sent(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """What was read of it is sent, and the next file is taken; its run waits for nothing."""
    simulator.set_faults("slow:seconds=0.3")
    path = write_contacts(inbox / "a.csv", range(1, 301))
    running = program.start("run", "watch.toml")
    eventually(lambda: simulator.summary()["contacts"]["taken"])
    path.unlink()
    write_contacts(inbox / "b.csv", range(301, 311))
    eventually((inbox / "done" / "b.csv").exists)
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert (
        "a.csv is not there any more: the run is of what it held when the run began" in ran.stderr
    )
    assert "a.csv is settled as it was when it was taken (300 accepted" in ran.stderr
    assert simulator.summary()["contacts"]["taken"] == 310


def test_a_second_worker(program: Program, simulator: SimulatorProcess, inbox: Path) -> None:
    """It is kept out, whatever its run directory; after the first one, however that ended, the
    folder is free."""
    running = program.start("run", "watch.toml")
    write_contacts(inbox / "a.csv", range(1, 101))
    eventually(lambda: simulator.summary()["contacts"]["taken"])
    with Program(program.directory, **second(program)) as other:
        kept_out = other("run", "watch.toml")
        assert kept_out.code == 2
        assert "inbox is watched by another process" in kept_out.stderr
        assert len(kept_out.stderr.splitlines()) == 1
        assert other("check", "watch.toml", "--offline").code == 0

    running.signal(signal.SIGKILL)
    running.ended()
    write_contacts(inbox / "b.csv", range(101, 201))
    running = program.start("run", "watch.toml")
    eventually(lambda: names(inbox) == [])
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == 200
    assert simulator.contacts(taken="2+") == []


def second(program: Program) -> dict[str, str]:
    """The environment of a worker that differs in nothing but its run directory."""
    return {
        **{name: value for name, value in program.environment.items() if "JOURNEY" in name},
        "JOURNEY_RUN__DIRECTORY": "another-run",
    }


def test_a_name_that_is_not_utf_8(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """It is the file's own fault: set aside, told by its bytes' numbers, and the worker goes on. A
    run of such a path alone says the same."""
    name = os.fsdecode(b"caf\xe9.csv")
    write_contacts(inbox / name, range(1, 11))
    with Program(program.directory, JOURNEY_SOURCE__URL=f"inbox/{name}") as other:
        alone = other("run", "watch.toml")
        assert (alone.code, r"caf\xe9.csv: the file's name is not UTF-8" in alone.stderr) == (
            2,
            True,
        )

    write_contacts(inbox / "z.csv", range(11, 21))
    running = program.start("run", "watch.toml")
    eventually(lambda: names(inbox) == [])
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert r"caf\xe9.csv was not sent and lies in inbox/failed/caf\xe9.csv now" in ran.stderr
    assert (names(inbox / "done"), names(inbox / "failed")) == (["z.csv"], [name])
    assert simulator.summary()["contacts"]["taken"] == 10


def test_what_passes_is_waited_for(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A reader of the journal keeps the next file waiting, and a folder that is away all of them:
    each is told once, and the worker goes on when it has passed."""
    running = program.start("run", "watch.toml")
    write_contacts(inbox / "a.csv", range(1, 11))
    eventually((inbox / "done" / "a.csv").exists)
    with viewed(program.directory / "run"):
        write_contacts(inbox / "b.csv", range(11, 21))
        eventually(lambda: "while another process reads it" in running.said())
        assert running.alive()

    eventually((inbox / "done" / "b.csv").exists)
    away = inbox.rename(program.directory / "away")
    eventually(lambda: "inbox cannot be read" in running.said())
    away.rename(inbox)
    write_contacts(inbox / "c.csv", range(21, 31))
    eventually((inbox / "done" / "c.csv").exists)
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    assert ran.stderr.count("no file is taken for now") == 2
    assert simulator.summary()["contacts"]["taken"] == 30
    assert simulator.contacts(taken="2+") == []


def test_an_empty_folder(program: Program, inbox: Path) -> None:
    """There is nothing wrong with it, and no option that would send somebody twice."""
    assert inbox.is_dir()
    assert "takes neither --again nor --limit" in program("run", "watch.toml", "--again").stderr
    checked = program("check", "watch.toml", "--offline")
    assert (checked.code, "no file lies in it yet" in checked.stdout) == (0, True)


@pytest.mark.parametrize("url", ["-", "sftp://host/inbox/", "redis://host/0/contacts", "in/*.csv"])
def test_what_is_no_folder_is_not_watched(url: str) -> None:
    """What comes through a pipe, from elsewhere, or under a pattern cannot be moved."""
    with pytest.raises(ValueError, match="watch needs a folder of this machine as url"):
        SourcePolicy(url=url, watch=True)
