"""Run one command as a process of its own and measure it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .processes import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("ProcessFigures", "run_measured")

_INTERVAL_SECONDS = 0.05
_SHARED_EVERY = 4  # samples; shared memory is dear to look at
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """What a command took, its descendants counted in, its start-up too."""

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    peak_pss_bytes: int
    peak_processes: int
    output: str
    complaint: str  # the end of its stderr


def run_measured(
    command: Sequence[str], *, scratch: Path, timeout_seconds: float = 1800.0
) -> ProcessFigures:
    """Run `command` to its end. A command over its time is killed, its exit code then negative.

    CPU is the larger of two countings: the kernel's for the process and every child it waited for,
    and the sum over the processes sampled, which sees children nobody waited for.
    """
    out, err = scratch / "stdout", scratch / "stderr"

    with out.open("wb") as stdout, err.open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=_environment(),
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        tree, cpu_seconds = _watch_until_exit(process, timeout_seconds)
        wall = time.perf_counter() - started

    return ProcessFigures(
        exit_code=process.returncode,
        wall_seconds=wall,
        cpu_seconds=max(cpu_seconds, tree.cpu_seconds),
        peak_rss_bytes=tree.peak_rss_bytes,
        peak_pss_bytes=tree.peak_pss_bytes,
        peak_processes=tree.peak_processes,
        output=out.read_text(encoding="utf-8", errors="replace"),
        complaint=err.read_text(encoding="utf-8", errors="replace")[-2000:],
    )


def _environment() -> dict[str, str]:
    """Ours, but nothing that makes Python compile every start, or changes the config measured."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("JOURNEY_")
    }


def _watch_until_exit(process: subprocess.Popen[bytes], timeout: float) -> tuple[Tree, float]:
    """Sample in a thread, wait in this one: the end is noticed at once, not at the next sample."""
    tree = Tree(process.pid)
    ended = threading.Event()
    watcher = threading.Thread(target=_sample, args=(tree, ended, timeout), daemon=True)
    watcher.start()

    try:
        _, status, use = os.wait4(process.pid, 0)
    except BaseException:
        _kill(process.pid)
        raise
    finally:
        ended.set()
        watcher.join()

    process.returncode = os.waitstatus_to_exitcode(status)
    return tree, use.ru_utime + use.ru_stime


def _sample(tree: Tree, ended: threading.Event, timeout: float) -> None:
    deadline = time.monotonic() + timeout

    for turn in _turns(ended):
        tree.sample()

        if turn % _SHARED_EVERY == 0:
            tree.sample_shared()

        if time.monotonic() > deadline:
            _kill(tree.root)


def _turns(ended: threading.Event) -> Iterator[int]:
    turn = 0
    while not ended.wait(_INTERVAL_SECONDS):
        yield turn
        turn += 1


def _kill(leader: int) -> None:
    """End the command and all it started: it leads a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
