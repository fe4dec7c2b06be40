"""A watched folder knows what was in a file, however it is compressed: real processes."""

from __future__ import annotations

import gzip
import io
import signal
import zipfile
from contextlib import closing
from typing import TYPE_CHECKING

from tests.fakes.configs import write_contacts, zstd_compressed
from tests.fakes.inboxes import names
from tests.fakes.program import Program, eventually
from tests.worker.test_watched_long import age

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.simulator_process import SimulatorProcess

MANY = 600
"""Enough for more than 8 KiB: less is not taken for the beginning of anything."""


def contacts(directory: Path, count: int) -> bytes:
    path = write_contacts(directory / "written.csv", range(1, count + 1))
    return path.read_bytes()


def zipped(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", content)

    return file.getvalue()


def drop(inbox: Path, name: str, content: bytes) -> None:
    """As who puts a file there should: under another name first."""
    written = inbox / f"{name}.part"
    written.write_bytes(content)
    written.rename(inbox / name)


def test_a_growing_export(program: Program, simulator: SimulatorProcess, inbox: Path) -> None:
    """Compressed anew each time: the same is moved and not sent, what has grown and what was cut
    off is set aside, each with its reason; another export is sent. So it is a month later, when the
    journal is gone."""
    content = contacts(program.directory, MANY)
    drop(inbox, "export.csv.gz", gzip.compress(content, 6, mtime=1))
    running = program.start("run", "watch.toml")
    eventually((inbox / "done" / "export.csv.gz").exists)
    drop(inbox, "1.csv.gz", gzip.compress(content, 9, mtime=2))
    drop(inbox, "2.csv", content)
    drop(inbox, "3.csv.zst", zstd_compressed(content))
    drop(inbox, "4.zip", zipped(content))
    drop(inbox, "5.csv.gz", gzip.compress(contacts(program.directory, MANY + 1), 6, mtime=3))
    drop(inbox, "6.zip", zipped(contacts(program.directory, MANY + 1)))
    drop(inbox, "7.csv.gz", gzip.compress(content, 6, mtime=4)[:-200])
    drop(inbox, "8.csv", content[: len(content) // 2])
    drop(inbox, "9.csv", content.partition(b"\n")[0] + b"\nX1,x1@example.com,Bob\n")
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    ran = running.ended()
    assert ran.code == 0
    same = ["1.csv.gz", "2.csv", "3.csv.zst", "4.zip"]
    assert names(inbox / "done") == [*same, "9.csv", "export.csv.gz"]
    assert names(inbox / "failed") == ["5.csv.gz", "6.zip", "7.csv.gz", "8.csv"]
    assert ran.stderr.count("was injected already") == len(same)
    assert ran.stderr.count("export.csv.gz has grown since it was injected") == 2
    assert "7.csv.gz looks like the beginning of the export.csv.gz that was injected" in ran.stderr
    assert "8.csv looks like the beginning of the export.csv.gz that was injected" in ran.stderr

    age(program.directory / "run", days=32)
    running = program.start("run", "watch.toml")
    eventually(lambda: not list((program.directory / "run").glob("previous/*")))
    drop(inbox, "10.csv.gz", gzip.compress(content, 3, mtime=5))
    drop(inbox, "11.csv.gz", gzip.compress(contacts(program.directory, MANY + 2), 6, mtime=6))
    drop(inbox, "12.csv.gz", gzip.compress(content[:-1], 6, mtime=7))
    eventually(lambda: not names(inbox))
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert set(names(inbox / "failed")) >= {"11.csv.gz", "12.csv.gz"}
    assert (inbox / "done" / "10.csv.gz").exists()
    assert simulator.summary()["contacts"]["taken"] == MANY + 1
    assert simulator.contacts(taken="2+") == []


def test_an_upload_that_stalls(program: Program, simulator: SimulatorProcess, inbox: Path) -> None:
    """Of a file that was sent: its first half is complete as far as anybody can see, and nobody in
    it is sent once more; nor when the whole of it comes."""
    content = contacts(program.directory, MANY)
    drop(inbox, "export.csv", content)
    running = program.start("run", "watch.toml")
    eventually((inbox / "done" / "export.csv").exists)
    with closing((inbox / "again.csv").open("wb", buffering=0)) as upload:
        upload.write(content[: len(content) // 2])
        eventually((inbox / "failed" / "again.csv").exists)
        upload.write(content[len(content) // 2 :])

    (inbox / "failed" / "again.csv").rename(inbox / "whole.csv")
    eventually((inbox / "done" / "whole.csv").exists)
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == MANY
    assert simulator.contacts(taken="2+") == []


def test_an_upload_that_stalls_before_anybody_was_sent(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """What can be read of a compressed file is sent, and the worker halts; once the whole of it is
    there, the next one sends the others, and nobody twice."""
    whole = gzip.compress(contacts(program.directory, MANY), 6, mtime=1)
    with closing((inbox / "export.csv.gz").open("wb", buffering=0)) as upload:
        upload.write(whole[: len(whole) // 2])
        for _ in range(2):
            ran = program("run", "watch.toml", "--json")
            assert (ran.code, ran.json["state"]) == (2, "halted")
            assert "damaged or cut off" in ran.stderr

        assert 0 < simulator.summary()["contacts"]["taken"] < MANY
        upload.write(whole[len(whole) // 2 :])

    running = program.start("run", "watch.toml")
    eventually((inbox / "done" / "export.csv.gz").exists)
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == MANY
    assert simulator.contacts(taken="2+") == []


def test_compressed_anew_while_the_worker_is_away(
    program: Program, simulator: SimulatorProcess, inbox: Path
) -> None:
    """A file that was begun is gone on with as what it holds."""
    simulator.set_faults("slow:seconds=0.3")
    content = contacts(program.directory, 1_500)
    drop(inbox, "export.csv.gz", gzip.compress(content, 1, mtime=1))
    running = program.start("run", "watch.toml")
    eventually(lambda: simulator.summary()["contacts"]["taken"])
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert names(inbox) == ["export.csv.gz"]
    drop(inbox, "export.csv.gz", gzip.compress(content, 9, mtime=2))
    simulator.set_faults()
    running = program.start("run", "watch.toml")
    eventually((inbox / "done" / "export.csv.gz").exists)
    running.signal(signal.SIGTERM)
    assert running.ended().code == 0
    assert simulator.summary()["contacts"]["taken"] == 1_500
    assert simulator.contacts(taken="2+") == []


def test_a_run_of_one_file(program: Program, simulator: SimulatorProcess, inbox: Path) -> None:
    """`run` refuses with a sentence that names both, the run and the way out, which it takes."""
    content = contacts(program.directory, MANY)
    path = inbox / "export.csv.gz"
    with Program(program.directory, JOURNEY_SOURCE__URL=str(path)) as alone:
        path.write_bytes(gzip.compress(content, 1, mtime=1))
        first = alone("run", "watch.toml", "--json")
        assert (first.code, first.json["accepted"]) == (0, MANY)

        path.write_bytes(gzip.compress(content, 9, mtime=2))
        assert "already injected on" in sentence(alone)
        path.write_bytes(gzip.compress(content + b"X1,x1@example.com,Bob\n", 9, mtime=3))
        assert "export.csv.gz has grown since it was injected" in sentence(alone)
        path.write_bytes(gzip.compress(content[:9_000], 9, mtime=3))
        cut = sentence(alone)
        assert (
            "export.csv.gz looks like the beginning of the export.csv.gz that was injected" in cut
        )
        assert f"run {first.json['run_id']} in run)" in cut
        assert simulator.contacts(taken="2+") == []

        again = alone("run", "watch.toml", "--again", "--json")
        assert (again.code, len(simulator.contacts(taken="2+"))) == (1, again.json["accepted"])
        assert again.json["accepted"] > 150


def sentence(program: Program) -> str:
    """What a run says that is refused."""
    ran = program("run", "watch.toml")
    assert (ran.code, ran.stdout) == (2, "")
    assert "--again" in ran.stderr
    return " ".join(ran.stderr.split())
