"""`python -m benchmarks`: measure, print the tables, say which bars hold, write the JSON."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from .contacts import DATA, contacts_file
from .fields import measure_encoder, measure_runs
from .goals import goals
from .journal import measure_journal
from .machine import described, machine
from .pace.command import pace
from .pace.kept import kept
from .plot import write_plot
from .queues import queues
from .report import as_json, table, write_json
from .rounds import Case, Rounds
from .server import best_server
from .ways import OUR_WAY, WAYS, Way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .rounds import Results

__all__ = ("main", "planned")

_RESULTS = Path(__file__).parent / "results"
_WIDTH = 124  # of a table; where there is no terminal, or a narrow one, lines may wrap
_OUT = Console(width=max(Console().width, _WIDTH))
_ERR = Console(stderr=True, soft_wrap=True, highlight=False)
_Plan = list[tuple[Case, Way]]


app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.command()(pace)
app.command()(kept)
app.command()(queues)


@app.callback(invoke_without_command=True)
def main(  # noqa: PLR0913, PLR0917  # a command's parameters are its options
    context: typer.Context,
    contacts: Annotated[int, typer.Option(help="Contacts in the file.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(help="How often every way is run.")] = 5,
    latency_ms: Annotated[
        list[float] | None,
        typer.Option(help="Milliseconds until the server answers; repeatable.  [default: 0, 200]"),
    ] = None,
    in_flight: Annotated[
        list[int] | None,
        typer.Option(
            help="Requests that may be under way; repeatable.  "
            "[default: 16 where the server answers at once, else 50]"
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only ways with this in their name; repeatable.", metavar="NAME"),
    ] = None,
    quick: Annotated[  # noqa: FBT002  # typer's options have defaults
        bool, typer.Option("--quick", help="100,000 contacts, one round: does it run at all?")
    ] = False,
    memory: Annotated[  # noqa: FBT002  # typer's options have defaults
        bool, typer.Option("--memory", help="journey-pipeline alone: five times the file.")
    ] = False,
    growth: Annotated[  # noqa: FBT002  # typer's options have defaults
        bool, typer.Option("--growth", help="journey-pipeline alone: a tenth, one and ten times.")
    ] = False,
    fields: Annotated[  # noqa: FBT002  # typer's options have defaults
        bool, typer.Option("--fields", help="What it costs to hold contacts against fields.")
    ] = False,
    journal: Annotated[  # noqa: FBT002  # typer's options have defaults
        bool, typer.Option("--journal", help="The journal's share of the CPU.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(help="Where to write.  [default: benchmarks/results/TIME.json]")
    ] = None,
) -> None:
    """Measure journey-pipeline beside the ways people do it today (benchmarks/README.md)."""
    if context.invoked_subcommand is not None:
        return

    if quick:
        contacts, rounds = 100_000, 1

    if fields:
        _show_fields(contacts, rounds)
        return

    if journal:
        _show_journal(contacts, rounds)
        return

    ways = _ways(only or [])

    if memory or growth:
        plan = _sizes(contacts, memory=memory, growth=growth)
    else:
        plan = planned(contacts, latency_ms or [0, 200], in_flight or [], ways)

    started_at = datetime.now(UTC)
    about: dict[str, Any] = {
        "started_at": started_at.isoformat(timespec="seconds"),
        "rounds": rounds,
        "machine": machine(),
    }
    results = _measure(plan, rounds, about)
    path = json or _RESULTS / f"{started_at:%Y%m%dT%H%M%SZ}.json"
    _show(results, about, path)

    if results.failures:
        raise typer.Exit(1)


def _show_fields(contacts: int, rounds: int) -> None:
    with _measuring({}) as measurer:
        run = measure_runs(measurer, contacts, times=rounds)

    encoder = measure_encoder(contacts_file(contacts), contacts, times=rounds)

    for line in (*run.lines(bar=True), *encoder.lines(bar=False)):
        _OUT.print(line, highlight=False)

    _OUT.print(f"on {described(machine())}", highlight=False)

    if not run.holds:
        raise typer.Exit(1)


def _show_journal(contacts: int, rounds: int) -> None:
    with _measuring({}) as measurer:
        costs = measure_journal(measurer, contacts, times=rounds)

    for line in (*costs.lines(), f"on {described(machine())}"):
        _OUT.print(line, highlight=False)

    if not costs.holds:
        raise typer.Exit(1)


def planned(
    contacts: int, latencies: Sequence[float], in_flight: Sequence[int], ways: Sequence[Way]
) -> _Plan:
    """Every case with every way."""
    cases = [
        Case(contacts=contacts, latency_ms=latency, in_flight=allowed)
        for latency in latencies
        for allowed in in_flight or [50 if latency else 16]
    ]
    return list(product(cases, ways))


def _sizes(contacts: int, *, memory: bool, growth: bool) -> _Plan:
    counts = {contacts, *((5 * contacts,) if memory else ())}

    if growth:
        counts |= {0, contacts // 10, 10 * contacts}

    cases = [Case(contacts=count, latency_ms=0, in_flight=16) for count in sorted(counts)]
    return [(case, OUR_WAY) for case in cases]


def _ways(only: Sequence[str]) -> list[Way]:
    chosen = [way for way in WAYS if not only or any(name in way.name for name in only)]

    for way in chosen:
        if way.missing:
            _ERR.print(
                f"{way.name} is left out: {', '.join(way.missing)} not installed", style="red"
            )

    available = [way for way in chosen if not way.missing]

    if not available:
        raise typer.BadParameter(f"nothing to measure; ways: {', '.join(w.name for w in WAYS)}")

    return available


def _measure(plan: _Plan, rounds: int, about: dict[str, Any]) -> Results:
    with _measuring(about) as measurer:
        return measurer.run(plan, rounds=rounds)


@contextmanager
def _measuring(about: dict[str, Any]) -> Iterator[Rounds]:
    """A server that is up; `about` is told what it is made of."""
    with tempfile.TemporaryDirectory(prefix="journey-benchmark-") as name, best_server() as server:
        about["server"] = server.kind

        if server.kind != "C":
            _ERR.print("no C compiler or no Linux: the server is Python, fast ways wait for it")

        yield Rounds(server=server, scratch=Path(name), data=DATA, tell=_ERR.print)


def _show(results: Results, about: dict[str, Any], path: Path) -> None:
    for case in results.measured:
        _OUT.print(table(results, case))

    held = goals(results)

    for goal in held:
        _OUT.print(str(goal), style=None if goal.holds else "red", highlight=False)

    write_json(as_json(results, held, about), path)
    _OUT.print(f"on {described(about['machine'])}; server in {about['server']}", highlight=False)

    for written in (path, write_plot(results, path.with_suffix(".svg"))):
        if written:
            _OUT.print(f"written to {written}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
