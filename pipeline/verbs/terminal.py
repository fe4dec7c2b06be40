"""What the verbs do between the shell and the program: loops, displays, messages, exit codes."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import shlex
import signal
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar, cast

import anyio
import orjson
import typer
from rich.console import Console
from rich.text import Text

from ..config import load
from ..errors import InterruptedRunError, UsageError
from ..events.emitter import Emitter
from ..running.legs import INTERRUPTED_CODE
from ..running.stages import REDELIVERED
from ..watching.logs import logging_to, overheard
from ..watching.notices import LOG
from ..watching.tally import Tally
from ..worker import showing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from ..running.legs import RunOptions
    from .preflight import Finding
    from .verification import VerifyOptions

__all__ = (
    "agreed",
    "check",
    "fall_silent",
    "in_loop",
    "output",
    "rehearse",
    "run",
    "say",
    "stderr",
    "steer",
    "tell",
    "verify",
)

Result = TypeVar("Result")


async def check(config: Path, *, offline: bool) -> bool:
    from .preflight import check as findings_of

    console, holds = Console(highlight=False), True
    with logging_to(stderr()):
        async for finding in findings_of(config, offline=offline):
            holds = holds and finding.holds
            _print_finding(finding, console)

    return holds


def _print_finding(finding: Finding, console: Console) -> None:
    mark = ("ok  ", "green") if finding.holds else ("fail", "bold red")
    first, *rest = _inert(finding.text).split("\n")
    console.print(Text.assemble(mark, f"  {finding.subject}: {first}"), soft_wrap=True)
    for line in rest:
        console.print(Text(f"      {line}"), soft_wrap=True)


async def run(path: Path, options: RunOptions, *, json: bool) -> int:
    config = load(path)
    LOG.setLevel(config.worker.log_level.upper())
    console = stderr()
    recorded = config.worker.as_json and not console.is_terminal
    show = showing.recorded if recorded else showing.drawn
    ended = await show(path, config, options, console=console)

    if ended is None:
        return 0  # a watched folder, into which nothing was put

    if json:
        tell(ended.summary.to_json())

    return ended.exit_code


async def rehearse(path: Path, *, limit: int | None, json: bool) -> int:
    from .rehearsal import rehearse as rehearsed

    config = load(path)
    emitter, tally, console = Emitter(), Tally(), stderr()
    emitter.subscribe(tally.note)
    with logging_to(console, secrets=config.secrets):
        rehearsal = await rehearsed(config, limit=limit, emit=emitter.emit)

    for notice in tally.take_notices():
        console.print(Text(_inert(notice.text), style="yellow"), soft_wrap=True)

    for line in rehearsal.lines():
        console.print(Text(_inert(line)), soft_wrap=True)

    if json:
        tell(orjson.dumps(rehearsal.as_summary()))

    return 1 if rehearsal.rejected else 0


async def verify(path: Path, options: VerifyOptions, *, json: bool) -> int:
    from ..settling.view import viewed
    from ..watching.verified import print_verified, taken_over
    from .verification import verify as verified_of

    config, console = load(path), stderr()
    with logging_to(console, secrets=config.secrets):
        verified = await verified_of(config, options, tell=say)

    summary = verified.summary.to_dict()
    print_verified(console, summary, verified.told, config=shlex.quote(str(path)))
    with viewed(Path(config.run.directory)) as view:
        if redelivered := view.absent(reason=REDELIVERED):
            say(f"  {taken_over(redelivered)}", style="yellow")

    if json:
        tell(verified.summary.to_json())

    return verified.exit_code


def agreed(path: Path, outcome: str, *, yes: bool) -> bool:
    """Say what a retry could double; whether it is to be sent all the same."""
    from ..settling.view import viewed
    from ..watching.verified import retry_warnings

    with viewed(Path(load(path).run.directory)) as view:
        missing = [row.reason for row in view.verified("missing")] if outcome == "missing" else []
        warnings = retry_warnings(
            outcome,
            missing=len(missing),
            duplicates=missing.count("duplicate_key"),
            unknown=view.summary().unknown,
            absent=view.absent(),
            redelivered=view.absent(reason=REDELIVERED),
        )

    for warning in warnings:
        say(warning, style="yellow")

    if not warnings or yes or outcome != "missing":
        return True

    say("nothing was sent: --yes sends them", style="bold")
    return False


def steer(path: Path, asked: dict[str, Any]) -> None:
    """Ask something of the run that is going on, if anything, and print how it stands then."""
    from ..settling.live import live_of
    from ..settling.orders import command
    from ..watching.standing import live_lines

    for name, value in asked.items():
        if not 0 < value < math.inf and not isinstance(value, bool):
            raise UsageError(f"--{name.replace('_', '-')} must be a number above 0, not {value:g}")

    directory = Path(load(path).run.directory)
    live = command(directory, asked) if asked else live_of(directory)
    if live is None:
        raise UsageError(f"no run is going on in {directory}: there is no pace")

    console = Console(highlight=False)
    for line in live_lines(live, config=str(path)):
        console.print(Text(line), soft_wrap=True)

    if asked.get("max_in_flight", 0) > (most := live.standing.most_in_flight):
        say(f"the run was begun with delivery.max_in_flight = {most}, and cannot go above it")


def in_loop(
    work: Callable[[], Awaitable[Result]],
    *,
    broken_off: str = "interrupted before anything was sent",
) -> Result:
    """Run `work` in an event loop, the fast one where it is installed.

    `broken_off` is said where a signal ends it.
    """
    try:
        import uvloop  # noqa: F401  # an extra: used where it is there
    except ImportError:
        fast = False
    else:
        fast = True

    async def heard() -> Result:
        asyncio.get_running_loop().set_exception_handler(overheard)
        return await work()

    # What is imported stays: the collector need not walk through it again and again.
    gc.freeze()
    gc.set_threshold(10_000)
    # From here on a signal is an exception, or the work's own business; before, it just ended us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        return anyio.run(heard, backend_options={"use_uvloop": fast})
    except (InterruptedRunError, KeyboardInterrupt):
        say(broken_off)
        # A thread may be waiting for standard input still: an ordinary exit would wait for it.
        os._exit(INTERRUPTED_CODE)


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

    try:
        file = open(path, "w", encoding="utf-8", newline="", opener=_private)  # noqa: SIM115  # closed below
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None

    with file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # not /dev/null, which is everybody's
            os.fchmod(file.fileno(), 0o600)

        yield file


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
    stderr().print(Text(_inert(text), style=style), soft_wrap=True)


def _inert(text: str) -> str:
    """`text` without anything a terminal would obey: it may quote a file or a server."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
