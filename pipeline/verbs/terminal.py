"""The terminal: a loop to work in, where output goes, what is said, and what it never obeys."""

from __future__ import annotations

import gc
import os
import signal
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import typer
from rich.console import Console
from rich.text import Text

from ..errors import InterruptedRunError, UsageError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

__all__ = ("fall_silent", "in_loop", "inert", "output", "say", "stderr", "tell", "written")

Result = TypeVar("Result")


def in_loop(
    work: Callable[[], Awaitable[Result]],
    *,
    broken_off: str = "interrupted before anything was sent",
) -> Result:
    """Run `work` in an event loop, the fast one where it is installed.

    `broken_off` is said where a signal ends it.
    """
    import asyncio

    import anyio

    from ..watching.logs import overheard

    try:
        import uvloop  # noqa: F401  # an extra: used where it is there
    except ImportError:
        fast = False
    else:
        fast = True

    ended: list[Result] = []

    async def heard() -> None:
        asyncio.get_running_loop().set_exception_handler(overheard)
        ended.append(await work())

    # What is imported stays: the collector need not walk through it again and again.
    gc.freeze()
    gc.set_threshold(10_000)
    # From here on a signal is an exception, or the work's own business; before, it just ended us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        anyio.run(heard, backend_options={"use_uvloop": fast})
    except RuntimeError:  # the loop could not be closed, for want of a thread
        if not ended:
            raise
    except (InterruptedRunError, KeyboardInterrupt):
        say(broken_off)
        # A thread may be waiting for standard input still: an ordinary exit would wait for it.
        os._exit(InterruptedRunError.exit_code)

    return ended[0]


@contextmanager
def output(path: Path | None) -> Iterator[Any]:
    """Text with a bytes `buffer`: the file, readable by its owner alone, or stdout."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a file
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads it has enough (`results … | head`)
            fall_silent(sys.stdout)

        return

    with written(path), open(path, "w", encoding="utf-8", newline="", opener=_private) as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # not /dev/null, which is everybody's
            os.fchmod(file.fileno(), 0o600)

        yield file


@contextmanager
def written(path: Path) -> Iterator[None]:
    """While a file is written that somebody asked for; raises UsageError where it cannot be."""
    try:
        yield
    except OSError as error:
        if not str(error.filename or path).startswith(str(path)):  # another file, its draft neither
            raise

        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}. Nothing new is there, or not "
            "all of it: see to the directory and its disk, or name another place by -o"
        ) from None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class _Unbreakable:
    """Where the display goes. What cannot be written any more is left out, and the run goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            fall_silent(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            fall_silent(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def fall_silent(stream: TextIO) -> None:
    """From now on let what is written to `stream` vanish, also what it holds already."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def stderr() -> Console:
    return Console(file=cast("TextIO", _Unbreakable(sys.stderr)))


def tell(line: str | bytes) -> None:
    """Print a line on stdout, if anybody reads it still."""
    try:
        typer.echo(line)
    except BrokenPipeError:
        fall_silent(sys.stdout)


def say(text: str, *, style: str = "") -> None:
    stderr().print(Text(inert(text), style=style), soft_wrap=True)


def inert(text: str) -> str:
    """`text` without anything a terminal would obey: it may quote a file or a server."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
