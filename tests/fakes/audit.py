"""The audit of a run: every place that tells of a contact, held against the simulator's own book.

A contact is known by its position in the one source of the run; `source` gives the key that stands
there, None where no contact can be made of it. Keys are unique.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from pipeline.settling.view import viewed
from tests.fakes.runs import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    Outcomes = dict[str, list[int]]

__all__ = ("audit", "settled_so_far")

NAMES = ("accepted", "rejected", "unknown")


def audit(run: Path, source: Mapping[int, str | None], said: Iterable[Mapping[str, Any]]) -> None:
    """Assert that a finished run told the truth about every contact, once, everywhere.

    `said` is what the simulator tells of each contact it took.
    """
    places = {key: position for position, key in source.items() if key is not None}
    told = _in_files(run, places)
    assert told == _in_journal(run)
    times = Counter(position for positions in told.values() for position in positions)
    assert times == Counter(source.keys()), "each contact has exactly one outcome"

    with viewed(run) as view:
        summary = view.summary().to_dict()

    assert json.loads((run / "summary.json").read_text()) == summary
    assert summary["state"] == "completed"
    assert {name: summary[name] for name in NAMES} == {name: len(told[name]) for name in NAMES}
    assert (summary["read"], summary["unprocessed"]) == (len(source), 0)

    taken = {places[line["contact_key"]]: line["taken"] for line in said}
    assert set(taken.values()) <= {1}, "a contact was taken twice"
    assert set(told["accepted"]) <= taken.keys(), "accepted, but never taken"
    assert not set(told["rejected"]) & taken.keys(), "rejected, but taken"
    assert taken.keys() <= set(told["accepted"]) | set(told["unknown"])


def settled_so_far(run: Path) -> Outcomes:
    """What the journal of a run that was killed says; the books balance at any moment."""
    with viewed(run) as view:
        summary = view.summary()

    told = _in_journal(run)
    assert summary.read >= summary.accepted + summary.rejected + summary.unknown
    return told


def _in_files(run: Path, places: Mapping[str, int]) -> Outcomes:
    accepted = []
    for line in lines_of(run, "accepted"):
        positions = [places[key] for key in line["contact_keys"]]
        assert (min(positions), max(positions)) == (line["first"], line["last"])
        accepted += positions

    failed = {name: lines_of(run, name) for name in NAMES[1:]}
    for line in (*failed["rejected"], *failed["unknown"]):
        position = line["position"]
        assert places.get(line["contact_key"], position) == position

    return {
        "accepted": sorted(accepted),
        **{name: sorted(line["position"] for line in lines) for name, lines in failed.items()},
    }


def _in_journal(run: Path) -> Outcomes:
    with viewed(run) as view:
        return {
            "accepted": sorted(contact.position for contact in view.accepted()),
            "rejected": sorted(row.position for row in view.failed("rejected")),
            "unknown": sorted(row.position for row in view.failed("unknown")),
        }
