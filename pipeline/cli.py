"""The command line: verbs, options and exit codes. What they do is done elsewhere."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import orjson
import typer

from . import __version__
from .errors import InterruptedRunError, JourneyError, UsageError
from .sending.endpoint import EndpointName
from .simulator.command import simulate
from .verbs import actions, feeding, helm, terminal
from .verbs.aftermath import AsJson, ConfigFile, verbs

# A verb imports what it needs when it is called: nobody waits for what belongs to another.

__all__ = ("app", "main")

app = typer.Typer(
    name="journey-pipeline",
    help="Put millions of contacts into a Salesforce Marketing Cloud journey.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_CTRL_C = 130  # what typer makes of a KeyboardInterrupt


class Outcome(StrEnum):
    """Which contacts `results` lists."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    UNPROCESSED = "unprocessed"
    ENTERED = "entered"
    MISSING = "missing"
    PENDING = "pending"


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
    from .verbs.demo import demonstrate

    show = partial(demonstrate, contacts, console=terminal.stderr())
    raise typer.Exit(terminal.in_loop(show, broken_off="the demo was broken off"))


@app.command()
def init(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="A data file to propose a mapping for.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write; journey.toml by default.")
    ] = None,
    endpoint: Annotated[
        EndpointName,
        typer.Option(help="500 contacts a request (v1), 100 with verdicts (v2), or one."),
    ] = EndpointName.BATCH,
) -> None:
    """Write a commented starter config; never overwrites.

    \b
    Examples:
      journey-pipeline init contacts.csv
      journey-pipeline init contacts.csv --endpoint async-events
    """
    from .starter import write_starter

    target = output or Path("journey.toml")
    write_starter(target, file, endpoint=endpoint)
    command = f"journey-pipeline check {target}"
    terminal.say(f"{target} written. Fill in [account] and [journey], then: {command}")


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
    holds = terminal.in_loop(partial(actions.check, config, offline=offline))
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
        raise typer.Exit(
            terminal.in_loop(partial(actions.rehearse, config, limit=limit, json=json))
        )

    from .running.legs import RunOptions

    options = RunOptions(again=again, limit=limit)
    raise typer.Exit(terminal.in_loop(partial(actions.run, config, options, json=json)))


@app.command()
def status(config: ConfigFile, json: AsJson = False) -> None:
    """Tell what the journal knows, also of a run that is going on.

    \b
    Example:
      journey-pipeline status journey.toml
    """
    from rich.console import Console

    from .config import load
    from .intake.inbox import Inbox
    from .watching.standing import print_standing, standing_of

    loaded = load(config)
    inbox = Inbox.of(loaded.source) if loaded.source.watch else None
    found, live = standing_of(Path(loaded.run.directory), inbox)
    if json:
        terminal.tell(orjson.dumps(found))
    else:
        print_standing(found, Console(), live=live, config=str(config))


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
      journey-pipeline results journey.toml --of missing -o missing.csv
    """
    from .config import load
    from .settling.view import viewed
    from .verbs.listing import COLUMNS, ensure_all, rows_of
    from .watching.export import write_csv, write_ndjson

    loaded = load(config)
    with viewed(Path(loaded.run.directory)) as view, terminal.output(output) as out:
        rows = partial(rows_of, view, of, loaded)
        if format is Format.NDJSON:
            write_ndjson(rows(), out.buffer)
        else:
            write_csv(rows, out, columns=COLUMNS[of], raw=raw)

        ensure_all(view, of)


@app.command()
def report(
    config: ConfigFile,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write; report.html in the run directory."),
    ] = None,
) -> None:
    """Write the run's report: one HTML file with its charts, and nothing of a contact in it.

    \b
    Example:
      journey-pipeline report journey.toml
    """
    from .config import load
    from .settling.view import viewed
    from .settling.whole import write_whole
    from .watching.report import report_of

    directory = Path(load(config).run.directory)
    target = output or directory / "report.html"
    with viewed(directory) as view:
        text = report_of(view, directory)

    if output is None:
        with terminal.written(target):
            write_whole(target, text.encode())
    else:
        with terminal.output(target) as out:
            out.write(text)

    terminal.say(f"{target} written")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the config file, for editors.

    \b
    Example:
      journey-pipeline schema > journey.schema.json
    """
    from .config.schema import json_schema

    terminal.tell(orjson.dumps(json_schema(), option=orjson.OPT_INDENT_2))


for more in (verbs, feeding.verbs, helm.verbs):
    app.registered_commands += more.registered_commands

app.command()(simulate)


def main() -> None:
    """Run the command line; what can be expected is a message on stderr and an exit code."""
    # A terminal that has no letters for a name shows their numbers, as stderr does by itself.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file
    try:
        app(prog_name="journey-pipeline")
    except JourneyError as error:
        terminal.say(f"error: {error}", style="bold red")
        sys.exit(error.exit_code)
    except SystemExit as ending:
        sys.exit(InterruptedRunError.exit_code if ending.code == _CTRL_C else ending.code)
    except OSError as error:
        terminal.fall_silent(sys.stdout)
        what = error.filename or "the output"
        terminal.say(f"error: {what}: {error.strerror or error}", style="bold red")
        sys.exit(UsageError.exit_code)
