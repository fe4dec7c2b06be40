"""The bars journey-pipeline is held to, each a ratio inside one run or a limit of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .ways import BASELINE, OURS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rounds import Case, Measurement, Results

__all__ = ("Goal", "goals", "memory_megabytes")

_IN_FLIGHT_SHARES = {10: 0.98, 50: 0.95, 200: 0.80}


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One bar and what was measured against it."""

    name: str
    bar: float
    measured: float
    at_least: bool  # else: at most
    digits: int = 2

    @property
    def holds(self) -> bool:
        """Whether the bar is reached."""
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        figure = f"{self.measured:.{self.digits}f}, bar {sign} {self.bar:g}"
        return f"{'holds' if self.holds else 'MISSED'}  {self.name}: {figure}"


def memory_megabytes(measurement: Measurement) -> float:
    """Peak over the process tree, shared pages counted once (PSS) where the system tells."""
    return (measurement.peak_pss_bytes or measurement.peak_rss_bytes) / 1e6


def goals(results: Results) -> list[Goal]:
    """Every bar this run says something about."""
    found: list[Goal] = []

    for case in results.measured:
        found += _against_the_loop(results, case)
        found += _in_flight(results, case)

    return [*found, *_memory(results), *_growth(results)]


def _against_the_loop(results: Results, case: Case) -> Iterator[Goal]:
    speed = results.ratio(case, OURS, BASELINE, lambda each: each.contacts_per_second)
    cpu = results.ratio(case, OURS, BASELINE, lambda each: each.cpu_per_million)

    if speed is None or cpu is None:
        return

    if case.latency_ms == 0:
        yield Goal(name=f"throughput / loop ({case})", bar=2.5, measured=speed, at_least=True)
        yield Goal(name=f"CPU / loop ({case})", bar=0.45, measured=cpu, at_least=False)
    elif (case.latency_ms, case.in_flight) == (200, 50):
        yield Goal(name=f"throughput / loop ({case})", bar=40, measured=speed, at_least=True)


def _in_flight(results: Results, case: Case) -> Iterator[Goal]:
    bar = _IN_FLIGHT_SHARES.get(case.in_flight)
    steady = results.median(case, OURS, lambda each: each.statistics.steady_in_flight)

    if case.latency_ms == 200 and bar is not None and steady is not None:
        share = steady / case.in_flight
        yield Goal(name=f"in flight / allowed ({case})", bar=bar, measured=share, at_least=True)


def _memory(results: Results) -> Iterator[Goal]:
    peaks = {
        case.contacts: peak
        for case in results.measured
        if case.latency_ms == 0
        and case.in_flight == 16
        and (peak := results.median(case, OURS, memory_megabytes)) is not None
    }

    if not peaks:
        return

    highest = max(peaks.values())
    yield Goal(name="peak memory (PSS), MB", bar=100, measured=highest, at_least=False, digits=1)

    for contacts, peak in peaks.items():
        if larger := peaks.get(5 * contacts):
            yield Goal(
                name=f"peak memory of {5 * contacts:,} / {contacts:,} contacts",
                bar=1.05,
                measured=larger / peak,
                at_least=False,
                digits=3,
            )


def _growth(results: Results) -> Iterator[Goal]:
    """CPU a contact beyond start-up, a hundred times the file against one."""
    costs = {case.contacts: case for case in results.measured if not case.latency_ms}

    for contacts, small in costs.items():
        large, empty = costs.get(100 * contacts), costs.get(0)

        if not (contacts and large and empty):
            continue

        start_up = results.median(empty, OURS, lambda each: each.cpu_seconds) or 0.0
        first = (results.median(small, OURS, lambda each: each.cpu_seconds) or 0.0) - start_up
        last = (results.median(large, OURS, lambda each: each.cpu_seconds) or 0.0) - start_up
        yield Goal(
            name=f"CPU a contact of {large.contacts:,} / {contacts:,} contacts",
            bar=1.05,
            measured=last / 100 / first,
            at_least=False,
            digits=3,
        )
