"""The verbs for a run that was made: who entered, and whom to send again."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from . import actions, terminal
from .durations import seconds_of

__all__ = ("AsJson", "ConfigFile", "verbs")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The config file (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

verbs = typer.Typer()
"""They are added to those of the command line (cli.py)."""


class Retried(StrEnum):
    """Which contacts `retry` sends again."""

    REJECTED = "rejected"
    UNKNOWN = "unknown"
    ABSENT = "absent"
    MISSING = "missing"


@verbs.command()
def verify(
    config: ConfigFile,
    wait: Annotated[
        str, typer.Option(help="Ask again for so long while somebody is pending, as 30m or 2h.")
    ] = "0s",
    margin: Annotated[
        str,
        typer.Option(
            help="How long a journey may take to let a contact in: before, none is missing."
        ),
    ] = "15m",
    sample: Annotated[
        int,
        typer.Option(min=0, help="How many to look for where journey history is not to be had."),
    ] = 500,
    json: AsJson = False,
) -> None:
    """Ask Marketing Cloud who really entered; `results --of missing` lists who did not.

    Contacts whose fate was unknown become accepted if they entered. Exit codes: 0 all entered ·
    1 some missing or pending · 2 usage, config · 3 Marketing Cloud does not tell · 5 interrupted.

    \b
    Examples:
      journey-pipeline verify journey.toml
      journey-pipeline verify journey.toml --wait 30m
    """
    from .verification import VerifyOptions

    options = VerifyOptions(
        wait_seconds=seconds_of("--wait", wait),
        margin_seconds=seconds_of("--margin", margin),
        sample=sample,
    )
    broken_off = "interrupted; what was found before is in the journal, and `verify` asks again"
    raise typer.Exit(
        terminal.in_loop(partial(actions.verify, config, options, json=json), broken_off=broken_off)
    )


@verbs.command()
def retry(
    config: ConfigFile,
    of: Annotated[Retried, typer.Option("--of", help="Which contacts.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many contacts.")] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Send missing contacts, whoever may come twice.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Send contacts of a run again: those refused, once what they were refused for is mended, or
    those whose fate is unknown, if the journey can bear it that some of them come twice.

    After `verify` also the unknown ones that certainly did not enter (absent), and those accepted
    that did not (missing): what could double is said first, and only --yes sends the missing.
    Their records are read again from the source, which must be as it was, and mapped as the config
    says now; their new outcome stands instead of the old one. Goes on where an earlier retry
    stopped. Exit codes as those of `run`.

    \b
    Examples:
      journey-pipeline retry journey.toml --of rejected
      journey-pipeline retry journey.toml --of unknown --limit 500
      journey-pipeline retry journey.toml --of missing --yes
    """
    if of is not Retried.REJECTED and not actions.agreed(config, of.value, yes=yes):
        raise typer.Exit(UsageError.exit_code)

    from ..running.legs import RunOptions

    options = RunOptions(retry=of.value, limit=limit)
    raise typer.Exit(terminal.in_loop(partial(actions.run, config, options, json=json)))
