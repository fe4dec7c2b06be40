"""Where the figures come from: without it they mean nothing."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ("described", "machine")

_LIBRARIES = (
    *("journey-pipeline", "aiohttp", "anyio", "orjson", "uvloop", "isal"),
    *("pyarrow", "polars", "httpx", "pandas", "requests"),
)


def machine() -> dict[str, Any]:
    """Processor, cores, load, disk, and the versions of what is measured."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "scratch_filesystem": _filesystem(Path(tempfile.gettempdir()).resolve()),
        "libraries": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def described(machine: dict[str, Any]) -> str:
    """The machine in a line, and what ran on it in another."""
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    return (
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']} GB, "
        f"{machine['system']}, load {machine['load_average'][0]}, "
        f"scratch on {machine['scratch_filesystem']}, SQLite {machine['sqlite']}\n"
        f"{machine['python']}, {libraries}"
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()

    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _filesystem(path: Path) -> str:
    """The kind of filesystem journals are written to: on a tmpfs a commit costs nothing."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"

    kinds = {Path(fields[1]): fields[2] for fields in map(str.split, mounts)}
    return next((kinds[each] for each in (path, *path.parents) if each in kinds), "unknown")


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
