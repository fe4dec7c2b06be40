from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.source import Mark
from pipeline.mapping.contacts import Contacts
from pipeline.packing.batch import Batch, Trigger
from pipeline.packing.batcher import Batcher, BatchPolicy
from pipeline.packing.payload import Envelope, halve, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENVELOPE = Envelope.experimental('APIEvent-ä"b')


def contacts(
    texts: Sequence[str], *, first: int = 1, source: str = "a.csv", step: int = 1
) -> Contacts:
    keys = [f"k{first + index * step}" for index in range(len(texts))]
    bodies = [
        orjson.dumps({"ContactKey": key, "Data": {"Text": text}})
        for key, text in zip(keys, texts, strict=True)
    ]
    return Contacts.of(
        bodies,
        source=source,
        positions=range(first, first + len(texts) * step, step),
        keys=keys,
        rejected=[],
        mark=Mark(first + len(texts) - 1, 0),
    )


def batcher(
    *, max_records: int = 500, max_bytes: int = 4_000_000, linger_seconds: float = 1.0
) -> Batcher:
    policy = BatchPolicy(
        max_records=max_records, max_bytes=max_bytes, linger_seconds=linger_seconds
    )
    return Batcher(policy, envelope=ENVELOPE, next_id=count(1).__next__)


def assert_well_formed(batch: Batch) -> None:
    payload = orjson.loads(batch.payload)
    assert payload["EventDefinitionKey"] == 'APIEvent-ä"b'
    assert payload["BatchId"] == ""
    assert payload["RecordCount"] == len(batch) == len(payload["BatchDetails"])
    assert [detail["ContactKey"] for detail in payload["BatchDetails"]] == list(batch.keys)
    assert [orjson.loads(batch.body(i)) for i in range(len(batch))] == payload["BatchDetails"]
    assert len(batch.places()) == len(batch)


def test_seals_by_count() -> None:
    """A batch is sealed the moment it holds max_records, and the rest waits."""
    gathering = batcher(max_records=3)
    sealed = gathering.add(contacts(["x"] * 7), now=0.0)
    assert [(len(batch), batch.trigger) for batch in sealed] == [(3, Trigger.COUNT)] * 2
    assert len(gathering) == 1
    assert [batch.batch_id for batch in sealed] == [1, 2]


def test_seals_by_bytes_before_the_contact_that_would_not_fit() -> None:
    """No payload ever exceeds max_bytes: the check comes before the contact is added."""
    gathering = batcher(max_bytes=1_000)
    sealed = gathering.add(contacts(["y" * 300] * 5), now=0.0)
    sealed += gathering.flush(Trigger.DRAIN)
    assert [len(batch) for batch in sealed] == [2, 2, 1]
    assert [batch.trigger for batch in sealed] == [Trigger.BYTES, Trigger.BYTES, Trigger.DRAIN]
    assert all(len(batch.payload) <= 1_000 for batch in sealed)


def test_what_is_not_sent_is_kept_apart_from_what_is() -> None:
    """In batches no larger than others, whatever is being gathered."""
    gathering = batcher(max_records=3)
    gathering.add(contacts(["x"] * 2), now=0.0)
    aside = gathering.apart(contacts(["y"] * 7, first=11))
    assert [[position for _, position in batch.places()] for batch in aside] == [
        [11, 12, 13],
        [14, 15, 16],
        [17],
    ]
    assert len({batch.batch_id for batch in aside}) == 3
    assert len(gathering) == 2
    (sealed,) = gathering.add(contacts(["z"], first=20), now=0.0)
    assert [position for _, position in sealed.places()] == [1, 2, 20]
    assert not gathering.apart(contacts([], first=30))


def test_linger_counts_from_the_first_contact_of_the_batch() -> None:
    """`due` is the first contact's arrival plus linger, whatever arrives later."""
    gathering = batcher(linger_seconds=2.0)
    assert not gathering.due
    gathering.add(contacts(["x"]), now=10.0)
    gathering.add(contacts(["x"], first=2), now=11.5)
    assert gathering.due == 12.0
    (batch,) = gathering.flush(Trigger.LINGER)
    assert batch.trigger is Trigger.LINGER


def test_a_batch_begun_after_a_sealed_one_lingers_from_its_own_first_contact() -> None:
    """The rest of a chunk begins a new batch at that chunk's arrival."""
    gathering = batcher(max_records=2, linger_seconds=1.0)
    gathering.add(contacts(["x"]), now=5.0)
    gathering.add(contacts(["x"] * 2, first=2), now=5.5)
    assert gathering.due == 6.5


def test_a_contact_that_fits_no_payload_is_an_error_of_the_caller() -> None:
    """The mapper rejects such contacts; if one slips through it is not dropped in silence."""
    gathering = batcher(max_bytes=1_000)
    with pytest.raises(ValueError, match="fits no payload"):
        gathering.add(contacts(["z" * 2_000]), now=0.0)


def test_the_longest_contact_still_fits() -> None:
    """max_contact_bytes is exact: a contact of that size is sealed alone and within max_bytes."""
    gathering = batcher(max_bytes=1_000)
    frame = len(contacts([""]).bodies[0])
    sealed = gathering.add(contacts(["z" * (gathering.max_contact_bytes - frame)]), now=0.0)
    sealed += gathering.flush(Trigger.DRAIN)
    assert [len(batch) for batch in sealed] == [1]
    assert len(sealed[0].payload) <= 1_000


def test_a_batch_may_span_sources_and_names_each() -> None:
    """Small files share a batch; every contact keeps its own source and position."""
    gathering = batcher()
    gathering.add(contacts(["x"] * 2, source="a.csv"), now=0.0)
    gathering.add(contacts(["x"], source="b.csv", first=9), now=0.0)
    (batch,) = gathering.flush(Trigger.DRAIN)
    assert batch.places() == [("a.csv", 1), ("a.csv", 2), ("b.csv", 9)]


@given(
    chunks=st.lists(st.lists(st.text(max_size=120), max_size=20), max_size=12),
    max_records=st.integers(1, 9),
    max_bytes=st.integers(1_000, 4_000),
)
def test_every_contact_is_in_exactly_one_batch_in_order(
    chunks: list[list[str]], max_records: int, max_bytes: int
) -> None:
    """Whatever the sizes: order kept, nothing lost or doubled, both limits obeyed."""
    gathering = batcher(max_records=max_records, max_bytes=max_bytes)
    sealed: list[Batch] = []
    sent: list[tuple[str, int]] = []
    first = 1
    for texts in chunks:
        chunk = contacts(texts, first=first)
        sealed += gathering.add(chunk, now=0.0)
        sent += [("a.csv", position) for position in chunk.positions]
        first += len(texts)

    sealed += gathering.flush(Trigger.DRAIN)
    assert [place for batch in sealed for place in batch.places()] == sent
    assert [batch.batch_id for batch in sealed] == list(range(1, len(sealed) + 1))
    for batch in sealed:
        assert_well_formed(batch)
        assert 1 <= len(batch) <= max_records
        assert len(batch.payload) <= max_bytes


@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6), text=st.text(max_size=20))
def test_halves_hold_the_same_contacts_byte_for_byte(sizes: list[int], text: str) -> None:
    """Halving down to single contacts loses, doubles and changes nothing."""
    gathering = batcher()
    first = 1
    for number, size in enumerate(sizes):
        gathering.add(contacts([text] * size, first=first, source=f"{number}.csv", step=2), now=0.0)
        first += 2 * size

    (whole,) = gathering.flush(Trigger.DRAIN)
    ids = count(100)
    waiting, singles = [whole], []
    while waiting:
        batch = waiting.pop(0)
        assert_well_formed(batch)
        if len(batch) == 1:
            singles.append(batch)
            continue

        halves = halve(batch, batch_ids=(next(ids), next(ids)), envelope=ENVELOPE)
        assert all(half.trigger is Trigger.SPLIT for half in halves)
        assert abs(len(halves[0]) - len(halves[1])) <= 1
        waiting = [*halves, *waiting]

    assert [batch.body(0) for batch in singles] == [whole.body(i) for i in range(len(whole))]
    assert [batch.places()[0] for batch in singles] == whole.places()


def test_a_single_contact_has_no_halves() -> None:
    """Splitting ends at one contact, loudly."""
    gathering = batcher()
    gathering.add(contacts(["x"]), now=0.0)
    (batch,) = gathering.flush(Trigger.DRAIN)
    with pytest.raises(ValueError, match="no halves"):
        halve(batch, batch_ids=(1, 2), envelope=ENVELOPE)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_records", 0), ("max_bytes", 10), ("linger_seconds", -1.0), ("linger_seconds", 1e9)],
)
def test_a_policy_out_of_bounds_names_its_field(field: str, value: float) -> None:
    """A limit that makes no sense is refused by name."""
    with pytest.raises(ValueError, match=field):
        BatchPolicy(**{field: value})  # type: ignore[arg-type]


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    parts=st.lists(st.integers(0, 3), min_size=30, max_size=30),
)
def test_picked_contacts_hold_the_same_contacts_byte_for_byte(
    sizes: list[int], parts: list[int]
) -> None:
    """Taken apart by any rule, a batch loses, doubles and changes nothing."""
    gathering = batcher()
    first = 1
    for number, size in enumerate(sizes):
        gathering.add(contacts(["x"] * size, first=first, source=f"{number}.csv", step=2), now=0.0)
        first += 2 * size

    (whole,) = gathering.flush(Trigger.DRAIN)
    found: list[tuple[tuple[str, int], str, bytes]] = []
    for part in range(4):
        indices = [index for index in range(len(whole)) if parts[index] == part]
        if not indices:
            continue

        batch = pick(whole, indices, batch_id=100 + part, envelope=ENVELOPE)
        assert_well_formed(batch)
        bodies = [batch.body(index) for index in range(len(batch))]
        assert bodies == [*batch.bodies()]
        found += zip(batch.places(), batch.keys, bodies, strict=True)

    bodies = [whole.body(index) for index in range(len(whole))]
    assert sorted(found) == sorted(zip(whole.places(), whole.keys, bodies, strict=True))


@pytest.mark.parametrize(
    ("envelope", "shape"),
    [
        (Envelope.members, '{"eventDefinitionKey":"A\\"1","members":[%s]}'),
        (Envelope.bare, "%s"),
    ],
)
def test_the_other_envelopes(envelope: Callable[[str], Envelope], shape: str) -> None:
    """What stands around the contacts of the documented endpoints."""
    gathering = Batcher(BatchPolicy(), envelope=envelope('A"1'), next_id=count(1).__next__)
    gathering.add(contacts(["x"]), now=0.0)
    (batch,) = gathering.flush(Trigger.DRAIN)
    assert batch.payload == (shape % batch.body(0).decode()).encode()
