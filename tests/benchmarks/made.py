"""Measurements made up, for the laws of what is done with them."""

from __future__ import annotations

from benchmarks.rounds import Measurement
from benchmarks.server import Statistics

__all__ = ("measurement",)


def measurement(
    contacts: int, *, wall: float, cpu: float = 1.0, peak: float = 50e6, steady: float = 1.0
) -> Measurement:
    """What a run of `contacts` took, as the harness would have measured it."""
    statistics = Statistics(
        requests=contacts // 500,
        answered=contacts // 500,
        contacts=contacts,
        body_bytes=contacts * 274,
        tokens=0,
        connections=1,
        max_in_flight=50,
        mean_in_flight=steady,
        steady_in_flight=steady,
        window_seconds=wall,
        cpu_seconds=0.1,
    )
    return Measurement(
        contacts=contacts,
        contacts_sent=contacts,
        wall_seconds=wall,
        cpu_seconds=cpu,
        peak_rss_bytes=int(peak),
        peak_pss_bytes=0,
        peak_processes=1,
        statistics=statistics,
    )
