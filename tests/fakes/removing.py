"""A process that works on what was put aside in copies of a run directory, and is killed at every
step of it.

    python -m tests.fakes.removing DIRECTORY BEFORE     removes what ended before then
    python -m tests.fakes.removing DIRECTORY            asks what is known, and notes what is not

DIRECTORY holds `whole`; its copies `1`, `2` … are left as the process left them that was killed at
that line of the modules which do the work; the last one was not killed any more.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.settling import contents, expiry, injected, noted, roll
from pipeline.settling.directory import RunDirectory
from pipeline.settling.injected import Injected
from tests.fakes.runs import fingerprint, identity_of

if TYPE_CHECKING:
    from types import FrameType

MODULES = {module.__file__ for module in (contents, expiry, injected, noted, roll)}


def killed_at(step: int) -> Any:
    """A tracer that kills the process at this line of the work."""
    lines = count(1)

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in MODULES:
            return None

        if event == "line" and next(lines) == step:
            os.kill(os.getpid(), signal.SIGKILL)

        return trace

    return trace


def work(directory: Path, *, before: float | None, step: int) -> None:
    with RunDirectory(directory, clock=lambda: before or 0.0) as opened:
        sys.settrace(killed_at(step))
        if before is None:
            Injected(directory).like(identity_of(fingerprint("new")), lambda _: ())
        else:
            opened.forget(before=before, most=25)

        sys.settrace(None)


def main(directory: Path, before: float | None) -> None:
    for step in count(1):
        copy = shutil.copytree(directory / "whole", directory / str(step))
        child = os.fork()
        if not child:
            work(copy, before=before, step=step)
            os._exit(0)

        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else None)
