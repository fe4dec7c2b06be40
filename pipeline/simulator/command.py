"""The options of `journey-pipeline simulate`, and of `python -m pipeline.simulator`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import Annotated, Any

import typer

__all__ = ("simulate",)


def simulate(
    port: Annotated[int | None, typer.Option(help="0: a free one. Default 8080.")] = None,
    event_key: Annotated[
        list[str] | None,
        typer.Option(help="An event definition key that is known; may be repeated."),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="A field of the event's data extension, as 'FirstName:Text(50)' or "
            "'EmailAddress:EmailAddress:required'; may be repeated."
        ),
    ] = None,
    accept_any_field: Annotated[
        bool | None,
        typer.Option("--accept-any-field", help="No fields at all: every contact enters."),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="What goes wrong, as '429:rate=0.01,retry_after=2', '500:every=50,taken=true', "
            "'close:after_body,rate=0.005', 'revoke:at=1000'; may be repeated."
        ),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(help="Seconds an answer takes, or 'lognormal:median=0.2,p99=1.5'."),
    ] = None,
    max_requests_per_second: Annotated[
        float | None, typer.Option(help="More are answered 429 with Retry-After.")
    ] = None,
    answer_form: Annotated[
        str | None, typer.Option(help="The body of a 201: object, string or double.")
    ] = None,
    token_seconds: Annotated[
        float | None, typer.Option(help="A token's life. Default 3600.")
    ] = None,
    poison: Annotated[
        list[str] | None,
        typer.Option(help="A contact key whose batch is refused with 400; may be repeated."),
    ] = None,
    entry_mode: Annotated[
        str | None,
        typer.Option(
            help="Who may enter again: MultipleEntries, OnceAndDone, SingleEntryAcrossAllVersions."
        ),
    ] = None,
    vanishing: Annotated[
        str | None,
        typer.Option(help="Contacts are lost without a cause whose key this expression finds."),
    ] = None,
    history_lag: Annotated[
        float | None, typer.Option(help="Seconds that the journey history is late.")
    ] = None,
    keep_data: Annotated[
        bool | None,
        typer.Option("--keep-data", help="Keep the contacts' data, for the audit and for rows."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the faults and latencies.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with these and more options.")
    ] = None,
) -> None:
    """A Marketing Cloud on loopback, to rehearse on.

    It loses in silence what Marketing Cloud would lose, and says so under /_simulator/summary.

    \b
    Examples:
      journey-pipeline simulate --port 8080
      journey-pipeline simulate --fault '429:rate=0.02,retry_after=2' --latency 0.2
    """
    # Here, so that a command line that merely offers the verb need not pay for the simulator.
    from .options import SimulatorOptions  # noqa: PLC0415
    from .serving import serve  # noqa: PLC0415

    named: dict[str, Any] = {
        "port": port,
        "event_definition_keys": _many(event_key),
        "fields": _many(field),
        "accept_any_field": accept_any_field,
        "faults": _many(fault),
        "latency": latency,
        "max_requests_per_second": max_requests_per_second,
        "answer_form": answer_form,
        "token_seconds": token_seconds,
        "poison_keys": _many(poison),
        "entry_mode": entry_mode,
        "vanishing": vanishing,
        "history_lag_seconds": history_lag,
        "keep_data": keep_data,
        "seed": seed,
    }
    given = {name: value for name, value in named.items() if value is not None}
    serve(SimulatorOptions.from_file(config, **given) if config else SimulatorOptions(**given))


def _many(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None
