"""The lock: one process at a time, also where the lock's file is removed meanwhile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import JournalInUseError
from pipeline.settling.contents import clear
from pipeline.settling.lock import holder, locked

ROOT = Path(__file__).parents[2]
LATE = """
import fcntl, sys
from pathlib import Path

flock = fcntl.flock

def late(*of):
    fcntl.flock = flock
    print("opened", flush=True)
    sys.stdin.readline()
    flock(*of)

fcntl.flock = late

from pipeline.settling.lock import locked

with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_removed_while_somebody_opens_it(tmp_path: Path) -> None:
    """Who has opened the lock's file before it was removed locks the one that lies there now: else
    the next process would lock that, and both would work there."""
    (tmp_path / "mine.csv").touch()
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", LATE, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as late:
        assert late.stdin is not None
        assert late.stdout is not None
        with locked(tmp_path):
            assert late.stdout.readline() == "opened\n"
            clear(tmp_path)
            assert [each.name for each in tmp_path.iterdir()] == ["mine.csv"]

        late.stdin.write("\n")
        late.stdin.flush()
        assert late.stdout.readline() == "locked\n"
        assert holder(tmp_path) == late.pid
        with pytest.raises(JournalInUseError, match=f"by process {late.pid}"), locked(tmp_path):
            pass

        late.stdin.close()

    with locked(tmp_path):
        assert holder(tmp_path) != late.pid


def test_left_on_a_disk_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was done under the lock is told as it was, and the next one has it."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, locked(tmp_path):
        patch.setattr("os.ftruncate", full)

    with locked(tmp_path):
        assert holder(tmp_path) == os.getpid()
