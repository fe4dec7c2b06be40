"""The verbs that steer a run that is going on: faster, slower, not at all."""

from __future__ import annotations

from typing import Annotated

import typer

from . import actions
from .aftermath import ConfigFile  # noqa: TC001  # typer reads it

__all__ = ("verbs",)

verbs = typer.Typer()
"""They are added to those of the command line (cli.py)."""


@verbs.command()
def pace(
    config: ConfigFile,
    requests_per_second: Annotated[
        float | None, typer.Option(help="Requests started per second, retries counted.")
    ] = None,
    contacts_per_hour: Annotated[
        float | None, typer.Option(help="Contacts sent per hour, evenly.")
    ] = None,
    max_in_flight: Annotated[
        int | None, typer.Option(help="Requests under way at once, at most.")
    ] = None,
) -> None:
    """Show the pace of the run that is going on; with options, change it within a second.

    A change lasts as long as the run's process: the next `run` begins with the config's values.

    \b
    Examples:
      journey-pipeline pace journey.toml
      journey-pipeline pace journey.toml --requests-per-second 5
      journey-pipeline pace journey.toml --contacts-per-hour 500000 --max-in-flight 4
    """
    asked = {
        "requests_per_second": requests_per_second,
        "contacts_per_hour": contacts_per_hour,
        "max_in_flight": max_in_flight,
    }
    actions.steer(config, {name: value for name, value in asked.items() if value is not None})


@verbs.command()
def pause(config: ConfigFile) -> None:
    """Let the run that is going on send nothing more, until `resume`.

    What is under way is finished and settled. A pause lasts no longer than the run's process: the
    next `run` sends. A worker that waits for files does not send the next one until then, and a run
    that still opens its journal sends nothing.

    \b
    Example:
      journey-pipeline pause journey.toml
    """
    actions.steer(config, {"paused": True})


@verbs.command()
def resume(config: ConfigFile) -> None:
    """Let the run that was paused go on.

    \b
    Example:
      journey-pipeline resume journey.toml
    """
    actions.steer(config, {"paused": False})
