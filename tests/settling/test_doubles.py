"""How many contacts have a key that another has before, however the keys lie in the file."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.settling import doubles, nameless
from pipeline.settling.doubles import KeyOrder, count_doubles, read_doubles
from tests.fakes.runs import ACCEPTED, UNHEARD, begun, settlement
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from pipeline.packing.batch import Batch
    from pipeline.sending.outcome import Outcome

KEYS = st.lists(st.text("abc", min_size=1, max_size=2), max_size=12)
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from([ACCEPTED, ACCEPTED, UNHEARD])
ORDERED = KEYS.map(lambda keys: sorted(set(keys)))


@settings(max_examples=60)  # each a journal on a disk
@given(keys=KEYS | ORDERED, data=st.data(), held=st.integers(1, 20))
def test_the_count(keys: list[str], data: st.DataObject, held: int) -> None:
    """As many as there are contacts more than keys, in whatever order batches are settled."""
    batches: list[Batch] = []
    at = 0
    while at < len(keys):
        size = data.draw(st.integers(1, 4))
        positions = range(at + 1, min(at + size, len(keys)) + 1)
        some = make_batch(len(batches) + 1, positions)
        batches.append(replace(some, keys=keys[at : at + size]))
        at += size

    with tempfile.TemporaryDirectory() as place, closing(begun(Path(place))) as store:
        store.catch_up()
        with store.transaction():
            for batch in data.draw(st.permutations(batches)):
                store.dispatched(batch, 1)
                outcome = data.draw(OUTCOMES)
                store.settle([settlement(batch, outcome)], [], {})

        with store.transaction(), patch.multiple(doubles, HELD_HASHES=held, MOST_FAILED=held // 2):
            assert count_doubles(store.connection, Path(place)) == len(keys) - len(set(keys))

        assert read_doubles(store.connection) == len(keys) - len(set(keys))


def test_ordered_keys_need_no_files(tmp_path: Path) -> None:
    """In the order of their keys contacts are compared with their neighbours alone."""
    with closing(begun(tmp_path)) as store:
        store.catch_up()
        with store.transaction():
            for number in (2, 1):
                batch = make_batch(number, range(number * 10, number * 10 + 5))
                store.dispatched(batch, 1)
                store.settle([settlement(batch)], [], {})

            with patch.object(nameless, "TemporaryFile", side_effect=AssertionError):
                assert count_doubles(store.connection, tmp_path) == 0


@settings(max_examples=60)  # each a journal on a disk
@given(keys=KEYS | ORDERED, data=st.data())
def test_a_count_that_begins_early(keys: list[str], data: st.DataObject) -> None:
    """What was looked at while batches were under way changes nothing of the count."""
    batches = [
        replace(make_batch(number, [number]), keys=[key]) for number, key in enumerate(keys, 1)
    ]
    order = KeyOrder()
    with tempfile.TemporaryDirectory() as place, closing(begun(Path(place))) as store:
        store.catch_up()
        with store.transaction(), patch.object(doubles, "BATCHES_AT_ONCE", 2):
            under_way: list[Batch] = []
            while batches or under_way:
                if data.draw(st.booleans()) and batches:
                    under_way.append(
                        batches.pop(data.draw(st.integers(0, min(1, len(batches) - 1))))
                    )
                    store.dispatched(under_way[-1], 1)
                elif under_way:
                    batch = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
                    store.settle([settlement(batch, data.draw(OUTCOMES))], [], {})

                if data.draw(st.booleans()):
                    order.look(store.connection)

            count = count_doubles(store.connection, Path(place), order)
            assert count == len(keys) - len(set(keys))


def test_what_was_compared_is_not_compared_again(tmp_path: Path) -> None:
    """Only what got its outcome since is read at the end, and what was passed over is noticed."""
    order, early = KeyOrder(), [make_batch(number, [number]) for number in range(1, 5)]
    with closing(begun(tmp_path)) as store:
        store.catch_up()
        with store.transaction():
            for batch in early:
                store.dispatched(batch, 1)

            for batch in early[:3]:
                store.settle([settlement(batch)], [], {})

            assert not order.look(store.connection)  # the fourth is under way
            store.settle([settlement(early[3])], [], {})
            store.connection.execute("UPDATE batch SET keys = 'none' WHERE batch_id <= 3")
            assert count_doubles(store.connection, tmp_path, order) == 0
