"""Samples: what happened between two moments, and nothing twice."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pipeline.events import BatchSettled, ChunkRead, RequestEnded, RequestStarted
from pipeline.sending.limits import Limit
from pipeline.watching.samples import Sampler
from pipeline.watching.sight import Sight
from pipeline.watching.vitals import Vitals


class Paced:
    """A pace of which only its standing is looked at."""

    limit = Limit.SOURCE

    def standing(self) -> Any:
        return SimpleNamespace(limit=self.limit, max_in_flight=10)


def test_each_sample_is_of_its_own_time() -> None:
    """Counts are differences, quantiles of that time alone, and limits have their seconds."""
    vitals, pace = Vitals(clock=lambda: 0.0), Paced()
    sight = Sight()
    sampler = Sampler(vitals, sight, now=100.0)
    assert sampler.take(101.0, at=5.0)["limits"] == {}  # no pace yet

    sight.pace = pace  # type: ignore[assignment]  # all that is asked of it
    vitals.note(ChunkRead(source="a", records=10, rejected=0, share=None))
    vitals.note(RequestStarted(batch_id=1))
    vitals.note(RequestEnded(batch_id=1, status=201, seconds=0.2))
    vitals.note(RequestStarted(batch_id=2))
    vitals.note(BatchSettled(batch_id=1, outcome="accepted", contacts=10))
    sampler.look(102.0)
    pace.limit = Limit.RATE
    first = sampler.take(104.0, at=8.0)
    assert (first["at"], first["seconds"], first["read"], first["accepted"]) == (8.0, 3.0, 10, 10)
    assert (first["requests"], first["in_flight"], first["most"]) == ({"201": 1}, 1, 10)
    assert 0.15 < first["p50"] <= first["p99"] <= 0.2
    assert first["limits"] == {"source": 1.0, "rate": 2.0}

    second = sampler.take(105.0, at=9.0)
    assert (second["accepted"], second["requests"], second["p50"]) == (0, {}, None)
    assert second["limits"] == {"rate": 1.0}
