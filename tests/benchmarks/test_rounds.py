from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from benchmarks.measure import run_measured
from benchmarks.rounds import Case, Rounds, _extrapolated
from benchmarks.server import best_server
from benchmarks.ways import WAYS, Setting, Way
from tests.benchmarks.made import measurement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT_ONCE = Case(contacts=2_000, latency_ms=0, in_flight=4)


def posting(name: str, *, limit: int) -> Way:
    """A way of the standard library that posts at most `limit` contacts."""

    def command(setting: Setting) -> list[str]:
        module = "tests.benchmarks.stdlib_way"
        return [sys.executable, "-m", module, str(setting.csv), setting.url, str(limit)]

    return Way(name=name, command=command, in_flight=1)


@contextmanager
def measuring(tmp_path: Path) -> Iterator[tuple[Rounds, list[str]]]:
    """A server, an empty data directory, and what was told."""
    told: list[str] = []
    with best_server() as server:
        yield Rounds(server=server, scratch=tmp_path, data=tmp_path, tell=told.append), told


def test_every_round_measures_every_way(tmp_path: Path) -> None:
    """Each way is measured once a round, in another order each, and all contacts arrive."""
    first, second = posting("first", limit=2_000), posting("second", limit=2_000)

    with measuring(tmp_path) as (rounds, told):
        results = rounds.run([(AT_ONCE, first), (AT_ONCE, second)], rounds=2)

    ways = results.measured[AT_ONCE]
    assert [len(ways["first"]), len(ways["second"])] == [2, 2]
    assert [line.split(" · ")[2].split(":")[0] for line in told] == [
        *("first", "second"),
        *("second", "first"),
    ]

    for each in ways["first"]:
        assert each.statistics.contacts == 2_000
        assert each.statistics.requests == 4
        assert 0 < each.cpu_seconds < 30
        assert each.wall_seconds > 0
        assert each.contacts_per_second == pytest.approx(2_000 / each.wall_seconds)
        assert not each.scaled


def test_lost_contacts_are_no_figure(tmp_path: Path) -> None:
    """A way that loses contacts, or ends badly, is left out with its reason."""
    losing, dying = posting("losing", limit=1_999), Way(name="dying", command=lambda _: ["false"])

    with measuring(tmp_path) as (rounds, _):
        results = rounds.run([(AT_ONCE, losing), (AT_ONCE, dying)], rounds=2)

    assert not results.measured
    assert "1,999" in results.failures["losing"]
    assert "exit code 1" in results.failures["dying"]


def test_slow_ways_are_scaled(tmp_path: Path) -> None:
    """A way that would wait too long gets fewer contacts; its seconds are for all of them."""
    case = Case(contacts=100_000, latency_ms=20, in_flight=4)  # 200 posts, one by one: 4 s

    with measuring(tmp_path) as (rounds, _):
        impatient = replace(rounds, patience_seconds=0.31)
        measured = impatient.measure(case, posting("slow", limit=100_000))

    assert measured.scaled
    assert (measured.contacts, measured.contacts_sent) == (100_000, 5_000)
    assert measured.statistics.contacts == 5_000
    # Twenty times what ten posts of 20 ms take; its start-up is never measured twice alike.
    assert measured.wall_seconds > 2.0
    assert measured.contacts_per_second < 50_000


def test_start_up_is_scaled_once() -> None:
    """What a way takes for an empty file is added once, not as often as the rest."""
    measured = measurement(5_000, wall=3.0, cpu=0.7)
    start_up = measurement(0, wall=1.0, cpu=0.5)

    scaled = _extrapolated(measured, start_up, 50_000)

    assert scaled.wall_seconds == pytest.approx(1.0 + 2.0 * 10)
    assert scaled.cpu_seconds == pytest.approx(0.5 + 0.2 * 10)
    assert (scaled.contacts, scaled.contacts_sent) == (50_000, 5_000)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.missing], ids=lambda way: way.name)
def test_ways(way: Way, tmp_path: Path) -> None:
    """Every way whose libraries are here delivers the whole file, and a last batch cut short."""
    with measuring(tmp_path) as (rounds, _):
        measured = rounds.measure(replace(AT_ONCE, contacts=2_100), way)

    assert measured.statistics.contacts == 2_100
    assert 0 < measured.statistics.max_in_flight <= max(way.in_flight or 0, 4)
    assert measured.peak_rss_bytes > 5e6


def test_memory_and_cpu_of_the_tree(tmp_path: Path) -> None:
    """A child's memory and CPU count, also where its parent never waited for it."""
    child = "import time; held = bytearray(80_000_000); sum(range(6_000_000)); time.sleep(0.4)"
    parent = (
        f"import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', {child!r}])"
    )
    figures = run_measured([sys.executable, "-c", f"{parent}; time.sleep(0.6)"], scratch=tmp_path)

    assert figures.exit_code == 0
    assert figures.peak_processes == 2
    assert figures.peak_rss_bytes > 85e6
    assert figures.cpu_seconds > 0.05


def test_overtime_is_killed(tmp_path: Path) -> None:
    """A command that hangs is killed with its children; its exit code says so."""
    figures = run_measured(["sleep", "60"], scratch=tmp_path, timeout_seconds=0.1)

    assert figures.exit_code == -9
    assert figures.wall_seconds < 10
