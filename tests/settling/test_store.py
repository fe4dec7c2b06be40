"""The journal's core, killed at any point between operations and within them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.errors import ConservationError, RunDirectoryError
from pipeline.intake.ranges import Ranges
from pipeline.settling import books, schema
from pipeline.settling.contacts import outcome_name
from pipeline.settling.opening import Leftovers, replay
from pipeline.settling.retrying import RetryOrder
from pipeline.settling.state import RunState
from pipeline.settling.tally import Counters
from pipeline.settling.view import viewed
from tests.fakes.runs import (
    ACCEPTED,
    REFUSED,
    UNHEARD,
    begun,
    fingerprint,
    identity_of,
    lines_of,
    mark,
    read_away,
    rejection,
    resumed,
    settlement,
    survivors,
)
from tests.fakes.sealed import key_of, make_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.packing.batch import Batch
    from pipeline.sending.outcome import Outcome
    from pipeline.settling.store import JournalStore

SOURCES = ("a.csv", "b.csv")
IDENTITY = identity_of(*(fingerprint(name) for name in SOURCES))
NAMES = ("accepted", "rejected", "unknown")
MEMORY = Path("/dev/shm")  # many thousand commits, none of which need outlive the machine
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from([ACCEPTED, REFUSED, UNHEARD])
Place = tuple[str, int]


class Journalled(RuleBasedStateMachine):
    """Drives a store as a run would, and kills it: what was committed is there, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        self.legs = 0
        self.directory = self.root / "0"
        self.directory.mkdir()
        self.read = dict.fromkeys(SOURCES, 0)
        self.sealed: list[Batch] = []
        self.in_flight: list[Batch] = []
        self.outcomes: dict[Place, str] = {}
        self.accepted_batches: dict[int, list[Place]] = {}
        self.next_batch_id = 1

    @initialize()
    def begin(self) -> None:
        self.store = begun(self.directory, IDENTITY)

    def teardown(self) -> None:
        self.kill(0, 0.0)
        self.store.close()
        self.check_files()
        shutil.rmtree(self.root)

    def seal(self, places: dict[str, list[int]]) -> Batch:
        self.next_batch_id += 1
        return make_batch(self.next_batch_id, dict(places))

    @rule(source=st.sampled_from(SOURCES), size=st.integers(1, 6), other=st.booleans())
    def read_on(self, source: str, size: int, other: bool) -> None:  # noqa: FBT001 # drawn
        """Seal the next records, of both sources where `other`."""
        names = SOURCES if other else (source,)
        spans = {name: range(self.read[name] + 1, self.read[name] + size + 1) for name in names}
        for name in names:
            self.read[name] += size

        self.sealed.append(self.seal({name: list(positions) for name, positions in spans.items()}))
        with self.store.transaction():
            self.store.settle((), (), {name: mark(self.read[name]) for name in names})

    @rule(source=st.sampled_from(SOURCES), count=st.integers(1, 3))
    def reject_on_reading(self, source: str, count: int) -> None:
        positions = range(self.read[source] + 1, self.read[source] + count + 1)
        self.read[source] += count
        with self.store.transaction():
            rejections = [rejection(position, source) for position in positions]
            self.store.settle((), rejections, {source: mark(self.read[source])})

        self.outcomes.update({(source, position): "rejected" for position in positions})

    @precondition(lambda self: self.sealed)
    @rule(count=st.integers(1, 3))
    def dispatch(self, count: int) -> None:
        """One transaction carries several dispatches."""
        group, self.sealed = self.sealed[:count], self.sealed[count:]
        with self.store.transaction():
            for batch in group:
                self.store.dispatched(batch, 1)

        self.in_flight += group

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        batch = self.take(data)
        with self.store.transaction():
            self.store.returned(batch)

        self.sealed.append(batch)

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def attempt_again(self, data: st.DataObject) -> None:
        batch = self.take(data)
        with self.store.transaction():
            self.store.dispatched(batch, 2)

        self.in_flight.append(batch)

    @precondition(lambda self: any(len(batch) > 1 for batch in self.in_flight))
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        batch = self.take(data, at_least=2)
        halves = self.halves(batch)
        with self.store.transaction():
            self.store.split(batch, halves)

        self.sealed += halves

    @precondition(lambda self: any(len(batch) > 1 for batch in self.in_flight))
    @rule(data=st.data())
    def judge(self, data: st.DataObject) -> None:
        """A verdict a contact: the parts are in flight until each has its outcome."""
        batch = self.take(data, at_least=2)
        parts = self.halves(batch)
        with self.store.transaction():
            self.store.judged(batch, parts, 1)

        self.in_flight += parts

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), count=st.integers(1, 3))
    def settle(self, data: st.DataObject, count: int) -> None:
        """One transaction settles several batches, each its own way."""
        batches = [self.take(data) for _ in range(min(count, len(self.in_flight)))]
        outcomes = [data.draw(OUTCOMES) for _ in batches]
        pairs = list(zip(batches, outcomes, strict=True))
        with self.store.transaction():
            self.store.settle([settlement(batch, outcome) for batch, outcome in pairs], (), {})

        for batch, outcome in pairs:
            self.outcomes.update(dict.fromkeys(batch.places(), outcome_name(outcome)))
            if outcome is ACCEPTED:
                self.accepted_batches[batch.batch_id] = batch.places()

    @precondition(lambda self: self.outcomes)
    @rule(data=st.data())
    def settle_twice(self, data: st.DataObject) -> None:
        """A second outcome is refused, and takes what came with it along."""
        source, position = data.draw(st.sampled_from(sorted(self.outcomes)))
        if self.outcomes[source, position] == "accepted":
            return  # the checkpoint refuses that; the tables do not look into spans

        with pytest.raises(ConservationError), self.store.transaction():
            self.store.settle((), [rejection(10**6, source), rejection(position, source)], {})

    @rule(operations=st.integers(0, 3), share=st.floats(0, 1))
    def kill(self, operations: int, share: float) -> None:
        """The process dies within a transaction, or before its lines were all appended."""
        query = "SELECT name, bytes FROM result_file"
        remembered = dict(self.store.connection.execute(query).fetchall())
        after = self.root / f"{self.legs + 1}"
        with contextlib.suppress(_Killed), self.store.transaction():
            for batch in (self.sealed + self.in_flight)[:operations]:
                self.store.dispatched(batch, 9)
                self.store.settle([settlement(batch)], (), {})

            survivors(self.directory, after)
            raise _Killed

        self.store.connection.close()
        for name, least in remembered.items():
            with (after / f"{name}.ndjson").open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.truncate(least + int((size - least) * share))

        self.come_back(after)

    def come_back(self, directory: Path) -> None:
        leftovers = [place for batch in self.in_flight for place in batch.places()]
        self.outcomes.update(dict.fromkeys(leftovers, "unknown"))
        self.directory, self.legs = directory, self.legs + 1
        self.store, replayed = resumed(directory, IDENTITY)
        assert replayed.resumptions == self.legs
        assert replayed.leftover_batches == len(self.in_flight)
        assert replayed.leftover_contacts == len(leftovers)
        assert replayed.next_batch_id > max(self.accepted_batches, default=0)
        for source in SOURCES:
            done = Ranges((p, p) for name, p in self.outcomes if name == source)
            assert replayed.done[source] == done
            assert replayed.starts[source].position < done.first_missing()

        self.in_flight = []
        self.next_batch_id = replayed.next_batch_id
        self.sealed = [self.seal(self.spans(batch.places())) for batch in self.sealed]
        self.check_files()

    def check_files(self) -> None:
        """Every settlement has one line, whichever way it came into the file."""
        batches: dict[int, list[Place]] = {}
        for line in lines_of(self.directory, "accepted"):
            places = batches.setdefault(line["batch"], [])
            covered = [
                (line["source"], p)
                for p in range(line["first"], line["last"] + 1)
                if key_of(line["source"], p) in line["contact_keys"]
            ]
            assert len(covered) == len(line["contact_keys"])
            places += covered

        assert batches == self.accepted_batches
        for name in NAMES[1:]:
            lines = lines_of(self.directory, name)
            places = [(line["source"], line["position"]) for line in lines]
            assert sorted(places) == sorted(p for p, how in self.outcomes.items() if how == name)

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "store"):
            return

        counts = replay(self.store.connection).counts
        told = {name: list(self.outcomes.values()).count(name) for name in NAMES}
        assert (counts.accepted, counts.rejected, counts.unknown) == tuple(told.values())
        assert counts.read == sum(self.read.values())

    def take(self, data: st.DataObject, *, at_least: int = 1) -> Batch:
        fitting = [batch for batch in self.in_flight if len(batch) >= at_least]
        batch = data.draw(st.sampled_from(fitting))
        self.in_flight.remove(batch)
        return batch

    def halves(self, batch: Batch) -> list[Batch]:
        places = batch.places()
        middle = len(places) // 2
        return [self.seal(self.spans(places[:middle])), self.seal(self.spans(places[middle:]))]

    @staticmethod
    def spans(places: list[Place]) -> dict[str, list[int]]:
        names = dict.fromkeys(name for name, _ in places)
        return {name: [p for source, p in places if source == name] for name in names}


class _Killed(Exception):  # noqa: N818  # not an error: the end of a process
    pass


TestJournalled = Journalled.TestCase
TestJournalled.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JournalStore]:
    made = begun(tmp_path)
    yield made
    made.close()


def write(store: JournalStore, *works: Callable[[], object]) -> None:
    with store.transaction():
        for work in works:
            work()


def test_accepted_needs_a_dispatch(store: JournalStore) -> None:
    """What was never dispatched cannot have been accepted: the write-ahead law is the schema's."""
    with pytest.raises(ConservationError, match=r"batch 1 is accepted, but .* never dispatched"):
        write(store, lambda: store.settle([settlement(make_batch(1))], (), {}))


def test_refused_after_return(store: JournalStore) -> None:
    """A batch that was returned may still be settled as rejected: its attempts were spent."""
    batch = make_batch(1)
    write(store, lambda: store.dispatched(batch, 6))
    write(store, lambda: store.returned(batch))
    write(store, lambda: store.settle([settlement(batch, REFUSED, 6)], (), {}))
    assert store.summary().rejected == 3


def test_batch_settled_twice(store: JournalStore) -> None:
    """A batch has one outcome; the first stands."""
    batch = make_batch(1)
    write(store, lambda: store.dispatched(batch, 1))
    write(store, lambda: store.settle([settlement(batch)], (), {}))
    with pytest.raises(ConservationError, match="batch 1 is unknown, but it has an outcome"):
        write(store, lambda: store.settle([settlement(batch, UNHEARD)], (), {}))

    assert (store.summary().accepted, store.summary().unknown) == (3, 0)


def test_split_keeps_contacts(store: JournalStore) -> None:
    """Halves that do not carry the parent's contacts are a bug that is told, not written."""
    parent = make_batch(1, range(1, 5))
    write(store, lambda: store.dispatched(parent, 1))
    with pytest.raises(ConservationError, match=r"batch 1 of 4 contacts was split into 2 \+ 1"):
        write(store, lambda: store.split(parent, [make_batch(2, [1, 2]), make_batch(3, [3])]))


def test_failed_contact_as_sent(store: JournalStore, tmp_path: Path) -> None:
    """A contact that failed in delivery is written as it was sent, digit for digit."""
    batch = make_batch(7, [17])
    write(store, lambda: store.dispatched(batch, 1))
    write(store, lambda: store.settle([settlement(batch, UNHEARD, 2)], (), {}))
    assert lines_of(tmp_path, "unknown") == [
        {
            "contact_key": "c00000017",
            "source": "contacts.csv",
            "position": 17,
            "stage": "delivery",
            "reason": "timeout",
            "detail": "no answer in 60 s",
            "record": {"ContactKey": "c00000017", "Data": {"Email": "c00000017@x.y"}},
            "batch": 7,
            "attempt": 2,
        }
    ]


def test_rejected_line(store: JournalStore, tmp_path: Path) -> None:
    """A rejected record's line is the contract's, field for field."""
    write(store, lambda: store.settle((), [rejection(17)], {}))
    assert (tmp_path / "rejected.ndjson").read_text() == (
        '{"contact_key":null,"source":"contacts.csv","position":17,"stage":"mapping",'
        '"reason":"missing_contact_key","detail":"column customer_id is empty",'
        '"record":{"customer_id":""}}\n'
    )


def test_accepted_line(store: JournalStore, tmp_path: Path) -> None:
    """An accepted batch is a line, with the keys of its contacts."""
    batch = make_batch(7, [1, 2, 5])
    write(store, lambda: store.dispatched(batch, 1))
    write(store, lambda: store.settle([settlement(batch)], (), {}))
    assert (tmp_path / "accepted.ndjson").read_text() == (
        '{"batch":7,"event_instance_id":"instance-1","source":"contacts.csv","first":1,"last":5,'
        '"contact_keys":["c00000001","c00000002","c00000005"]}\n'
    )


@pytest.mark.parametrize(
    ("record", "written"),
    [
        ("a\ud800b", '"a\\\\ud800b"'),
        ({"id": 12345678901234567890123}, '{"id": 12345678901234567890123}'),
        ({"at": b"\xff"}, '{"at":"\\\\xff"}'),
        ({"n": "\x00"}, '{"n":"\\u0000"}'),
    ],
)
def test_any_record(store: JournalStore, tmp_path: Path, record: object, written: str) -> None:
    """Whatever made a record unfit to send, its rejection can be written."""
    odd = rejection(1, record=record, detail="lone \ud800", contact_key="k\ud800\x00")
    write(store, lambda: store.settle((), [odd], {}))
    (line,) = (tmp_path / "rejected.ndjson").read_text().splitlines()
    assert line.endswith(f'"record":{written}}}')
    assert lines_of(tmp_path, "rejected")[0]["contact_key"] == "k\\ud800\x00"


def test_read_by_what_was_dispatched(store: JournalStore) -> None:
    """A position that was dispatched was read, even if its mark was never written."""
    write(store, lambda: store.dispatched(make_batch(1, range(1, 501)), 1))
    assert store.summary().read == 500
    assert store.summary().unprocessed == 500


def test_resume_begins_at_a_mark(tmp_path: Path) -> None:
    """Reading goes on at the last mark before the first missing position."""
    store = begun(tmp_path)
    for position in range(10_000, 300_001, 10_000):
        write(store, partial(store.settle, (), (), read_away(position)))

    done = make_batch(1, range(1, 120_001))
    write(store, lambda: store.dispatched(done, 1))
    write(store, lambda: store.settle([settlement(done)], (), {}))
    store.close()
    store, replayed = resumed(tmp_path)
    assert replayed.starts["contacts.csv"] == mark(100_000)
    rest = make_batch(2, range(120_001, 300_001))
    write(store, lambda: store.dispatched(rest, 1))
    write(store, lambda: store.settle([settlement(rest)], (), {}))
    assert replay(store.connection).starts["contacts.csv"] == mark(300_000)
    (kept,) = store.connection.execute("SELECT count(*) FROM mark").fetchone()
    store.close()
    assert kept == 300_000 // books.MARK_EVERY


def test_mark_at_the_missing(store: JournalStore) -> None:
    """A mark behind the first missing position is no place to begin: that one would be left out."""
    write(store, partial(store.settle, (), (), read_away(50_000)))
    write(store, partial(store.settle, (), (), read_away(100_000)))
    done = make_batch(1, range(1, 100_000))
    write(store, lambda: store.dispatched(done, 1))
    write(store, lambda: store.settle([settlement(done)], (), {}))
    assert replay(store.connection).starts["contacts.csv"] == mark(50_000)


def test_nothing_kept_of_what_was_rolled_back(store: JournalStore) -> None:
    """After a transaction was rolled back, what it knew is forgotten with it."""
    write(store, lambda: store.settle((), [rejection(1)], {}))
    with pytest.raises(ConservationError):
        write(
            store,
            lambda: store.settle((), [rejection(60_000)], read_away(60_000)),
            lambda: store.settle((), [rejection(1)], {}),
        )

    assert store.summary().read == 1
    write(store, lambda: store.settle((), [rejection(60_000)], read_away(60_000)))
    assert store.summary().read == 60_000
    assert store.connection.execute("SELECT position FROM mark").fetchall() == [(60_000,)]
    assert store.connection.execute("SELECT seq FROM contact").fetchall() == [(1,), (2,)]


def test_nothing_to_mend_after_a_clean_end(tmp_path: Path) -> None:
    """A store that was closed remembers its files to the last byte."""
    store = begun(tmp_path)
    write(store, lambda: store.settle((), [rejection(1), rejection(2)], {}))
    store.close()
    with viewed(tmp_path) as view:
        query = "SELECT bytes, seq FROM result_file WHERE name = 'rejected'"
        remembered = view._connection.execute(query).fetchone()

    assert remembered == ((tmp_path / "rejected.ndjson").stat().st_size, 2)


def test_mark_without_offset(store: JournalStore) -> None:
    """A mark that no reading can start at counts as read, and is no place to begin."""
    write(store, lambda: store.settle((), (), {"contacts.csv": mark(50)}))
    nowhere = type(mark(1))(70, None)
    write(store, lambda: store.settle((), [rejection(p) for p in range(1, 71)], {}))
    write(store, lambda: store.settle((), (), {"contacts.csv": nowhere}))
    assert store.summary().read == 70
    assert replay(store.connection).starts["contacts.csv"] == mark(50)


def test_resend_leftovers(tmp_path: Path) -> None:
    """Where unknown contacts are to be sent again, a leftover is as if never dispatched."""
    store = begun(tmp_path)
    write(store, lambda: store.dispatched(make_batch(1), 1))
    left = survivors(tmp_path, tmp_path / "left")
    store.close()
    store, replayed = resumed(left, leftovers="resend")
    assert replayed.leftover_contacts == 3
    assert not replayed.done["contacts.csv"]
    assert store.summary().unprocessed == 3
    store.close()


def test_counters_survive(tmp_path: Path) -> None:
    """What the run has cost is written with each settlement, and carried over."""
    counters = Counters(requests=5, retries=1, tokens=1, seconds=2.5)
    store = begun(tmp_path)
    write(store, lambda: store.settle((), [rejection(1)], {}, counters=counters))
    left = survivors(tmp_path, tmp_path / "left")
    store.close()
    store, replayed = resumed(left)
    assert replayed.counters == counters
    assert store.summary().requests == 5
    store.close()


def test_renamed_source(tmp_path: Path) -> None:
    """A source is known by its content: outcomes go on under the name it has now."""
    store = begun(tmp_path, identity_of(fingerprint("a", digest="1"), fingerprint("b", digest="2")))
    write(store, lambda: store.settle((), [rejection(1, "a")], {}))
    store.close()
    swapped = identity_of(fingerprint("a", digest="2"), fingerprint("b", digest="1"))
    store, replayed = resumed(tmp_path, swapped)
    assert replayed.done == {"b": Ranges([(1, 1)]), "a": Ranges()}
    write(store, lambda: store.settle((), [rejection(1, "a")], {}))
    store.close()


@pytest.mark.parametrize("damage", ["gone", "short", "longer", "edited"])
def test_damaged_result_file(tmp_path: Path, damage: str) -> None:
    """A result file is mended from the journal, whatever was done to it."""
    store = begun(tmp_path)
    batch = make_batch(1)
    write(store, lambda: store.dispatched(batch, 1))
    write(store, lambda: store.settle([settlement(batch)], [rejection(4)], {}))
    store.close()
    whole = {name: (tmp_path / f"{name}.ndjson").read_bytes() for name in NAMES}
    for name in NAMES:
        file = tmp_path / f"{name}.ndjson"
        content = {
            "short": whole[name][:-5],
            "longer": whole[name] + b"more\n",
            "edited": whole[name].replace(b'"', b"'", 1),
        }
        file.unlink()
        if damage != "gone":
            file.write_bytes(content[damage])

    store, _ = resumed(tmp_path)
    store.close()
    assert {name: (tmp_path / f"{name}.ndjson").read_bytes() for name in NAMES} == whole


@pytest.mark.parametrize("damage", ["gone", "replaced", "short"])
def test_result_file_damaged_while_it_is_written(damage: str, tmp_path: Path) -> None:
    """What somebody does to a file of a run that goes on is mended at its end."""
    store = begun(tmp_path)
    write(store, lambda: store.settle((), [rejection(1)], {}))
    file = tmp_path / "rejected.ndjson"
    if damage == "short":
        os.truncate(file, 3)
    else:
        file.unlink()
        if damage == "replaced":
            file.write_text("mine\n")

    write(store, lambda: store.settle((), [rejection(2)], {}))
    store.close()
    assert [line["position"] for line in lines_of(tmp_path, "rejected")] == [1, 2]


def test_whole_result_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is not written again: resuming costs what is missing, no more."""
    store = begun(tmp_path)
    write(store, lambda: store.settle((), [rejection(1)], {}))
    store.close()
    with monkeypatch.context() as patched:
        patched.delattr("pipeline.settling.results.os.write")
        store, _ = resumed(tmp_path)

    write(store, lambda: store.settle((), [rejection(2)], {}))
    store.close()
    assert [line["position"] for line in lines_of(tmp_path, "rejected")] == [1, 2]


def test_retry_supersedes(tmp_path: Path) -> None:
    """A rejected contact whose retry is accepted moves over; the books balance throughout."""
    store = begun(tmp_path)
    first = make_batch(1)
    write(store, lambda: store.dispatched(first, 1))
    write(store, lambda: store.settle([settlement(first, REFUSED)], (), read_away(3)))
    write(store, lambda: store.begin_retry("rejected"))
    second = make_batch(2, [1, 3])
    write(store, lambda: store.dispatched(second, 2))
    write(store, lambda: store.settle([settlement(second, attempt=2)], (), {}))
    summary = store.summary()
    assert (summary.accepted, summary.rejected, summary.unprocessed) == (2, 1, 0)
    assert len(replay(store.connection).done["contacts.csv"]) == 3
    store.close()
    assert [line["position"] for line in lines_of(tmp_path, "rejected")] == [2]
    assert [line["batch"] for line in lines_of(tmp_path, "accepted")] == [2]


def test_retry_of_what_has_no_outcome(store: JournalStore) -> None:
    """A retry carries only contacts that failed."""
    write(store, lambda: store.begin_retry("rejected"))
    batch = make_batch(1)
    write(store, lambda: store.dispatched(batch, 1))
    with pytest.raises(ConservationError, match="sends 3 contacts again, but only 0 of them"):
        write(store, lambda: store.settle([settlement(batch)], (), {}))


def test_retry_killed(tmp_path: Path) -> None:
    """A retry that was in flight leaves its contacts unknown, whatever they were before."""
    store = begun(tmp_path)
    first = make_batch(1)
    write(store, lambda: store.dispatched(first, 1))
    write(store, lambda: store.settle([settlement(first, REFUSED)], (), read_away(3)))
    write(store, lambda: store.begin_retry("rejected"))
    write(store, lambda: store.dispatched(make_batch(2, [2]), 2))
    left = survivors(tmp_path, tmp_path / "left")
    store.close()
    store, replayed = resumed(left)
    assert (replayed.counts.rejected, replayed.counts.unknown) == (2, 1)
    store.close()
    assert [line["position"] for line in lines_of(left, "rejected")] == [1, 3]
    assert [line["position"] for line in lines_of(left, "unknown")] == [2]


def test_retry_goes_on(tmp_path: Path) -> None:
    """A retry that was killed goes on with whom it had not come to."""
    store = begun(tmp_path)
    first = make_batch(1)
    write(store, lambda: store.dispatched(first, 1))
    write(store, lambda: store.settle([settlement(first, REFUSED)], (), read_away(3)))
    write(store, lambda: store.begin_retry("rejected"))
    write(store, lambda: store.dispatched(make_batch(2, [2]), 1))
    left = survivors(tmp_path, tmp_path / "left")
    store.close()
    store, replayed = resumed(left, retry=RetryOrder(outcome="rejected"))
    assert replayed.retry is not None
    assert (replayed.retry.round, replayed.retry.continued) == (1, True)
    assert replayed.retry.wanted == {"contacts.csv": Ranges([(1, 1), (3, 3)])}
    assert replayed.done["contacts.csv"].gaps(5) == Ranges([(1, 1), (3, 3)])
    write(store, lambda: store.settle((), [rejection(1), rejection(3)], {}))
    write(store, lambda: store.ended(RunState.COMPLETED, exhausted=True))
    store.close()
    store, replayed = resumed(left, retry=RetryOrder(outcome="rejected"))
    assert replayed.retry is not None
    assert (replayed.retry.round, replayed.retry.continued) == (2, False)
    store.close()


@pytest.mark.parametrize(("leftovers", "contacts"), [(Leftovers.HOLD, 1), (Leftovers.RESEND, 2)])
def test_retry_killed_where_doubles_do_not_matter(
    leftovers: Leftovers, contacts: int, tmp_path: Path
) -> None:
    """With on_unknown = "resend" those who were in flight belong to whom a retry goes on with."""
    store = begun(tmp_path)
    write(store, lambda: store.settle((), [rejection(1), rejection(2)], read_away(3)))
    write(store, lambda: store.begin_retry("rejected"))
    write(store, lambda: store.dispatched(make_batch(1, [2]), 1))
    left = survivors(tmp_path, tmp_path / "left")
    store.close()
    store, replayed = resumed(left, retry=RetryOrder(outcome="rejected"), leftovers=leftovers)
    assert replayed.retry is not None
    assert (replayed.counts.rejected, replayed.counts.unknown) == (1, 1)
    assert replayed.retry.contacts == contacts
    store.close()


def retry(store: JournalStore, batch: Batch, outcome: Outcome) -> None:
    """A whole round, of contacts that were accepted and did not enter."""
    write(
        store,
        lambda: store.begin_retry("missing"),
        lambda: store.dispatched(batch, 1),
        lambda: store.settle([settlement(batch, outcome)], (), {}),
        lambda: store.ended(RunState.COMPLETED, exhausted=True),
    )


@pytest.mark.parametrize("outcome", [ACCEPTED, REFUSED, UNHEARD])
def test_retry_of_the_accepted(outcome: Outcome, tmp_path: Path) -> None:
    """An accepted contact that is sent again counts once, by what became of it last."""
    store = begun(tmp_path)
    first = make_batch(1)
    write(store, lambda: store.dispatched(first, 1))
    write(store, lambda: store.settle([settlement(first)], (), read_away(3)))
    retry(store, make_batch(2, [2]), ACCEPTED)
    retry(store, make_batch(3, [2]), outcome)
    counts = replay(store.connection).counts
    assert (counts.settled, counts.accepted) == (3, 3 if outcome is ACCEPTED else 2)
    store.close()
    with viewed(tmp_path) as view:
        accepted = {contact.position: contact.batch for contact in view.accepted()}

    assert accepted == {1: 1, 3: 1} | ({2: 3} if outcome is ACCEPTED else {})
    lines = {line["batch"]: line["contact_keys"] for line in lines_of(tmp_path, "accepted")}
    one, two, three = first.keys
    assert lines == {1: [one, three]} | ({3: [two]} if outcome is ACCEPTED else {})


def test_disk_full(store: JournalStore) -> None:
    """A full disk is an error that names the file; what was written before stands."""
    write(store, lambda: store.dispatched(make_batch(1), 1))
    (pages,) = store.connection.execute("PRAGMA page_count").fetchone()
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RunDirectoryError, match=r"journal\.db: database or disk is full"):
        write(store, lambda: store.dispatched(make_batch(2, range(4, 5000)), 1))

    assert store.connection.execute("SELECT batch_id FROM batch").fetchall() == [(1,)]


def test_the_log_shrinks_once_its_reader_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For whoever reads the log grows; a worker that lives for months keeps it small."""
    monkeypatch.setattr(schema, "LOG_BYTES", 1 << 20)
    store, log = begun(tmp_path), tmp_path / "journal.db-wal"
    batches = iter(
        make_batch(number, {"contacts.csv": range(4000 * number + 1, 4000 * number + 4001)})
        for number in range(1, 100)
    )

    def write(count: int) -> None:
        for _ in range(count):
            with store.transaction():
                store.dispatched(next(batches), 1)

    with viewed(tmp_path) as view:
        unsettled = view.accepted()
        assert next(unsettled, None) is None
        write(90)
        grown = log.stat().st_size

    write(5)
    assert log.stat().st_size < grown / 2
    store.close()
