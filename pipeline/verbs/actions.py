"""What the verbs do behind their options, and what is shown of it in the terminal.

Each imports what it needs when it is called: nobody waits for what belongs to another verb.
"""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.text import Text

from ..errors import UsageError
from . import terminal

if TYPE_CHECKING:
    from ..running.legs import RunOptions
    from .preflight import Finding
    from .verification import VerifyOptions

__all__ = ("agreed", "check", "rehearse", "run", "steer", "verify")


async def check(config: Path, *, offline: bool) -> bool:
    """Print each finding as it is made; whether all of them hold."""
    from ..watching.logs import logging_to
    from .preflight import check as findings_of

    console, holds = Console(highlight=False), True
    with logging_to(terminal.stderr()):
        async for finding in findings_of(config, offline=offline):
            holds = holds and finding.holds
            _print_finding(finding, console)

    return holds


def _print_finding(finding: Finding, console: Console) -> None:
    mark = ("ok  ", "green") if finding.holds else ("fail", "bold red")
    first, *rest = terminal.inert(finding.text).split("\n")
    console.print(Text.assemble(mark, f"  {finding.subject}: {first}"), soft_wrap=True)
    for line in rest:
        console.print(Text(f"      {line}"), soft_wrap=True)


async def run(path: Path, options: RunOptions, *, json: bool) -> int:
    """Make the run that the config at `path` asks for; the exit code."""
    from ..config import load
    from ..watching.notices import LOG
    from ..worker import showing

    config = load(path)
    LOG.setLevel(config.worker.log_level.upper())
    console = terminal.stderr()
    recorded = config.worker.as_json and not console.is_terminal
    show = showing.recorded if recorded else showing.drawn
    ended = await show(path, config, options, console=console)

    if ended is None:
        return 0  # a watched folder, into which nothing was put

    if json:
        terminal.tell(ended.summary.to_json())

    return ended.exit_code


async def rehearse(path: Path, *, limit: int | None, json: bool) -> int:
    """Do all of a run but the sending; exit code 1 where records would be rejected."""
    from ..config import load
    from ..events.emitter import Emitter
    from ..watching.logs import logging_to
    from ..watching.tally import Tally
    from .rehearsal import rehearse as rehearsed

    config = load(path)
    emitter, tally, console = Emitter(), Tally(), terminal.stderr()
    emitter.subscribe(tally.note)
    with logging_to(console, secrets=config.secrets):
        rehearsal = await rehearsed(config, limit=limit, emit=emitter.emit)

    for notice in tally.take_notices():
        console.print(Text(terminal.inert(notice.text), style="yellow"), soft_wrap=True)

    for line in rehearsal.lines():
        console.print(Text(terminal.inert(line)), soft_wrap=True)

    if json:
        terminal.tell(orjson.dumps(rehearsal.as_summary()))

    return 1 if rehearsal.rejected else 0


async def verify(path: Path, options: VerifyOptions, *, json: bool) -> int:
    """Ask who entered, and say what a retry could double; the exit code."""
    from ..config import load
    from ..running.stages import REDELIVERED
    from ..settling.view import viewed
    from ..watching.logs import logging_to
    from ..watching.verified import print_verified, taken_over
    from .verification import verify as verified_of

    config, console = load(path), terminal.stderr()
    with logging_to(console, secrets=config.secrets):
        verified = await verified_of(config, options, tell=terminal.say)

    summary = verified.summary.to_dict()
    print_verified(console, summary, verified.told, config=shlex.quote(str(path)))
    with viewed(Path(config.run.directory)) as view:
        if redelivered := view.absent(reason=REDELIVERED):
            terminal.say(f"  {taken_over(redelivered)}", style="yellow")

    if json:
        terminal.tell(verified.summary.to_json())

    return verified.exit_code


def agreed(path: Path, outcome: str, *, yes: bool) -> bool:
    """Say what a retry could double; whether it is to be sent all the same."""
    from ..config import load
    from ..running.stages import REDELIVERED
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
        terminal.say(warning, style="yellow")

    if not warnings or yes or outcome != "missing":
        return True

    terminal.say("nothing was sent: --yes sends them", style="bold")
    return False


def steer(path: Path, asked: dict[str, Any]) -> None:
    """Ask something of the run that is going on, if anything, and print how it stands then."""
    from ..config import load
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
        told = f"the run was begun with delivery.max_in_flight = {most}, and cannot go above it"
        terminal.say(told)
