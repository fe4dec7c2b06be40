"""Which contacts of a key are not sent: decided once, exactly, whatever their number."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.source import Mark, Stage
from pipeline.mapping.contacts import Contacts
from pipeline.mapping.rules import Duplicates
from pipeline.settling import duplicates
from pipeline.settling.duplicates import Spill, drop, sifted
from tests.fakes.runs import begun, fingerprint, identity_of, rejection, resumed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.settling.store import JournalStore


def chunk(keys: Sequence[str], *, source: str = "a.csv", first: int = 1) -> Contacts:
    bodies = [orjson.dumps({"ContactKey": key, "Data": {"N": at}}) for at, key in enumerate(keys)]
    return Contacts.of(
        bodies,
        source=source,
        positions=range(first, first + len(keys)),
        keys=list(keys),
        rejected=[],
        mark=Mark(first + len(keys) - 1, 0),
    )


FILES = st.lists(st.lists(st.sampled_from("abcdef"), max_size=12), min_size=1, max_size=3)


@given(files=FILES, mode=st.sampled_from([Duplicates.FIRST, Duplicates.LAST]))
def test_one_of_each_key_is_kept(files: list[list[str]], mode: Duplicates) -> None:
    """The first or the last over all sources in their order; each other one names it."""
    places = [
        (f"{number}.csv", position, key)
        for number, keys in enumerate(files)
        for position, key in enumerate(keys, 1)
    ]
    ordered = places if mode is Duplicates.FIRST else places[::-1]
    kept: dict[str, tuple[str, int]] = {}
    for source, position, key in ordered:
        kept.setdefault(key, (source, position))

    with Spill() as spill:
        for number, keys in enumerate(files):
            half = len(keys) // 2
            spill.add(chunk(keys[:half], source=f"{number}.csv"))
            spill.add(chunk(keys[half:], source=f"{number}.csv", first=half + 1))

        found = dict(spill.dropped(mode))

    assert spill.contacts == len(places)
    assert found == {
        (source, position): kept[key]
        for source, position, key in places
        if kept[key] != (source, position)
    }


def test_equal_hashes_are_no_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all keys in one file, held in handfuls, only equal keys are the same contact."""
    monkeypatch.setattr(duplicates, "PARTS", 1)
    monkeypatch.setattr(duplicates, "HELD_CONTACTS", 3)
    with Spill() as spill:
        for first in range(1, 1_000, 10):
            spill.add(chunk([f"k{first + at}" for at in range(10)], first=first))

        spill.add(chunk(["k7"], first=1_001))
        assert list(spill.dropped(Duplicates.FIRST)) == [(("a.csv", 1_001), ("a.csv", 7))]


def test_decided_once_for_the_run(tmp_path: Path) -> None:
    """The journal keeps the decisions, under whatever names the sources have in a later leg."""
    sources = (fingerprint("a.csv"), fingerprint("b.csv"))
    with closing(begun(tmp_path, identity_of(*sources))) as store:
        store.catch_up()
        assert store.decisions.mode is None
        with Spill(tmp_path) as spill, store.transaction():
            spill.add(chunk(["x", "y", "x"]))
            spill.add(chunk(["y", "z"], source="b.csv"))
            assert store.decisions.decide(Duplicates.LAST, spill) == 2

    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]
    renamed = (fingerprint("c.csv", digest="digest of a.csv"), fingerprint("b.csv"))
    store, _ = resumed(tmp_path, identity_of(*renamed))
    with closing(store):
        assert store.decisions.mode == "last"
        left = sifted(chunk(["x", "y", "x"], source="c.csv"), store.decisions)
        assert (left.keys, list(left.positions)) == (["x"], [3])
        assert [(each.position, each.detail) for each in left.rejected] == [
            (1, "record 3 of c.csv has the same contact key, and is the one that is sent"),
            (2, "record 1 of b.csv has the same contact key, and is the one that is sent"),
        ]
        assert store.decisions.between("c.csv", 2, 2) == {2: ("b.csv", 1)}


def decide_and_die(store: JournalStore, directory: Path) -> None:
    with Spill(directory) as spill, store.transaction():
        spill.add(chunk(["x", "x"]))
        store.decisions.decide(Duplicates.FIRST, spill)
        raise KeyboardInterrupt


def test_a_crash_while_it_is_decided(tmp_path: Path) -> None:
    """Rolled back, nothing is decided: the next leg decides it anew."""
    with closing(begun(tmp_path, identity_of(fingerprint("a.csv")))) as store:
        store.catch_up()
        with pytest.raises(KeyboardInterrupt):
            decide_and_die(store, tmp_path)

        with store.transaction():
            assert store.decisions.mode is None


def test_what_is_left_is_byte_for_byte_what_it_was() -> None:
    """Contacts that are dropped cost the others nothing; the mark stays."""
    whole = chunk(["a", "b", "c", "d"])
    whole.rejected = [rejection(9, source="a.csv")]
    left = drop(whole, {2: ("a.csv", 1), 4: ("z.csv", 7)})
    assert left.keys == ["a", "c"]
    assert left.bodies == [whole.bodies[0], whole.bodies[2]]
    assert left.mark == whole.mark
    assert [each.position for each in left.rejected] == [2, 4, 9]
    first = left.rejected[0]
    assert (first.stage, first.reason) == (Stage.MAPPING, "duplicate_contact_key")
    assert (first.contact_key, orjson.dumps(first.record)) == ("b", whole.bodies[1])
    assert drop(whole, {}) is whole
