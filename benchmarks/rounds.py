"""Measure ways beside each other: every round runs every way once, so that drift hits all alike."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING

from .contacts import contacts_file
from .measure import ProcessFigures, run_measured
from .ways import CHECKED, OURS, Setting, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from .server import Server, Statistics

__all__ = ("Case", "Measurement", "Results", "Rounds", "WayFailedError")

_RECORDS = 500


class WayFailedError(Exception):
    """A way did not end well, or the server did not get every contact: no figure can be given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What all ways are put to: so many contacts, such a server, so many requests under way."""

    contacts: int
    latency_ms: float
    in_flight: int

    def __str__(self) -> str:
        answers = f"after {self.latency_ms:g} ms" if self.latency_ms else "at once"
        return f"{self.contacts:,} contacts, answered {answers}, {self.in_flight} in flight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One run of one way. Seconds are for `contacts`; where fewer were sent, extrapolated."""

    contacts: int
    contacts_sent: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    peak_pss_bytes: int
    peak_processes: int
    statistics: Statistics

    @property
    def scaled(self) -> bool:
        """Whether the seconds are extrapolated from a shorter file."""
        return self.contacts_sent != self.contacts

    @property
    def contacts_per_second(self) -> float:
        """From the start of the process to its end."""
        return self.contacts / self.wall_seconds

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds of user and system for a million contacts; 0 where none were sent."""
        return self.cpu_seconds / self.contacts * 1e6 if self.contacts else 0.0


@dataclass(slots=True)
class Results:
    """Every measurement, by case and way, in the order of the rounds."""

    measured: dict[Case, dict[str, list[Measurement]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    failures: dict[str, str] = field(default_factory=dict)  # way -> why it was left out

    def check(self) -> None:
        """Raise RuntimeError where a way was left out."""
        if self.failures:
            raise RuntimeError("; ".join(f"{way}: {why}" for way, why in self.failures.items()))

    def of(self, case: Case, way: str) -> list[Measurement]:
        """The measurements of a way, none where it was not measured."""
        return self.measured.get(case, {}).get(way, [])

    def median(self, case: Case, way: str, value: Callable[[Measurement], float]) -> float | None:
        """The median over the rounds."""
        measured = self.of(case, way)
        return median(map(value, measured)) if measured else None

    def ratio(
        self, case: Case, way: str, against: str, value: Callable[[Measurement], float]
    ) -> float | None:
        """The median of the rounds' own ratios: what drifts between rounds cancels out."""
        pairs = list(zip(self.of(case, way), self.of(case, against), strict=False))
        return median(value(mine) / value(theirs) for mine, theirs in pairs) if pairs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """Runs ways against one server and gathers what they took."""

    server: Server
    scratch: Path
    data: Path
    tell: Callable[[str], None]
    patience_seconds: float = 30.0
    """A way that would wait longer for answers gets fewer contacts; its figures are scaled."""

    def run(self, plan: Sequence[tuple[Case, Way]], *, rounds: int) -> Results:
        """Measure the whole plan `rounds` times; a way that fails is left out from there on."""
        results = Results()

        for case in dict.fromkeys(case for case, _ in plan):
            contacts_file(case.contacts, directory=self.data)

        for turn in range(rounds):
            for case, way in _rotated(plan, turn):
                self._add(results, case, way, f"round {turn + 1}/{rounds}")

        return results

    def _add(self, results: Results, case: Case, way: Way, label: str) -> None:
        if way.name in results.failures:
            return

        try:
            measurement = self.measure(case, way)
        except WayFailedError as error:
            results.failures[way.name] = str(error)
            self.tell(f"{label} · {case} · {way.name}: FAILED, left out: {error}")
            return

        results.measured[case][way.name].append(measurement)
        self.tell(
            f"{label} · {case} · {way.name}: {measurement.contacts_per_second:,.0f} contacts/s, "
            f"{measurement.cpu_per_million:.2f} CPU s per million"
        )

    def measure(self, case: Case, way: Way) -> Measurement:
        """One run; raises WayFailedError unless the server got exactly the file's contacts."""
        sent = _contacts_for(case, way, self.patience_seconds)
        measured = self._measure(replace(case, contacts=sent), way)

        if sent == case.contacts:
            return measured

        start_up = self._measure(replace(case, contacts=0), way)
        return _extrapolated(measured, start_up, case.contacts)

    def _measure(self, case: Case, way: Way) -> Measurement:
        directory = self.scratch / "way"
        directory.mkdir()

        try:
            csv = contacts_file(case.contacts, directory=self.data)
            setting = Setting(
                csv=csv, url=self.server.url, in_flight=case.in_flight, scratch=directory
            )
            self.server.reset(latency_ms=case.latency_ms)
            figures = run_measured(way.command(setting), scratch=directory)
            statistics = self.server.statistics()
        finally:
            shutil.rmtree(directory)

        _check(way, case.contacts, figures, statistics)
        return _measurement(case.contacts, figures, statistics)


def _rotated(plan: Sequence[tuple[Case, Way]], turn: int) -> Iterable[tuple[Case, Way]]:
    """The plan from another beginning each round: no way always follows the same one."""
    start = turn % len(plan)
    return (*plan[start:], *plan[:start])


def _contacts_for(case: Case, way: Way, patience_seconds: float) -> int:
    """The case's contacts, or as many as the way waits for within two thirds of the patience."""
    a_contact = case.latency_ms / 1000 / _RECORDS / way.in_flight_of(case.in_flight)

    if case.contacts * a_contact <= patience_seconds:
        return case.contacts

    return max(int(patience_seconds * 2 / 3 / a_contact) // _RECORDS, 1) * _RECORDS


def _extrapolated(measured: Measurement, start_up: Measurement, contacts: int) -> Measurement:
    """The same for `contacts`: start-up once, the rest in proportion."""
    share = contacts / measured.contacts_sent

    def whole(of_measured: float, of_start_up: float) -> float:
        return of_start_up + max(of_measured - of_start_up, 0.0) * share

    return replace(
        measured,
        contacts=contacts,
        wall_seconds=whole(measured.wall_seconds, start_up.wall_seconds),
        cpu_seconds=whole(measured.cpu_seconds, start_up.cpu_seconds),
    )


def _measurement(contacts: int, figures: ProcessFigures, statistics: Statistics) -> Measurement:
    return Measurement(
        contacts=contacts,
        contacts_sent=contacts,
        wall_seconds=figures.wall_seconds,
        cpu_seconds=figures.cpu_seconds,
        peak_rss_bytes=figures.peak_rss_bytes,
        peak_pss_bytes=figures.peak_pss_bytes,
        peak_processes=figures.peak_processes,
        statistics=statistics,
    )


def _check(way: Way, contacts: int, figures: ProcessFigures, statistics: Statistics) -> None:
    if figures.exit_code:
        raise WayFailedError(f"exit code {figures.exit_code}: {figures.complaint.strip()[-500:]}")

    if statistics.contacts != contacts or statistics.answered != statistics.requests:
        raise WayFailedError(
            f"the file has {contacts:,} contacts, the server counted {statistics.contacts:,} "
            f"in {statistics.requests:,} requests, of which it answered {statistics.answered:,}"
        )

    ours = way.name in {OURS, CHECKED.name}
    if ours and (accepted := _accepted(figures.output)) != contacts:
        raise WayFailedError(f"its summary says {accepted} accepted, the file has {contacts:,}")


def _accepted(output: str) -> object:
    """What `run --json` printed as its last line."""
    lines = output.strip().splitlines()
    return json.loads(lines[-1]).get("accepted") if lines else None
