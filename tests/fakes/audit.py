"""The audit of a run: every place that tells of a contact, held against the simulator's own book.

A contact is known by its place: the name of a source, and the position in it. `stands` gives the
key at each place of a run's sources, None where no contact can be made, or one that is not sent
because another of its key is. Keys are unique otherwise.
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

    Place = tuple[str, int]
    Outcomes = dict[str, list[Place]]

__all__ = ("audit", "settled_so_far")

NAMES = ("accepted", "rejected", "unknown")


def audit(
    run: Path,
    stands: Mapping[Place, str | None],
    said: Iterable[Mapping[str, Any]],
    *,
    resent: bool = False,
) -> None:
    """Assert that a finished run told the truth about every contact, once, everywhere.

    `said` is what the simulator tells of each contact it took. `resent`: what was in doubt was
    sent again, and may have been taken more than once, whatever became of it in the end.
    """
    places = {key: place for place, key in stands.items() if key is not None}
    told = _in_files(run, places)
    assert told == _in_journal(run)
    times = Counter(place for settled in told.values() for place in settled)
    assert times == Counter(stands.keys()), "each contact has exactly one outcome"

    with viewed(run) as view:
        summary = view.summary().to_dict()

    assert json.loads((run / "summary.json").read_text()) == summary
    assert summary["state"] == "completed"
    assert {name: summary[name] for name in NAMES} == {name: len(told[name]) for name in NAMES}
    assert (summary["read"], summary["unprocessed"]) == (len(stands), 0)

    taken = {places[line["contact_key"]]: line["taken"] for line in said}
    assert set(told["accepted"]) <= taken.keys(), "accepted, but never taken"
    if not resent:
        assert set(taken.values()) <= {1}, "a contact was taken twice"
        assert not set(told["rejected"]) & taken.keys(), "rejected, but taken"
        assert taken.keys() <= set(told["accepted"]) | set(told["unknown"])


def settled_so_far(run: Path) -> Outcomes:
    """What the journal of a run that was killed says; the books balance at any moment."""
    with viewed(run) as view:
        summary = view.summary()

    told = _in_journal(run)
    assert summary.read >= summary.accepted + summary.rejected + summary.unknown
    return told


def _in_files(run: Path, places: Mapping[str, Place]) -> Outcomes:
    accepted = []
    for line in lines_of(run, "accepted"):
        settled = [places[key] for key in line["contact_keys"]]
        ends = ((line["source"], line["first"]), (line["source"], line["last"]))
        assert (min(settled), max(settled)) == ends
        accepted += settled

    failed = {name: lines_of(run, name) for name in NAMES[1:]}
    for line in (*failed["rejected"], *failed["unknown"]):
        place = (line["source"], line["position"])
        same_key = line["reason"] == "duplicate_contact_key"  # another place's key
        assert same_key or places.get(line["contact_key"], place) == place

    return {
        "accepted": sorted(accepted),
        **{
            name: sorted((line["source"], line["position"]) for line in lines)
            for name, lines in failed.items()
        },
    }


def _in_journal(run: Path) -> Outcomes:
    with viewed(run) as view:
        return {
            "accepted": sorted((one.source, one.position) for one in view.accepted()),
            "rejected": sorted((one.source, one.position) for one in view.failed("rejected")),
            "unknown": sorted((one.source, one.position) for one in view.failed("unknown")),
        }
