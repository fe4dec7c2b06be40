"""A process that works on what was put aside in a run directory, and could be killed at any step.

    python -m tests.fakes.removing DIRECTORY BEFORE     removes what ended before then
    python -m tests.fakes.removing DIRECTORY            asks what is known, and notes what is not

DIRECTORY holds `whole`. At each line of the modules which do the work, and at its end, a child
looks at what a kill at that moment would leave, for that is what is in the files by then. It copies
it to a directory that is called after its content: beside `whole` there is one of each kind.
"""

from __future__ import annotations

import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.intake.holdings import UNASKED
from pipeline.settling import alike, contents, expiry, injected, noted, roll
from pipeline.settling.directory import RunDirectory
from pipeline.settling.injected import Injected
from tests.fakes.runs import fingerprint, identity_of

if TYPE_CHECKING:
    from types import FrameType

MODULES = {module.__file__ for module in (alike, contents, expiry, injected, noted, roll)}


def keep(directory: Path) -> None:
    """Have a child copy the directory as it is, where none was like it. A child's, for a process
    that closes a file lets go of its locks on it."""
    child = os.fork()
    if not child:
        sys.settrace(None)
        copy = directory.with_name(digest(directory))
        if not copy.exists():
            shutil.copytree(directory, copy)

        os._exit(0)

    assert os.waitpid(child, 0)[1] == 0


def digest(directory: Path) -> str:
    """Made of all that lies in it."""
    everything = sha256()
    for path in sorted(directory.rglob("*")):
        everything.update(bytes(path.relative_to(directory)))
        if path.is_file():
            everything.update(path.read_bytes())

    return everything.hexdigest()


def work(directory: Path, *, before: float | None) -> None:
    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in MODULES:
            return None

        if event == "line":
            keep(directory)

        return trace

    with RunDirectory(directory, clock=lambda: before or 0.0) as opened:
        sys.settrace(trace)
        if before is None:
            Injected(directory).like(identity_of(fingerprint("new")), UNASKED)
        else:
            opened.forget(before=before, most=25)

        sys.settrace(None)


def main(directory: Path, before: float | None) -> None:
    working = shutil.copytree(directory / "whole", directory / "working")
    work(working, before=before)
    keep(working)
    shutil.rmtree(working)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else None)
