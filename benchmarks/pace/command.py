"""`python -m benchmarks pace`: every scenario, a table, whether the bars hold, a picture each."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .picture import draw
from .rehearsal import BASELINE, OURS, Rehearsal, rehearse
from .servers import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .servers import Scenario

__all__ = ("pace",)

_RESULTS = Path(__file__).parents[1] / "results"
_OUT = Console(width=max(Console().width, 124))


def pace(
    seeds: Annotated[int, typer.Option(min=1, help="How many runs of each scenario.")] = 3,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only scenarios with this in their name; repeatable.", metavar="NAME"),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(help="Where to write.  [default: benchmarks/results/pace-TIME]"),
    ] = None,
) -> None:
    """The pace against servers of every temper, in simulated time, beside a known limiter."""
    target = directory or _RESULTS / f"pace-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    target.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in SCENARIOS if not only or any(name in each.name for name in only)]
    if not chosen:
        raise typer.BadParameter(f"scenarios: {', '.join(each.name for each in SCENARIOS)}")

    table, good = _empty_table(), True
    for scenario in chosen:
        ways = {
            way: [rehearse(scenario, way, seed=seed) for seed in range(1, seeds + 1)]
            for way in (OURS, BASELINE)
        }
        good = _add(table, scenario, ways) and good
        draw([runs[0] for runs in ways.values()], target / f"{_file_name(scenario)}.png")
        _write(ways, target / f"{_file_name(scenario)}.json")

    _OUT.print(table)
    _OUT.print(f"written to {target}", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if good else 1)


def _empty_table() -> Table:
    table = Table(title="least … most over the seeds", title_justify="left")
    for column in ("scenario", "way", "of the best", "refused", "converged", "recovered", "taken"):
        justify = "left" if column in {"scenario", "way"} else "right"
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # either

    return table


def _add(table: Table, scenario: Scenario, ways: dict[str, list[Rehearsal]]) -> bool:
    """Add a scenario's rows; whether ours holds the bars with every seed, and is ahead."""
    for way, runs in ways.items():
        table.add_row(
            scenario.name if way == OURS else "",
            way,
            _spread([100 * run.throughput for run in runs], "{:.1f}", unit=" %"),
            _spread([100 * run.refused for run in runs], "{:.2f}", unit=" %"),
            _spread([run.converged_seconds for run in runs], "{:.0f}", unit=" s"),
            _spread([run.recovered_seconds for run in runs], "{:.0f}", unit=" s")
            if scenario.changes
            else "",
            _spread([sum(run.taken) for run in runs], "{:,}"),
        )

    table.add_section()
    ours, others = ways[OURS], ways[BASELINE]
    ahead = all(sum(run.taken) > sum(other.taken) for run, other in zip(ours, others, strict=True))
    return ahead and all(run.good for run in ours)


def _spread(values: Sequence[float | None], written: str, *, unit: str = "") -> str:
    """Least and most; "never" where one of them never was."""
    known = [value for value in values if value is not None]
    least, most = (written.format(pick(known)) if known else "never" for pick in (min, max))
    most = most if len(known) == len(values) else "never"
    told = least if least == most else f"{least} … {most}"
    return told if most == "never" else told + unit


def _write(ways: dict[str, list[Rehearsal]], path: Path) -> None:
    content = {
        way: [{**asdict(run), "scenario": run.scenario.name} for run in runs]
        for way, runs in ways.items()
    }
    path.write_text(json.dumps(content), encoding="utf-8")


def _file_name(scenario: Scenario) -> str:
    return scenario.name.replace(" ", "-")
