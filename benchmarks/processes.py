"""What a process and all its descendants hold in memory and spend on the CPU.

On Linux /proc is read: memory as RSS, where pages shared by two processes count twice, and as PSS,
where they count once. Elsewhere psutil is asked, which knows no PSS.
"""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = ("Tree", "Usage")

_PROC = Path("/proc")


class Usage(NamedTuple):
    """One process, as it was seen."""

    pid: int
    rss_bytes: int
    cpu_seconds: float


@dataclass(slots=True)
class Tree:
    """A process and its descendants, sampled from outside. Peaks are of the sums."""

    root: int
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0  # 0: cannot be known here
    peak_processes: int = 0
    _cpu: dict[int, float] = field(default_factory=dict)

    def sample(self) -> None:
        """Look at every process of the tree; cheap enough for twenty times a second."""
        seen = _usage_by_proc(self.root) if _PROC.exists() else _usage_by_psutil(self.root)
        self.peak_rss_bytes = max(self.peak_rss_bytes, sum(each.rss_bytes for each in seen))
        self.peak_processes = max(self.peak_processes, len(seen))
        self._cpu.update((each.pid, each.cpu_seconds) for each in seen)

    def sample_shared(self) -> None:
        """Look at the memory again with shared pages counted once: milliseconds, so rarely."""
        if _PROC.exists():
            pss = sum(map(_pss_bytes, _descendants(self.root)))
            self.peak_pss_bytes = max(self.peak_pss_bytes, pss)

    @property
    def cpu_seconds(self) -> float:
        """User and system time of every process seen, as of when it was last seen."""
        return sum(self._cpu.values())


def _usage_by_proc(root: int) -> list[Usage]:
    return [usage for pid in _descendants(root) if (usage := _usage(pid))]


def _usage(pid: int) -> Usage | None:
    try:
        fields = _stat_fields(pid)
    except OSError:  # it ended while we looked
        return None

    ticks = int(fields[11]) + int(fields[12])
    pages = int(fields[21])
    return Usage(pid, pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))


def _descendants(root: int) -> list[int]:
    children: dict[int, list[int]] = {}

    for pid in (int(each) for each in os.listdir(_PROC) if each.isdigit()):  # noqa: PTH208  # twice as fast
        try:
            children.setdefault(int(_stat_fields(pid)[1]), []).append(pid)
        except OSError:  # it ended while we looked
            continue

    found = [root]

    for pid in found:
        found += children.get(pid, ())

    return found


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second, in brackets, may hold spaces."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # as above
        return file.read().rpartition(")")[2].split()


def _pss_bytes(pid: int) -> int:
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii")
    except OSError:  # it ended, or may not be read
        return 0

    line = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) * 1024


def _usage_by_psutil(root: int) -> list[Usage]:
    import psutil  # noqa: PLC0415  # an extra, and not needed on Linux

    found = []

    try:
        parent = psutil.Process(root)

        for process in (parent, *parent.children(recursive=True)):
            cpu = process.cpu_times()
            found.append(Usage(process.pid, process.memory_info().rss, cpu.user + cpu.system))
    except psutil.Error:  # one ended while we looked: the next sample sees the rest
        pass

    return found
