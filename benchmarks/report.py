"""The figures for people (a table a case) and for programs (one JSON file)."""

from __future__ import annotations

import json
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from .goals import memory_megabytes
from .ways import BASELINE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .goals import Goal
    from .rounds import Case, Measurement, Results

__all__ = ("as_json", "table", "write_json")


def table(results: Results, case: Case) -> Table:
    """What every way took in this case: medians, and (least-most) over the rounds."""
    shown = Table(title=str(case), title_justify="left", title_style="bold")
    shown.add_column("way", no_wrap=True)

    for column in ("contacts/s", "÷ loop", "CPU s / M", "÷ loop", "peak MB", "PSS MB", "in flight"):
        shown.add_column(column, justify="right", no_wrap=True)

    for name, measured in results.measured[case].items():
        shown.add_row(*_row(results, case, name, measured))

    shown.caption = _caption([each for ways in results.measured[case].values() for each in ways])
    shown.caption_justify = "left"
    return shown


def _caption(measured: Sequence[Measurement]) -> str:
    cost = [each.statistics for each in measured if each.statistics.requests]
    micro = median(each.cpu_seconds / each.requests for each in cost) * 1e6 if cost else 0
    body = median(each.body_bytes / each.contacts for each in cost) if cost else 0
    caption = f"the server spends {micro:.0f} µs of CPU a POST; {body:.0f} bytes of body a contact"

    if any(each.scaled for each in measured):
        caption += "\n* measured with fewer contacts, its start-up apart, and scaled by rate"

    return caption


def _row(
    results: Results, case: Case, name: str, measured: Sequence[Measurement]
) -> tuple[str, ...]:
    faster = results.ratio(case, name, BASELINE, lambda each: each.contacts_per_second)
    dearer = results.ratio(case, name, BASELINE, lambda each: each.cpu_per_million)
    pss = median(each.peak_pss_bytes for each in measured) / 1e6

    return (
        name + (f" * ({measured[0].contacts_sent:,})" if measured[0].scaled else ""),
        _spread(measured, lambda each: each.contacts_per_second / 1000, "k", digits=1),
        f"{faster:.2f}" if faster else "-",
        _spread(measured, lambda each: each.cpu_per_million, "", digits=2),
        f"{dearer:.2f}" if dearer else "-",
        _spread(measured, memory_megabytes, "", digits=0),
        f"{pss:.0f}" if pss else "-",
        _spread(measured, lambda each: each.statistics.steady_in_flight, "", digits=2),
    )


def _spread(
    measured: Sequence[Measurement],
    value: Callable[[Measurement], float],
    unit: str,
    *,
    digits: int,
) -> str:
    values = [value(each) for each in measured]
    middle = f"{median(values):.{digits}f}{unit}"

    if len(values) == 1:
        return middle

    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def as_json(results: Results, held: Sequence[Goal], about: dict[str, object]) -> dict[str, object]:
    """Everything measured, round by round, with the medians beside it."""
    return {
        **about,
        "results": [
            {"case": asdict(case), "way": way, **_medians(results, case, way)}
            | {"rounds": [asdict(each) for each in measured]}
            for case, ways in results.measured.items()
            for way, measured in ways.items()
        ],
        "goals": [asdict(goal) | {"holds": goal.holds} for goal in held],
        "failures": results.failures,
    }


def _medians(results: Results, case: Case, way: str) -> dict[str, float | None]:
    def middle(value: Callable[[Measurement], float]) -> float | None:
        return results.median(case, way, value)

    return {
        "contacts_per_second": middle(lambda each: each.contacts_per_second),
        "cpu_per_million": middle(lambda each: each.cpu_per_million),
        "peak_rss_bytes": middle(lambda each: each.peak_rss_bytes),
        "peak_pss_bytes": middle(lambda each: each.peak_pss_bytes),
        "mean_in_flight": middle(lambda each: each.statistics.mean_in_flight),
        "steady_in_flight": middle(lambda each: each.statistics.steady_in_flight),
        "throughput_against_loop": results.ratio(
            case, way, BASELINE, lambda each: each.contacts_per_second
        ),
        "cpu_against_loop": results.ratio(case, way, BASELINE, lambda each: each.cpu_per_million),
    }


def write_json(content: dict[str, object], path: Path) -> None:
    """Write the file, making its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
