"""The command as a user types it: in a process and a directory of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any, Self

from tests.fakes.configs import CLIENT_SECRET

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
    from types import TracebackType

__all__ = ("Program", "Ran", "Running", "eventually")

_ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 60.0


def eventually(condition: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Ask until the answer is true, and return it; fails when it never is.

    The longer it takes, the less often: asking takes the processor from who is waited for.
    """
    begun = time.monotonic()
    while not (answer := condition()):
        waited = time.monotonic() - begun
        assert waited < seconds, "what was waited for did not happen"
        time.sleep(min(0.002 + waited / 100, 0.02))

    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line on stdout, of a command that was asked for JSON."""
        content: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return content


class Running:
    """A command under way; its output goes to files, so that it never waits for a reader."""

    def __init__(self, process: subprocess.Popen[bytes], out: IO[bytes], err: IO[bytes]) -> None:
        self._process = process
        self._files = (out, err)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

        with suppress(BrokenPipeError):  # it did not want all of its input
            self.stdin.close()

        for file in self._files:
            file.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    def alive(self) -> bool:
        return self._process.poll() is None

    def said(self) -> str:
        """What it has said so far, on both."""
        return "".join(map(_content, self._files))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is still somebody to receive it."""
        self._process.send_signal(number)

    def ended(self, *, seconds: float = _PATIENCE_SECONDS) -> Ran:
        """Wait for the end. Whatever the command was: no traceback, and no secret told."""
        with self:
            with suppress(BrokenPipeError):
                self.stdin.close()

            code = self._process.wait(timeout=seconds)
            stdout, stderr = map(_content, self._files)

        assert "Traceback" not in stderr, stderr
        assert CLIENT_SECRET not in stdout + stderr
        return Ran(code=code, stdout=stdout, stderr=stderr)


def _content(file: IO[bytes]) -> str:
    # Its position is the writer's too, and must not be moved.
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


class Program:
    """`program("run", "journey.toml")` runs the command in a directory and waits for it.

    A context manager: what it started and nobody waited for is killed at its end.
    """

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self._stack = ExitStack()
        inherited = {name: value for name, value in os.environ.items() if "JOURNEY" not in name}
        self.environment = {**inherited, "PYTHONPATH": str(_ROOT), **environment}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Ran:
        running = self.start(*arguments)
        running.stdin.write(stdin)
        return running.ended()

    def start(
        self,
        *arguments: str,
        file_bytes: int | None = None,
        stdout: int | None = None,
        redirected: str = "",
    ) -> Running:
        """Begin a command; no file it writes may grow over `file_bytes`.

        With `stdout` its output goes there instead, and is not kept; `redirected` is the shell's
        way to say such things ("2>&-").
        """
        command = [sys.executable, "-m", "pipeline", *arguments]
        out, err = TemporaryFile(), TemporaryFile()  # noqa: SIM115  # closed at its end
        process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" {redirected}', "sh", *command] if redirected else command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=out if stdout is None else stdout,
            stderr=err,
            start_new_session=True,  # a signal to all of it is none to the tests
            preexec_fn=None if file_bytes is None else partial(_limit, file_bytes),  # noqa: PLW1509  # calls setrlimit alone
        )
        return self._stack.enter_context(Running(process, out, err))


def _limit(file_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
