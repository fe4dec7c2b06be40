"""What the verbs print, where what they print quotes somebody's data."""

from __future__ import annotations

import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import anyio
import pytest

from pipeline.errors import UsageError
from pipeline.verbs import actions, terminal
from tests.fakes.configs import write_config

FULL = Path("/dev/full")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config for a file whose cells and column names a terminal, or rich, would obey."""
    source = tmp_path / "contacts.csv"
    source.write_text("customer_id,EmailAddress,[/b]\x1b[31m\n1,[/nope]\x1b[31m,x\n2,a@b.co,x\n")
    return write_config(
        tmp_path / "journey.toml",
        url="http://127.0.0.1:1",
        source=str(source),
        journey={"check_fields": False},
        mapping={"fields": {"Age": {"column": "EmailAddress", "type": "number"}}},
    )


def test_a_dry_run_quotes_data_as_it_stands(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Square brackets in a cell are no markup."""
    assert anyio.run(partial(actions.rehearse, config, limit=None, json=False)) == 1
    told = capsys.readouterr().err
    assert "2 records would be rejected" in told
    assert "[/nope]" in told
    assert "\x1b" not in told


def test_a_check_prints_nothing_a_terminal_obeys(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column's name may hold anything."""
    assert not anyio.run(partial(actions.check, config, offline=True))
    told = capsys.readouterr().out
    assert "[/b]" in told
    assert "\x1b" not in told


def test_an_error_prints_nothing_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    """It may quote a file's name; its lines stay lines."""
    terminal.say("one\x1b[31m\ntwo\x9b[/b]")
    assert capsys.readouterr().err == "one [31m\ntwo [/b]\n"


def test_results_are_private_from_their_first_byte(tmp_path: Path) -> None:
    """A new file is its owner's alone, and one that was open to others is closed to them."""
    old = tmp_path / "old.csv"
    old.touch(mode=0o644)
    for path in (old, tmp_path / "new.csv"):
        with terminal.output(path) as file:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            file.write("a")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full here")
def test_what_is_asked_for_does_not_fit(tmp_path: Path) -> None:
    """It is said of which file, and what to do; trouble with another file is that one's."""
    told = r"/dev/full cannot be written: No space left on device.* name another place by -o"
    with pytest.raises(UsageError, match=told), terminal.output(FULL) as file:
        file.write("a" * 100_000)

    (tmp_path / "report.html.new").mkdir()
    report = tmp_path / "report.html"
    with pytest.raises(UsageError, match=r"report\.html cannot be"), terminal.written(report):
        (tmp_path / "report.html.new").read_bytes()

    with pytest.raises(FileNotFoundError), terminal.output(report):
        (tmp_path / "journal.db").read_bytes()


def test_what_is_no_file_keeps_its_rights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`-o /dev/null` leaves /dev/null to everybody."""
    changed: list[int] = []
    monkeypatch.setattr("os.fchmod", lambda _, mode: changed.append(mode))
    with terminal.output(tmp_path / "file"), terminal.output(type(tmp_path)("/dev/null")):
        pass

    assert changed == [0o600]


ABANDONING = """
import asyncio, gc, socket
from pipeline.verbs.terminal import in_loop

def abandon(error):
    asyncio.get_running_loop().create_future().set_exception(error)
    gc.collect()

async def work():
    abandon(socket.gaierror(-3, "Temporary failure in name resolution"))
    abandon(ValueError("a flaw"))
    return 7

raise SystemExit(in_loop(work))
"""


def test_a_look_up_left_behind_is_not_told() -> None:
    """uvloop leaves one at each connect that is out of time; other things left behind are flaws."""
    ended = subprocess.run(
        [sys.executable, "-c", ABANDONING], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 7
    assert "a flaw" in ended.stderr
    assert "name resolution" not in ended.stderr
