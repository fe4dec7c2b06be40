"""Splitting: a batch that is refused is halved until the contacts at fault stand alone."""

from __future__ import annotations

from math import log2
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events import BatchDispatched, BatchSplit
from tests.fakes.batches import BatchMaker
from tests.fakes.configs import write_contacts
from tests.fakes.injection import standing

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.packing.batch import Batch

WHOLE = 500


def bound(at_fault: int) -> float:
    """How many requests so many contacts at fault may cost, of a batch of five hundred."""
    return 3 * at_fault * log2(WHOLE)


@st.composite
def batches_at_fault(draw: st.DrawFn) -> tuple[int, frozenset[int]]:
    """How many contacts a batch has, and the positions of those at fault."""
    contacts = draw(st.integers(1, WHOLE))
    shapes = st.sampled_from(["any", "together", "spread"])
    count = draw(st.integers(1, min(contacts, draw(st.sampled_from([1, 3, 20, WHOLE])))))
    first = draw(st.integers(1, contacts - count + 1))
    match draw(shapes):
        case "together":
            return contacts, frozenset(range(first, first + count))
        case "spread":
            return contacts, frozenset(range(1, contacts + 1, max(1, contacts // count)))
        case _:
            chance = Random(draw(st.integers(0, 9_999)))
            return contacts, frozenset(chance.sample(range(1, contacts + 1), count))


@given(batches_at_fault())
def test_at_most_so_many_requests(given_batch: tuple[int, frozenset[int]]) -> None:
    """Those at fault are found, each alone; nobody else stands refused; 3 k log2(500) requests."""
    contacts, at_fault = given_batch
    maker = BatchMaker()
    pending: list[Batch] = [maker.make(contacts)]
    alone: list[int] = []
    accepted: list[int] = []
    requests = 0
    while pending:
        batch = pending.pop()
        requests += 1
        positions = [position for _, position in batch.places()]
        if at_fault.isdisjoint(positions):
            accepted += positions
        elif len(batch) == 1:
            alone += positions
        else:
            pending += maker.halve(batch)

    assert sorted(alone) == sorted(at_fault)
    assert sorted(accepted + alone) == list(range(1, contacts + 1))
    assert requests <= bound(len(at_fault))


@pytest.mark.parametrize("at_fault", [(250,), (1, 500), tuple(range(3, 500, 90))])
async def test_counted_by_the_server(at_fault: tuple[int, ...], tmp_path: Path) -> None:
    """The same against the simulator: each request is paced and journalled like any other."""
    write_contacts(tmp_path / "contacts.csv", range(1, WHOLE + 1))
    poison = tuple(f"C{number:05}" for number in at_fault)
    sections = {"batch": {"max_records": WHOLE}, "delivery": {"requests_per_second": 120.0}}
    async with standing(tmp_path, sections=sections, poison_keys=poison) as stand:
        injected = await stand.inject()
        traffic = stand.cloud.summary()["requests"]
        stand.audit({number: f"C{number:05}" for number in range(1, WHOLE + 1)})

    assert injected.counts[1:] == (WHOLE - len(at_fault), len(at_fault), 0, 0)
    assert {line["contact_key"] for line in injected.lines("rejected")} == set(poison)
    assert traffic["requests"] == injected.summary["requests"] <= bound(len(at_fault))
    assert len(injected.seen(BatchDispatched)) == traffic["requests"]
    splits = traffic["by_status"]["400"] - len(at_fault)
    assert len(injected.seen(BatchSplit)) == splits
    assert traffic["busiest_second"] <= 126
