"""The command line: verbs, options and exit codes. What they do is done elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
import orjson
import typer
from rich.console import Console
from rich.text import Text

from . import __version__
from .config import json_schema, load
from .demo import demonstrate
from .errors import JourneyError
from .events import Emitter
from .flow import INTERRUPTED_CODE, RunOptions
from .flow import run as inject
from .listing import COLUMNS, Outcome, rows_of
from .preflight import check as findings_of
from .rehearsal import rehearse
from .settling.view import viewed
from .simulator.command import simulate
from .starter import write_starter
from .watching.export import write_csv, write_ndjson
from .watching.logs import logging_to
from .watching.progress import draw
from .watching.standing import print_standing, standing
from .watching.summary import print_summary
from .watching.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from .preflight import Finding

__all__ = ("app", "main")

Result = TypeVar("Result")

app = typer.Typer(
    name="journey-pipeline",
    help="Put millions of contacts into a Salesforce Marketing Cloud journey.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The config file (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Format(StrEnum):
    """How `results` writes."""

    CSV = "csv"
    NDJSON = "ndjson"


def _version(wanted: bool) -> None:  # typer's callback
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def journey_pipeline(
    version: Annotated[  # its callback has done the work
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Put millions of contacts into a Salesforce Marketing Cloud journey.

    Begin with `journey-pipeline demo`, or with `journey-pipeline init` and your own file.
    """


@app.command()
def demo(
    contacts: Annotated[int, typer.Option(min=1, help="How many contacts to make up.")] = 100_000,
) -> None:
    """Show the whole tool on a Marketing Cloud of its own: no account, no config, no network.

    \b
    Example:
      journey-pipeline demo --contacts 20000
    """
    raise typer.Exit(_in_loop(partial(demonstrate, contacts, console=_stderr())))


@app.command()
def init(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A data file to propose a mapping for.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write; journey.toml by default.")
    ] = None,
) -> None:
    """Write a commented starter config; never overwrites.

    \b
    Example:
      journey-pipeline init contacts.csv
    """
    target = output or Path("journey.toml")
    write_starter(target, file)
    _say(f"{target} written. Fill in the account, then: journey-pipeline check {target}")


@app.command()
def check(
    config: ConfigFile,
    offline: Annotated[bool, typer.Option("--offline", help="Stop before the network.")] = False,
) -> None:
    """Prove that a run would work; no contact is sent.

    \b
    Example:
      journey-pipeline check journey.toml
    """
    holds = _in_loop(partial(_check, config, offline=offline))
    raise typer.Exit(0 if holds else 2)


@app.command()
def run(
    config: ConfigFile,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Map, validate and pack everything; send nothing.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many contacts.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Begin anew although this was injected already.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Inject the source into the journey; goes on where an earlier run stopped.

    \b
    Exit codes: 0 all accepted · 1 some rejected or unknown · 2 usage, config, already
    injected · 3 halted · 4 error budget spent · 5 interrupted; after 3, 4 and 5 the same
    command goes on.

    \b
    Examples:
      journey-pipeline run journey.toml
      journey-pipeline run journey.toml --limit 500
    """
    if dry_run:
        raise typer.Exit(_in_loop(partial(_rehearse, config, limit=limit, json=json)))

    options = RunOptions(again=again, limit=limit)
    raise typer.Exit(_in_loop(partial(_run, config, options, json=json)))


@app.command()
def status(config: ConfigFile, json: AsJson = False) -> None:
    """Tell what the journal knows, also of a run that is going on.

    \b
    Example:
      journey-pipeline status journey.toml
    """
    with viewed(Path(load(config).run.directory)) as view:
        found = standing(view)
        if json:
            typer.echo(orjson.dumps(found).decode())
        else:
            print_standing(found, Console(), config=str(config))


@app.command()
def results(
    config: ConfigFile,
    of: Annotated[Outcome, typer.Option("--of", help="Which contacts.")],
    format: Annotated[  # noqa: A002  # the option's name is the contract's
        Format, typer.Option("--format", help="csv, or ndjson: a JSON object a line.")
    ] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file instead of stdout.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV cells exactly; formulas are not made harmless.")
    ] = False,
) -> None:
    """List the contacts of an outcome, each with its reason.

    \b
    Examples:
      journey-pipeline results journey.toml --of rejected
      journey-pipeline results journey.toml --of unknown --format ndjson -o unknown.ndjson
    """
    loaded = load(config)
    with viewed(Path(loaded.run.directory)) as view, _output(output) as out:
        rows = partial(rows_of, view, of, loaded)
        if format is Format.NDJSON:
            write_ndjson(rows(), out.buffer)
        else:
            write_csv(rows, out, columns=COLUMNS[of], raw=raw)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the config file, for editors.

    \b
    Example:
      journey-pipeline schema > journey.schema.json
    """
    typer.echo(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2).decode())


app.command()(simulate)


async def _check(config: Path, *, offline: bool) -> bool:
    console, holds = Console(highlight=False), True
    with logging_to(_stderr()):
        async for finding in findings_of(config, offline=offline):
            holds = holds and finding.holds
            _print_finding(finding, console)

    return holds


def _print_finding(finding: Finding, console: Console) -> None:
    mark = ("ok  ", "green") if finding.holds else ("fail", "bold red")
    first, *rest = finding.text.splitlines() or [""]
    console.print(Text.assemble(mark, f"  {finding.subject}: {first}"), soft_wrap=True)
    for line in rest:
        console.print(Text(f"      {line}"), soft_wrap=True)


async def _run(path: Path, options: RunOptions, *, json: bool) -> int:
    config = load(path)
    emitter, tally, console = Emitter(), Tally(), _stderr()
    emitter.subscribe(tally.note)
    with logging_to(console, secrets=config.account.secrets):
        ended = await inject(config, options, emitter=emitter, watch=partial(draw, tally, console))

    summary = ended.summary.to_dict()
    print_summary(console, summary, config=str(path), directory=config.run.directory)
    if json:
        typer.echo(ended.summary.to_json())

    return ended.exit_code


async def _rehearse(path: Path, *, limit: int | None, json: bool) -> int:
    config = load(path)
    emitter, tally, console = Emitter(), Tally(), _stderr()
    emitter.subscribe(tally.note)
    with logging_to(console, secrets=config.account.secrets):
        rehearsal = await rehearse(config, limit=limit, emit=emitter.emit)

    for notice in tally.take_notices():
        console.print(notice.text, style="yellow", highlight=False, soft_wrap=True)

    for line in rehearsal.lines():
        console.print(line, highlight=False, soft_wrap=True)

    if json:
        typer.echo(orjson.dumps(rehearsal.as_summary()).decode())

    return 1 if rehearsal.rejected else 0


def main() -> None:
    """Run the command line; what can be expected is a message on stderr and an exit code."""
    try:
        app()
    except JourneyError as error:
        _say(f"error: {error}", style="bold red")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has enough (`results … | head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_loop(work: Callable[[], Awaitable[Result]]) -> Result:
    """Run `work` in an event loop, the fast one where it is installed."""
    try:
        import uvloop  # noqa: F401, PLC0415  # an extra: used where it is there
    except ImportError:
        fast = False
    else:
        fast = True

    try:
        return anyio.run(work, backend_options={"use_uvloop": fast})
    except KeyboardInterrupt:
        _say("interrupted before anything was sent")
        raise typer.Exit(INTERRUPTED_CODE) from None


@contextmanager
def _output(path: Path | None) -> Iterator[Any]:
    """Text with a bytes `buffer`: the file, readable by its owner alone, or stdout."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a file
        yield sys.stdout
        sys.stdout.flush()
        return

    with path.open("w", encoding="utf-8", newline="") as file:
        path.chmod(0o600)
        yield file


def _stderr() -> Console:
    return Console(stderr=True)


def _say(text: str, *, style: str = "") -> None:
    _stderr().print(Text(text, style=style), soft_wrap=True)
