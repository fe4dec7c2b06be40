"""What is in a message, what is held of it, and where a queue lies: without any broker."""

from __future__ import annotations

import asyncio
import math
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.intake.queues import nats_jetstream, redis_entries, sqs
from pipeline.intake.queues.amqp import AmqpQueue, _Burst
from pipeline.intake.queues.bodies import Body, parse_body
from pipeline.intake.queues.custody import Custody
from pipeline.intake.queues.gathered import Gathered
from pipeline.intake.queues.kafka_offsets import Offsets, message_of
from pipeline.intake.queues.message import Message, known_as
from pipeline.intake.queues.place import is_queue, place_of
from pipeline.intake.queues.rounds import Rounds
from pipeline.intake.source import SourcePolicy

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random


def body(raw: bytes) -> Body:
    return parse_body(raw, source="queue", identity="7-0")


@pytest.mark.parametrize(
    ("raw", "records"),
    [
        (b'{"a": 1}', [{"a": 1}]),
        (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
        (b'{"a": 1}\n{"a": 2}\r\n\n', [{"a": 1}, {"a": 2}]),
        (b'{\n  "a": 1\n}', [{"a": 1}]),
        (b"[]", []),
        (b'{"a": 12345678901234567890123}', [{"a": 12345678901234567890123}]),
        (b' [ {"a": 12345678901234567890123} ] ', [{"a": 12345678901234567890123}]),
    ],
)
def test_a_message_is_one_contact_or_many(raw: bytes, records: list[object]) -> None:
    """An object, an array of them, or one a line, however it is written."""
    parsed = body(raw)
    assert (parsed.records, parsed.count, parsed.rejected) == (records, len(records), [])
    assert list(parsed.places) == list(range(1, len(records) + 1))


@pytest.mark.parametrize(
    ("raw", "reason", "text"),
    [
        (b"{broken", "malformed_json", "{broken"),
        (b"", "malformed_json", ""),
        (b"\xff\xfe", "invalid_encoding", "\\xff\\xfe"),
        (b'"text"', "not_an_object", '"text"'),
        (b"[1, 2", "malformed_json", "[1, 2"),
        (b'{\n"a": 1,\n"b"', "malformed_json", '{\n"a": 1,\n"b"'),
    ],
)
def test_poison_is_one_rejected_record_as_it_was(raw: bytes, reason: str, text: str) -> None:
    """What holds no record at all takes one position, and keeps its raw text."""
    parsed = body(raw)
    (rejected,) = parsed.rejected_at(40)
    assert (parsed.count, parsed.records) == (1, [])
    assert (rejected.position, rejected.reason, rejected.record) == (40, reason, text)
    assert rejected.detail.startswith("message 7-0 ")


@pytest.mark.parametrize("raw", [b'[{"a": 1}, 5, {"a": 3}]', b'{"a": 1}\n5\n{"a": 3}'])
def test_a_bad_member_costs_one_contact(raw: bytes) -> None:
    """The others are sent, and it is told which of the message's records it is."""
    parsed = body(raw)
    gathered = Gathered()
    gathered.add(parsed, 11)
    assert (gathered.positions, gathered.records) == ([11, 13], [{"a": 1}, {"a": 3}])
    (rejected,) = gathered.rejected
    assert (rejected.position, rejected.reason, rejected.record) == (12, "not_an_object", "5")
    assert rejected.detail.startswith("message 7-0, record 2 ")
    chunk = gathered.chunk("queue")
    assert (chunk.mark.position, chunk.mark.offset) == (13, None)
    wanted = Gathered()
    wanted.add(parsed, 11, wanted={13})
    assert (wanted.positions, wanted.rejected) == ([13], [])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.randoms())
def test_a_message_is_done_when_its_last_position_is(sizes: list[int], chance: Random) -> None:
    """Whatever order positions are settled in: each message once, none too early."""
    custody, first, spans = Custody(), 1, {}
    for number, size in enumerate(sizes):
        message = Message(identity=str(number), body=b"", handle=number)
        custody.hold(message, first=first, records=size, left=size)
        spans[str(number)] = range(first, first + size)
        first += size

    done = [each.identity for each in custody.take_done()]
    assert done == [name for name, span in spans.items() if not span]
    positions = list(range(1, first))
    chance.shuffle(positions)
    settled: set[int] = set()
    for position in positions:
        custody.settle(position, position)
        settled.add(position)
        done += [each.identity for each in custody.take_done()]
        assert set(done) == {name for name, span in spans.items() if settled.issuperset(span)}

    assert sorted(done) == sorted(spans)
    assert (len(custody), custody.done) == (0, False)


def test_custody_settles_a_stretch_over_several_messages() -> None:
    """A batch's span may begin in one message and end in another."""
    custody = Custody()
    for first in (1, 11, 21):
        message = Message(identity=f"m{first}", body=b"", handle=first)
        custody.hold(message, first=first, records=10, left=10)

    custody.settle(5, 24)
    assert [each.identity for each in custody.take_done()] == ["m11"]
    custody.settle(1, 4)
    custody.settle(25, 30)
    assert [each.identity for each in custody.take_done()] == ["m1", "m21"]


def test_every_delivery_of_a_message_is_acknowledged() -> None:
    """What comes again while it is held is done with together; the same delivery counts once."""
    custody = Custody()
    for handle in ("first", "second"):
        message = Message(identity="m", body=b"", handle=handle)
        if "m" in custody:
            custody.renew(message)
            custody.renew(message)
        else:
            custody.hold(message, first=1, records=2, left=1)

    custody.settle(2, 2)
    done = custody.take_done()
    assert [each.handle for each in done] == ["first", "second"]
    custody.put_back(done)
    assert custody.done
    assert "m" not in custody


def test_custody_knows_by_which_line_a_message_came() -> None:
    """The numbers of deliveries begin again with each line: those of two are two."""
    custody = Custody()
    custody.hold(Message(identity="m", body=b"", line=1, handle=7), first=1, records=1, left=1)
    assert custody.came_by("m", 1)
    assert not custody.came_by("m", 2)
    custody.renew(Message(identity="m", body=b"", line=2, handle=7))
    assert custody.came_by("m", 2)
    custody.settle(1, 1)
    assert [each.line for each in custody.take_done()] == [1, 2]


def test_custody_knows_what_without_a_name_it_expects() -> None:
    """By what it holds, until it has positions; and as fast among thousands: each that is taken is
    looked for."""

    def unnamed(digest: str, number: int) -> Message:
        return Message(identity=f"{digest}.{number}", body=b"", anonymous=True)

    custody = Custody()
    custody.expect(unnamed("a", 1))
    custody.expect(unnamed("a", 2))
    custody.expect(Message(identity="a.named", body=b""))
    assert [*custody.expected("a")] == ["a.1", "a.2"]
    custody.hold(unnamed("a", 1), first=1, records=1, left=1)
    assert [*custody.expected("a")] == ["a.2"]
    custody.hold(unnamed("a", 2), first=2, records=0, left=0)
    assert [*custody.expected("a")] == []
    many = 4_000
    for number in range(many):
        custody.expect(unnamed(f"{number}", number))

    began = time.process_time()
    found = [[*custody.expected(f"{number}")] for number in range(2 * many)]
    assert time.process_time() - began < 0.5
    assert found == [[f"{each}.{each}"] for each in range(many)] + [[]] * many
    custody.release(lambda *_: False)
    assert [*custody.expected("7")] == []


def test_kafka_knows_what_another_worker_took() -> None:
    """What lies before what another one took is in doubt; what this one took itself is not."""
    mine = Offsets.found("me", -1001, None)
    assert [mine.take(offset) for offset in (0, 1, 2, 4)] == [False] * 4
    mine.finish(1)
    assert (mine.low, mine.idle_but((), within=0)) == (0, False)
    mine.finish(0)
    assert (mine.low, mine.to) == (2, 5)
    again = Offsets.found("me", mine.low, mine.text)
    assert [again.take(offset) for offset in (2, 4, 5)] == [False] * 3
    other = Offsets.found("you", mine.low, mine.text)
    assert [other.take(offset) for offset in (2, 4, 5)] == [True, True, False]
    # It died before it wrote down anything: what was in doubt before stays so.
    same = Offsets.found("you", other.low, other.text)
    assert [same.take(offset) for offset in (2, 4, 5)] == [True, True, False]
    for offset in (2, 4, 5):
        same.finish(offset)

    assert (same.low, same.idle_but((), within=0)) == (6, True)


@pytest.mark.parametrize("worker", ["me", "you"])
def test_kafka_commits_no_further_than_it_received(worker: str) -> None:
    """What the worker before took, and this one has not received yet, comes again."""
    before = Offsets.found("me", 900, None)
    for offset in range(900, 1200):
        before.take(offset)

    mine = Offsets.found(worker, before.low, before.text)
    for offset in range(900, 950):
        mine.take(offset)

    for offset in range(900, 950):
        mine.finish(offset)
        assert mine.low == offset + 1

    assert (mine.idle_but((), within=0), mine.to) == (True, 1200)
    mine.finish(1_100)  # taken before the assignment, and done with after it
    assert mine.low == 950
    following = Offsets.found("third", mine.low, mine.text)
    assert [following.take(offset) for offset in (950, 1199, 1200)] == [True, True, False]


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"by": 1}', '{"by": "x", "to": "y"}'])
def test_kafka_takes_another_programs_words_for_nothing(text: str) -> None:
    """What cannot be read is nobody's word."""
    found = Offsets.found("me", 7, text)
    assert (found.low, found.to, found.take(7)) == (7, 7, False)


def from_amqp(name: str | None, number: int, raw: bytes) -> Message:
    queue = AmqpQueue(place_of(policy("amqp://host/contacts")))
    header = SimpleNamespace(properties=SimpleNamespace(message_id=name))
    told = SimpleNamespace(header=header, body=raw, redelivered=False, delivery_tag=number)
    asyncio.run(queue._take_in(_Burst(line=1, most=1), told))
    return queue._pushed.pop()


def from_kafka(name: str | None, number: int, raw: bytes) -> Message:
    headers = None if name is None else [("journey-id", name.encode())]
    raw_message = SimpleNamespace(
        partition=lambda: 0, offset=lambda: number, value=lambda: raw, headers=lambda: headers
    )
    return message_of(raw_message, Offsets.found("me", number, None))


def from_nats(name: str | None, number: int, raw: bytes) -> Message:
    told = SimpleNamespace(sequence=SimpleNamespace(stream=number), num_delivered=1)
    headers = None if name is None else {"Nats-Msg-Id": name}
    return nats_jetstream._message(
        SimpleNamespace(metadata=told, headers=headers, data=raw, reply="")
    )


def from_redis(name: str | None, number: int, raw: bytes) -> Message:
    fields = {b"contacts": raw} | ({} if name is None else {b"id": name.encode()})
    (found,) = redis_entries.messages_of([(b"%d-0" % number, fields)])
    return found


def from_sqs(name: str | None, number: int, raw: bytes) -> Message:
    told: dict[str, Any] = {"MessageId": str(number), "Body": raw.decode(), "ReceiptHandle": "h"}
    if name is not None:
        told["MessageAttributes"] = {"id": {"DataType": "String", "StringValue": name}}

    return sqs._message(told, redelivered=False)


@pytest.mark.parametrize("taken", [from_amqp, from_kafka, from_nats, from_redis, from_sqs])
@pytest.mark.parametrize("name", ["given", "ge\xfeben", None])
def test_another_message_of_the_same_name_is_another_one(
    taken: Callable[[str | None, int, bytes], Message], name: str | None
) -> None:
    """Whether its producer named it twice, or the broker began to count anew."""
    one, same, other = (taken(name, 7, raw) for raw in (b'{"a":1}', b'{"a":1}', b'{"a":2}'))
    assert one.identity == same.identity != other.identity
    assert one.identity.encode()


def test_a_name_that_is_no_text_is_spelt_out() -> None:
    """The journal could not hold it."""
    assert known_as("a\udcff", b"").encode().startswith(b"a\\udcff#")


def policy(url: str, **more: object) -> SourcePolicy:
    return SourcePolicy(url=url, **more)  # type: ignore[arg-type]  # a test's keys


@pytest.mark.parametrize(
    ("url", "label", "group"),
    [
        ("redis://host/contacts", "redis://host/0/contacts", "journey"),
        ("rediss://ann@host:1/3/a%2Fb?group=g", "rediss://host:1/3/a/b", "g"),
        ("unix:///run/v.sock?stream=contacts&db=2", "redis:///run/v.sock/2/contacts", "journey"),
        ("nats://one,two:99/contacts", "nats://one,two:99/contacts", "journey"),
        ("kafka://[::1]:9092/topic", "kafka://[::1]:9092/topic", "journey"),
        ("amqp://host/%2F/contacts", "amqp://host/%2F/contacts", "journey"),
        ("sqs://contacts.fifo", "sqs://contacts.fifo", "journey"),
    ],
)
def test_places(url: str, label: str, group: str) -> None:
    """A queue's URL says where it is, and messages say it without a login."""
    place = place_of(policy(url))
    assert is_queue(url)
    assert (place.label, place.group) == (label, group)


def test_a_group_is_told_once() -> None:
    """By the key or by the URL; not by both in two ways."""
    assert place_of(policy("redis://h/s", group="g")).group == "g"
    with pytest.raises(SourceError, match=r"group is g, and the url says \?group=h"):
        place_of(policy("redis://h/s?group=h", group="g"))


def test_a_password_in_the_url_is_refused() -> None:
    """It would be read wherever the config is; nothing of it is in the message."""
    with pytest.raises(ValueError, match=r"url holds a password.*JOURNEY_SOURCE__PASSWORD") as told:
        policy("redis://ann:geheim@host/s")

    assert "geheim" not in str(told.value)
    assert "geheim" not in repr(place_of(policy("redis://ann@host/s", password="geheim")))


def test_rounds_begin_anew_when_they_are_made() -> None:
    """Extending is due at its time, and then after as long again; never where nothing is held."""
    rounds = Rounds(extend_seconds=2.0, now=100.0)
    assert rounds.due == 102.0
    assert (rounds.extends(101.9), rounds.extends(102.0), rounds.extends(103.9)) == (
        False,
        True,
        False,
    )
    assert Rounds(extend_seconds=None, now=0.0).due == math.inf


def test_what_could_not_be_extended_stays_due() -> None:
    """Until it was: a deadline does not wait for another round."""
    rounds = Rounds(extend_seconds=10.0, now=100.0)
    assert rounds.extends(110.0)
    rounds.missed()
    assert (rounds.due < 110.0, rounds.extends(110.1), rounds.extends(120.0)) == (True, True, False)
    assert rounds.due == 120.1


def test_rounds_are_paced_as_soon_as_the_deadline_is_known() -> None:
    """A shorter one counts at once, a longer one from the next round on."""
    rounds = Rounds(extend_seconds=10.0, now=100.0)
    rounds.pace(2.0, now=103.0)
    assert rounds.due == 105.0
    rounds.pace(2.0, now=104.0)
    assert rounds.due == 105.0
    rounds.pace(20.0, now=104.0)
    assert (rounds.due, rounds.extends(105.0), rounds.due) == (105.0, True, 125.0)
