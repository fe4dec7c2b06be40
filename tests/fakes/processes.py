"""Other processes, seen from outside."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

__all__ = ("alive", "children", "heeds", "kill")

_PROC = Path("/proc")


def children(pid: int) -> list[int]:
    """The processes that `pid` started and that are still there."""
    if not _PROC.exists():
        return _children_by_psutil(pid)

    found: list[int] = []
    # A thread that has just ended takes its list with it.
    with suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())

    return found


def alive(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be buried."""
    try:
        os.kill(pid, 0)
        if _PROC.exists():
            return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

    return True


def heeds(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, where that can be seen; else True."""
    if not _PROC.exists():
        return True

    with suppress(OSError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)

    return False


def kill(pid: int) -> None:
    """Kill a process, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _children_by_psutil(pid: int) -> list[int]:
    import psutil  # noqa: PLC0415  # only where there is no /proc

    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children()]

    return []
