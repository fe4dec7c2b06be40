"""Metrics: the vitals as Prometheus reads them. Computed when asked for, never per batch.

Names begin with `journey_`, counters end in `_total` and count from the start of the process.
No label comes from input data: outcomes, statuses, triggers and limits are the program's words.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .. import __version__
from ..sending.limits import Limit
from ..settling.store import FILE_NAME
from .latency import BOUNDS
from .vitals import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prometheus_client import Metric

    from .sight import Sight
    from .vitals import Vitals

__all__ = ("Exposition", "journal_bytes")


class Exposition:
    """A registry of its own, and what it says."""

    def __init__(self, vitals: Vitals, sight: Sight) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_RunCollector(vitals, sight))
        ProcessCollector(namespace="journey", registry=self._registry)

    def text(self, accept: str) -> tuple[bytes, str]:
        """All metrics, in a form that `accept` asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _RunCollector(Collector):
    def __init__(self, vitals: Vitals, sight: Sight) -> None:
        self._vitals = vitals
        self._sight = sight

    def collect(self) -> Iterator[Metric]:
        vitals = self._vitals
        yield InfoMetricFamily("journey_build", "The program.", {"version": __version__})
        yield _one_of("journey_phase", "How far the run is.", Phase, current=vitals.phase)
        yield from _contacts(vitals)
        yield from _requests(vitals)
        yield from _token(vitals)
        yield from _gauges(
            ("source_up", "Whether the source is read just now.", vitals.up),
            ("source_waiting_files", "Files in the watched folder.", vitals.waiting_files),
            (
                "source_waiting_messages",
                "Messages on the queue that no worker has taken; Kafka: or has not committed.",
                vitals.waiting_messages,
            ),
            (
                "source_taken_messages",
                "Messages that workers, of all machines, are working on.",
                vitals.taken_messages,
            ),
            (
                "source_oldest_message_seconds",
                "Since the oldest message on the queue was put there.",
                vitals.oldest_message_seconds,
            ),
            ("source_read_ratio", "How much of all sources was read, 0 to 1.", vitals.share),
            ("source_quiet_seconds", "Since the source last gave anything.", vitals.quiet_seconds),
            ("contacts_unsettled", "Contacts read, without an outcome yet.", vitals.unsettled),
            (
                "oldest_unsettled_seconds",
                "How long the oldest contact without an outcome has waited for it.",
                vitals.oldest_unsettled_seconds,
            ),
            (
                "journal_bytes",
                "Size of the journal and its log on disk.",
                journal_bytes(self._sight),
            ),
        )
        yield from self._pace()

    def _pace(self) -> Iterator[Metric]:
        pace = self._sight.pace
        if pace is None:
            return

        standing = pace.standing()
        yield _one_of(
            "journey_limit", "What keeps the run from going faster.", Limit, current=standing.limit
        )
        yield from _gauges(
            ("requests_in_flight_limit", "As many are let at once.", standing.max_in_flight),
            ("requests_per_second_limit", "The rate that is kept.", standing.requests_per_second),
            (
                "requests_per_second_asked",
                "The rate that is asked for; one that Marketing Cloud throttles is lower.",
                standing.asked_per_second,
            ),
            (
                "contacts_per_hour_limit",
                "What the journey can digest, as the config says.",
                standing.contacts_per_hour,
            ),
        )


def journal_bytes(sight: Sight) -> int | None:
    """Size of the journal and its log on disk; None before there is one."""
    if sight.directory is None:
        return None

    files = (sight.directory / f"{FILE_NAME}{end}" for end in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def _contacts(vitals: Vitals) -> Iterator[Metric]:
    yield _counter("contacts", "Contacts settled.", label="outcome", counts=vitals.settled)
    yield CounterMetricFamily("journey_contacts_read", "Contacts read.", value=vitals.read)
    told = "Batches, by what sealed them."
    yield _counter("batches_sealed", told, label="trigger", counts=vitals.batches)
    told = "Messages that the queue deleted before they were done with, by how far they were."
    counts = vitals.deleted_messages
    yield _counter("source_deleted_messages", told, label="progress", counts=counts)


def _requests(vitals: Vitals) -> Iterator[Metric]:
    told = "Requests ended; none: no answer came."
    yield _counter("requests", told, label="status", counts=vitals.requests)
    yield CounterMetricFamily(
        "journey_retries", "Attempts that were followed by another.", value=vitals.retries
    )
    latency = vitals.latency
    bounds = [*map(repr, BOUNDS), "+Inf"]
    yield HistogramMetricFamily(
        "journey_request_seconds",
        "How long requests took.",
        buckets=list(zip(bounds, accumulate(latency.counts), strict=True)),
        sum_value=latency.seconds,
    )
    yield from _gauges(("requests_in_flight", "Requests under way.", vitals.in_flight))


def _token(vitals: Vitals) -> Iterator[Metric]:
    yield CounterMetricFamily("journey_tokens", "Tokens obtained.", value=vitals.tokens)
    yield from _gauges(
        ("token_age_seconds", "Since the token was obtained.", vitals.token_age_seconds),
        ("token_lifetime_seconds", "How long it was to live.", vitals.token_lifetime_seconds),
    )


def _counter(name: str, told: str, *, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"journey_{name}", told, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)

    return family


def _gauges(*gauges: tuple[str, str, float | None]) -> Iterator[Metric]:
    """A gauge each, but for what is not known."""
    for name, told, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(f"journey_{name}", told, value=value)


def _one_of(name: str, told: str, words: Iterable[Any], *, current: Any) -> GaugeMetricFamily:
    """One for the word that holds, zero for each other."""
    family = GaugeMetricFamily(name, told, labels=[name.removeprefix("journey_")])
    for word in words:
        family.add_metric([str(word)], float(word is current))

    return family
