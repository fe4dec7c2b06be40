from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from benchmarks.__main__ import planned
from benchmarks.goals import goals
from benchmarks.report import as_json, table, write_json
from benchmarks.rounds import Case, Measurement, Results
from benchmarks.ways import BASELINE, OURS, WAYS
from tests.benchmarks.made import measurement

if TYPE_CHECKING:
    from pathlib import Path

AT_ONCE = Case(contacts=1_000_000, latency_ms=0, in_flight=16)
SLOW = Case(contacts=1_000_000, latency_ms=200, in_flight=50)


def results(measured: dict[tuple[Case, str], list[Measurement]]) -> Results:
    """Results holding just these."""
    found = Results()

    for (case, way), each in measured.items():
        found.measured[case][way] += each

    return found


def test_ratio_is_taken_within_each_round() -> None:
    """A machine that slows down between rounds moves no ratio."""
    found = results(
        {
            (AT_ONCE, OURS): [measurement(1_000_000, wall=wall) for wall in (4, 8, 40)],
            (AT_ONCE, BASELINE): [measurement(1_000_000, wall=wall) for wall in (12, 24, 120)],
        }
    )

    ratio = found.ratio(AT_ONCE, OURS, BASELINE, lambda each: each.contacts_per_second)
    assert ratio == pytest.approx(3)


@pytest.mark.parametrize(
    ("wall", "cpu", "peak", "held"),
    [
        (4.0, 4.4, 99e6, [True, True, True]),
        (4.1, 4.4, 99e6, [False, True, True]),
        (4.0, 4.6, 99e6, [True, False, True]),
        (4.0, 4.4, 101e6, [True, True, False]),
    ],
)
def test_bars_at_once(wall: float, cpu: float, peak: float, held: list[bool]) -> None:
    """2.5 times the loop, 0.45 of its CPU, 100 MB: each is missed by a little too little."""
    found = goals(
        results(
            {
                (AT_ONCE, BASELINE): [measurement(1_000_000, wall=10, cpu=10)],
                (AT_ONCE, OURS): [measurement(1_000_000, wall=wall, cpu=cpu, peak=peak)],
            }
        )
    )

    assert [goal.holds for goal in found] == held


@pytest.mark.parametrize(
    ("wall", "steady", "held"), [(10.0, 47.6, [True, True]), (10.1, 47.4, [False, False])]
)
def test_bars_at_200_ms(wall: float, steady: float, held: list[bool]) -> None:
    """Fifty in flight: forty times the loop, and 95 % of what is allowed is under way."""
    found = goals(
        results(
            {
                (SLOW, BASELINE): [measurement(1_000_000, wall=400)],
                (SLOW, OURS): [measurement(1_000_000, wall=wall, steady=steady)],
            }
        )
    )

    assert [goal.holds for goal in found] == held


@pytest.mark.parametrize(("peak", "holds"), [(52e6, True), (53e6, False)])
def test_memory_is_flat(peak: float, *, holds: bool) -> None:
    """Five times the file may take five hundredths more memory."""
    larger = Case(contacts=5_000_000, latency_ms=0, in_flight=16)
    found = goals(
        results(
            {
                (AT_ONCE, OURS): [measurement(1_000_000, wall=4, peak=50e6)],
                (larger, OURS): [measurement(5_000_000, wall=20, peak=peak)],
            }
        )
    )

    assert [goal.holds for goal in found if "5,000,000 /" in goal.name] == [holds]


@pytest.mark.parametrize(("cpu", "holds"), [(42.4, True), (42.6, False)])
def test_cost_stays_as_the_file_grows(cpu: float, *, holds: bool) -> None:
    """A hundred times the file costs a hundred times the CPU beyond start-up."""
    sizes = {0: 0.5, 100_000: 0.9, 10_000_000: cpu}  # start-up 0.5, then 4 s a million
    found = goals(
        results(
            {
                (Case(contacts=size, latency_ms=0, in_flight=16), OURS): [
                    measurement(size, wall=1, cpu=seconds)
                ]
                for size, seconds in sizes.items()
            }
        )
    )

    assert [goal.holds for goal in found if "CPU a contact" in goal.name] == [holds]


def test_nothing_measured_is_no_bar() -> None:
    """What was not measured is neither held nor missed."""
    assert goals(Results()) == []
    assert goals(results({(AT_ONCE, BASELINE): [measurement(1_000_000, wall=10)]})) == []


def test_report(tmp_path: Path) -> None:
    """The table shows medians and spread, the JSON every round."""
    found = results(
        {(AT_ONCE, BASELINE): [measurement(1_000_000, wall=wall) for wall in (10, 12.5, 20)]}
    )
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(table(found, AT_ONCE))
    write_json(as_json(found, goals(found), {"rounds": 3}), tmp_path / "results" / "now.json")
    written = json.loads((tmp_path / "results" / "now.json").read_text(encoding="utf-8"))

    assert "80.0k (50.0-100.0)" in console.export_text()
    assert written["rounds"] == 3
    assert written["results"][0]["contacts_per_second"] == 80_000
    assert [each["wall_seconds"] for each in written["results"][0]["rounds"]] == [10, 12.5, 20]


def test_plan() -> None:
    """Every case with every way; where nothing is said, 16 in flight at once and 50 when slow."""
    plan = planned(1_000_000, [0, 200], [], WAYS)

    assert {case for case, _ in plan} == {AT_ONCE, SLOW}
    assert len(plan) == 2 * len(WAYS)
    assert {case.in_flight for case, _ in planned(10, [200], [10, 200], WAYS)} == {10, 200}
