"""What must not be told is not told: secrets and tokens are marked, every output is searched."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.fakes.configs import write_config, write_contacts
from tests.fakes.processes import children
from tests.fakes.program import Program, eventually
from tests.fakes.runs import lines_of
from tests.fakes.telltale import Telltale

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fakes.program import Ran

SECRET = 'MARKED/secret+of"the\\package='  # in JSON and in URLs it is written otherwise
TOKEN = "MARKEDtoken0123456789abc"
ROOT = Path(__file__).resolve().parents[1]

CRASHING = """
import sys
import pipeline.sending.courier as courier

def classify(reply, **others):
    raise RuntimeError("the program is broken")

courier.classify = classify
sys.argv[0] = "journey-pipeline"
from pipeline.__main__ import main
main()
"""


@pytest.fixture
def everybody_s() -> Iterator[None]:
    """New files are everybody's, unless whoever makes them says otherwise."""
    former = os.umask(0)
    yield
    os.umask(former)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    environment = {
        "JOURNEY_ACCOUNT__CLIENT_SECRET": SECRET,
        "JOURNEY_ACCOUNT__CLIENT_ID": "an-id",
    }
    with Program(tmp_path, **environment) as program:
        yield program


def configured(
    place: Path, server: Telltale, run: str, *, max_records: int = 10, encoder: str = "auto"
) -> None:
    write_config(
        place / "journey.toml",
        url=server.url,
        source="contacts.csv",
        account={"client_id": None, "client_secret": None},
        batch={"max_records": max_records},
        delivery={"max_in_flight": 1, "max_attempts": 2},
        run={"directory": run, "encoder": encoder},
    )


def marked(*texts: bytes | str) -> list[str]:
    """What of the secret or the token is in the texts, however written, or cut."""
    forms = [TOKEN[:8].encode(), SECRET[:8].encode(), b64encode(SECRET.encode())[:10]]
    forms += [b64encode(TOKEN.encode())[:10], quote(SECRET, safe="").encode()[:10]]
    found = []
    for text in texts:
        raw = text.encode() if isinstance(text, str) else text
        places = [raw.find(form) for form in forms if form in raw]
        found += [raw[max(0, place - 80) : place + 80].decode() for place in places]

    return found


def hold_their_tongue(*commands: Ran) -> None:
    for ran in commands:
        assert marked(ran.stdout, ran.stderr) == []


def written(place: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("everybody_s")
def test_nothing_is_told(program: Program, tmp_path: Path) -> None:
    """Check, run with faults, status, results, retry: not in what is printed or written."""
    write_contacts(tmp_path / "contacts.csv", range(1, 91))
    with Telltale(TOKEN, 401, 201, 503, 500, 400, 400, 201) as server:
        configured(tmp_path, server, "run")
        checked = program("check", "journey.toml")
        assert "trying again" in checked.stderr
        ran = program("run", "journey.toml", "--json")
        assert (ran.code, ran.json["accepted"], ran.json["unknown"]) == (1, 80, 10)
        hold_their_tongue(checked, ran)
        results = ("results", "journey.toml", "--of")
        readers = [
            program.start(*results, "accepted", "-o", "accepted.txt"),
            program.start(*results, "unknown", "--raw"),
            program.start(*results, "unknown", "--format", "ndjson", "-o", "unknown.txt"),
            program.start("status", "journey.toml"),
        ]
        hold_their_tongue(*(reader.ended() for reader in readers))
        hold_their_tongue(program("retry", "journey.toml", "--of", "unknown", "--json"))

    hold_tongue_and_door(tmp_path)


@pytest.mark.usefixtures("everybody_s")
@pytest.mark.parametrize("status", [307, 403])
def test_nothing_is_told_of_a_halt(status: int, program: Program, tmp_path: Path) -> None:
    """An error that halts quotes the server, and not what the server quotes."""
    write_contacts(tmp_path / "contacts.csv", range(1, 31))
    with Telltale(TOKEN, status) as server:
        configured(tmp_path, server, "run")
        halted = program("run", "journey.toml", "--json")
        assert halted.code == 3
        hold_their_tongue(halted)

    hold_tongue_and_door(tmp_path)


def hold_tongue_and_door(place: Path) -> None:
    """Nothing secret is in any file, and what a run wrote is its owner's alone."""
    files = written(place)
    assert place / "run" / "summary.json" in files
    assert marked(*files.values()) == []
    for path in files:
        if path.parent != place or path.suffix == ".txt":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path

    assert stat.S_IMODE((place / "run").stat().st_mode) == 0o700


@pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc to look into")
def test_nothing_shows_in_the_list_of_processes(program: Program, tmp_path: Path) -> None:
    """No argument of any process holds a secret, nor does the environment of a child."""
    write_contacts(tmp_path / "contacts.csv", range(1, 31))
    with Telltale(TOKEN) as server:
        server.open.clear()
        configured(tmp_path, server, "run", encoder="process")
        running = program.start("run", "journey.toml", "--json")
        child = eventually(lambda: encoder_of(running.pid))
        environment = Path(f"/proc/{child}/environ").read_bytes()
        assert b"PATH=" in environment
        assert marked(environment) == []
        assert server.waiting.wait(30)
        for pid in (running.pid, *children(running.pid)):
            assert marked(Path(f"/proc/{pid}/cmdline").read_bytes()) == []

        server.open.set()
        assert running.ended().code == 0


def encoder_of(pid: int) -> int | None:
    """The child that encodes, once it is that program and no copy of its parent."""
    for child in children(pid):
        with suppress(OSError):
            if b"pipeline.mapping.encoding" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child

    return None


def test_nothing_in_a_traceback(program: Program, tmp_path: Path) -> None:
    """A crash that nobody expected shows the way it took, and no secret."""
    write_contacts(tmp_path / "contacts.csv", range(1, 31))
    with Telltale(TOKEN) as server:
        configured(tmp_path, server, "run")
        crashed = subprocess.run(
            [sys.executable, "-c", CRASHING, "run", "journey.toml"],
            cwd=tmp_path,
            env={**program.environment, "PYTHONASYNCIODEBUG": "1"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert crashed.returncode not in {0, 2, 3, 4, 5}
        assert b"RuntimeError: the program is broken" in crashed.stderr
        assert marked(crashed.stdout, crashed.stderr, *written(tmp_path / "run").values()) == []
        ran = program("run", "journey.toml", "--json")
        assert (ran.json["accepted"], ran.json["unknown"]) == (20, 10)


NASTY = "\x1b]0;pwned\x07\x1b[2J\u202eevil\u2066\r\nforged line\x9b31m\x00"


def test_nothing_that_a_terminal_would_obey(program: Program, tmp_path: Path) -> None:
    """What a server or a file says is told inertly, on its own line, and cut."""
    source = tmp_path / "contacts.csv"
    source.write_text(f'customer_id,EmailAddress,FirstName\n"C1{NASTY[:-1]}",a@example.com,Ann\n')
    with Telltale(TOKEN, 500, words=NASTY + "x" * 10_000) as server:
        configured(tmp_path, server, "run")
        commands = (program("check", "journey.toml"), program("run", "journey.toml"))

    with Telltale(TOKEN, 403, words=NASTY + "x" * 10_000) as server:
        configured(tmp_path, server, "run-403")
        halted = program("run", "journey.toml")
        assert halted.code == 3

    for ran in (*commands, halted):
        lines = (ran.stdout + ran.stderr).split("\n")
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("forged") for line in lines)
        assert max(map(len, lines)) < 1_000

    assert "evil" in halted.stderr
    (unknown,) = lines_of(tmp_path / "run", "unknown")
    assert unknown["detail"].isprintable()
    assert len(unknown["detail"]) < 300
