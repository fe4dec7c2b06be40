"""The child process that encodes, seen from its parent: started, given its work, ended.

What the child does, and what crosses the connection, is in `encoding.py`.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SourceError
from .crossing import Crossing

if TYPE_CHECKING:
    from .encoding import Encoding
    from .workbench import Workbench

__all__ = ("Child", "spawn")

_BOOTSTRAP = (
    "import gc, json, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    "gc.disable(); sys.path[:] = json.loads(sys.argv[2]); "
    "from pipeline.mapping.encoding import main; main(int(sys.argv[1]))"
)
"""A terminal that is closed tells the whole group of it, the parent decides what that means, and a
child whose parent is gone ends."""

_ACCOUNT = "JOURNEY_ACCOUNT"

# Thousands of short-lived contacts make glibc give the top of its heap back to the system with
# each chunk and fault it in again with the next: keeping it saves a third of the encoder's time.
_MEMORY = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "8388608",
    "MALLOC_TRIM_THRESHOLD_": "8388608",
}

_LIMITS = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
"""What a start ends with where the system has no more to give."""


@dataclass(slots=True)
class Child:
    """A process and the connection to it."""

    process: subprocess.Popen[bytes]
    connection: Crossing

    def take(self, work: Encoding | Workbench) -> None:
        """Give it its work. If it is dead, `receive` will tell."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(work)

    def ready(self) -> bool:
        """Whether it waits for its work, or is dead."""
        return self.connection.waits()

    def end(self) -> int:
        """End it now, whatever it does; its status."""
        # The connection is not closed here: a thread may still be waiting in `receive`, and would
        # read on from whatever gets the descriptor next. It sees the end of the stream instead, and
        # the last reference closes.
        self.process.kill()
        return self.process.wait()


def spawn() -> Child:
    """Start a child. It takes a while until it is ready, and may be given its work before.

    Raises SourceError where the system does not start it.
    """
    try:
        return _spawned()
    except OSError as error:
        if error.errno in _LIMITS:
            hint = "See to the system's limits of processes, files and memory"
        else:
            hint = f"See whether {sys.executable or 'Python'} is still there and may be started"

        raise SourceError(
            f"the process that encodes cannot be started: {error.strerror or error}. {hint}, or do "
            'without that process by run.encoder = "thread"; `run` goes on from here'
        ) from error


def _spawned() -> Child:
    # The child must import this very package, whatever lies in the current directory.
    search = [str(Path(__file__).parents[2]), *sys.path]
    ours, theirs = Crossing.pair()
    try:
        with theirs:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own code
                [sys.executable, "-P", "-c", _BOOTSTRAP, str(theirs.fileno()), json.dumps(search)],
                pass_fds=(theirs.fileno(),),
                env=_MEMORY | _environment(),
            )
    except OSError:
        ours.close()
        raise

    return Child(process, ours)


def _environment() -> dict[str, str]:
    """The environment without the account's secrets: the child runs rules, and needs none."""
    return {name: text for name, text in os.environ.items() if _ACCOUNT not in name.upper()}
