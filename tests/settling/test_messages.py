"""Messages keep their positions, and are forgotten in time."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pipeline.intake.ranges import Ranges
from tests.fakes.batches import BatchMaker
from tests.fakes.runs import begun, lines_of, resumed

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.settling.store import JournalStore


@pytest.fixture
def source() -> str:
    return "contacts.csv"


def taken(store: JournalStore, source: str, *wanted: tuple[str, int]) -> list[tuple[int, bool]]:
    with store.transaction():
        some = [(identity, records, False) for identity, records in wanted]
        return [(each.first, each.known) for each in store.messages.take(source, some)]


def test_a_message_keeps_its_positions(tmp_path: Path, source: str) -> None:
    """Positions count on over messages, and what comes again has those it had, in any process."""
    store = begun(tmp_path)
    assert taken(store, source, ("a", 3), ("b", 1)) == [(1, False), (4, False)]
    assert taken(store, source, ("b", 1), ("c", 2), ("a", 3)) == [(4, True), (5, False), (1, True)]
    with store.transaction():
        assert store.summary().read == 6

    store.close()
    store, replay = resumed(tmp_path)
    assert replay.counts.read == 6
    assert taken(store, source, ("c", 2), ("d", 1)) == [(5, True), (7, False)]
    store.close()


def test_a_message_keeps_its_doubt(tmp_path: Path, source: str) -> None:
    """Whatever the queue says of it later, in any process."""
    store = begun(tmp_path)
    with store.transaction():
        first = store.messages.take(source, [("mine", 1, False), ("another's", 1, True)])

    store.close()
    store, _ = resumed(tmp_path)
    with store.transaction():
        again = store.messages.take(source, [("mine", 1, True), ("another's", 1, False)])

    store.close()
    assert [each.doubt for each in first] == [each.doubt for each in again] == [False, True]


def test_what_is_rolled_back_was_not_taken(tmp_path: Path, source: str) -> None:
    """A transaction that fails leaves neither a message nor its positions."""
    store = begun(tmp_path)
    with suppress(ZeroDivisionError), store.transaction():
        store.messages.take(source, [("a", 3, False)])
        raise ZeroDivisionError

    assert taken(store, source, ("b", 2)) == [(1, False)]
    store.close()


def test_a_message_is_forgotten_in_time(tmp_path: Path, source: str) -> None:
    """Once acknowledged, after what it is to be remembered; never before it is acknowledged."""
    now = [1_000_000.0]
    store = begun(tmp_path)
    store.messages._clock = lambda: now[0]
    taken(store, source, ("a", 1), ("b", 1))
    with store.transaction():
        store.messages.acknowledged(source, ["a"])

    def known() -> list[str]:
        with store.transaction():
            assert not store.messages.forget(remember_seconds=900.0)

        rows = store.connection.execute("SELECT identity FROM message ORDER BY 1").fetchall()
        return [identity for (identity,) in rows]

    now[0] += 900.0
    assert known() == ["a", "b"]
    now[0] += 1.0
    assert known() == ["b"]
    assert taken(store, source, ("b", 1), ("a", 1)) == [(2, True), (3, False)]
    now[0] += 15 * 86_400.0
    assert known() == []
    store.close()


def test_messages_are_forgotten_a_few_at_a_time(tmp_path: Path, source: str) -> None:
    """Whoever waits for the transaction waits for some of them, and all are come by."""
    now = [1_000_000.0]
    store = begun(tmp_path)
    store.messages._clock = lambda: now[0]
    taken(store, source, *((f"{number:02}", 1) for number in range(25)))
    with store.transaction():
        store.messages.acknowledged(source, [f"{number:02}" for number in range(0, 25, 2)])

    now[0] += 901.0
    left, more = [], True
    while more:
        with store.transaction():
            more = store.messages.forget(remember_seconds=900.0, most=10)

        left += store.connection.execute("SELECT count(*) FROM message").fetchone()

    assert left == [20, 15, 12]
    store.close()


def test_messages_without_a_name_are_those_that_are_missed(tmp_path: Path, source: str) -> None:
    """Of what holds the same, those that were not acknowledged, in the order they came."""
    store = begun(tmp_path)
    taken(store, source, ("d1.x", 1), ("d1.y", 1), ("d1", 1), ("d2.z", 1))
    with store.transaction():
        store.messages.acknowledged(source, ["d1.x"])
        assert store.messages.missed(source, "d1") == ["d1.y"]

    store.close()


def test_the_record_of_an_interrupted_contact_is_completed(tmp_path: Path, source: str) -> None:
    """What was in flight when a process died comes again, and is written down then."""
    store, batches = begun(tmp_path), BatchMaker()
    taken(store, source, ("a", 2))
    with store.transaction():
        store.dispatched(batches.make(2), 1)

    store.close()
    store, replay = resumed(tmp_path)
    assert replay.counts.unknown == 2
    with store.transaction():
        store.messages.complete(source, [(1, '{"ContactKey":"x"}'), (9, "{}")])

    store.close()
    records = [line["record"] for line in lines_of(tmp_path, "unknown")]
    assert records == [{"ContactKey": "x"}, None]


def test_what_is_let_go_is_told_until_it_comes_again(tmp_path: Path, source: str) -> None:
    """It is a part of what is unprocessed; a run of no queue tells nothing of it."""
    store = begun(tmp_path)
    with store.transaction():
        assert "let_go" not in store.summary().to_dict()

    taken(store, source, ("a", 3), ("b", 2), ("c", 1))
    with store.transaction():
        assert store.summary().to_dict()["let_go"] == 0
        store.messages.let_go(source, [("a", 2), ("b", 2)])
        told = store.summary()

    assert (told.read, told.unprocessed, told.let_go) == (6, 6, 4)
    taken(store, source, ("a", 3))
    with store.transaction():
        assert store.summary().let_go == 2


def test_a_process_begins_with_nothing_that_it_holds(tmp_path: Path, source: str) -> None:
    """What was not acknowledged is whoever's the queue gives it to, but for what has an outcome."""
    store = begun(tmp_path)
    taken(store, source, ("a", 3), ("b", 2), ("c", 1))
    with store.transaction():
        store.messages.acknowledged(source, ["c"])
        store.messages.begin(source, Ranges([(1, 1), (6, 6)]))
        assert store.summary().let_go == 4
        store.messages.begin(source, Ranges([(1, 3), (6, 6)]))
        assert store.summary().let_go == 2
