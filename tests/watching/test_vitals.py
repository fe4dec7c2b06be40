"""The vitals: what they make of events, told the time."""

from __future__ import annotations

from functools import partial

import pytest

from pipeline.events import (
    BacklogSeen,
    BatchSettled,
    ChunkRead,
    CoordinationLost,
    CoordinationRegained,
    DrainStarted,
    Event,
    FilesSeen,
    MessagesDeleted,
    QueueLost,
    QueueRegained,
    ReadingEnded,
    ReadingStarted,
    RequestEnded,
    RequestStarted,
    RunHalted,
    TokenRenewed,
)
from pipeline.watching.vitals import Phase, Vitals


class Told:
    """Vitals, and the time they are told."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.vitals = Vitals(clock=lambda: self.now)

    def at(self, now: float, *events: Event) -> None:
        self.now = now
        for event in events:
            self.vitals.note(event)


@pytest.fixture
def told() -> Told:
    return Told()


def chunk(records: int) -> ChunkRead:
    return ChunkRead(source="a.csv", records=records, rejected=0, share=None)


def settled(contacts: int, outcome: str = "accepted", batch_id: int | None = 1) -> BatchSettled:
    return BatchSettled(batch_id=batch_id, outcome=outcome, contacts=contacts)


def token(lifetime: float = 3600.0) -> TokenRenewed:
    return TokenRenewed(lifetime_seconds=lifetime, reason="first")


def test_ready_says_what_is_missing(told: Told) -> None:
    """Who has a token, reads its source, and is not about to end is ready."""
    vitals = told.vitals
    assert vitals.lacking() == [
        "the run is starting",
        "it has no token yet",
        "its source is not being read",
    ]
    told.at(1_000.0, token())
    assert len(vitals.lacking()) == 2
    told.at(1_001.0, ReadingStarted())
    assert vitals.lacking() == []
    told.at(9_999.0)  # the token has long ended, and nothing was to be sent
    assert vitals.lacking() == []
    told.at(9_999.0, DrainStarted(reason="SIGTERM"), ReadingEnded())
    assert vitals.lacking() == ["the run is draining", "its source is not being read"]
    told.at(9_999.0, RunHalted(detail="no such event"))
    assert vitals.phase is Phase.HALTED


def test_workers_that_share(told: Told) -> None:
    """A token that another worker asked for is one; who cannot ask the others is not ready."""
    adopted = TokenRenewed(lifetime_seconds=600.0, reason="first", asked=False)
    told.at(1_000.0, adopted, ReadingStarted())
    told.at(1_010.0)
    assert told.vitals.lacking() == []
    assert (told.vitals.tokens, told.vitals.token_age_seconds) == (0, 10.0)
    told.at(1_020.0, CoordinationLost(server="redis://h/0", detail="refused"))
    assert told.vitals.lacking() == ["the server of its coordination cannot be talked to"]
    told.at(1_030.0, CoordinationRegained(server="redis://h/0", seconds=10.0))
    assert told.vitals.lacking() == []


def test_a_queue_that_is_lost(told: Told) -> None:
    """A worker whose queue does not answer is not ready, until it does again."""
    told.at(1_000.0, token(), ReadingStarted(), QueueLost(queue="redis://h/0/s", detail="refused"))
    assert told.vitals.lacking() == ["its queue cannot be talked to"]
    assert not told.vitals.up
    told.at(1_005.0, QueueRegained(queue="redis://h/0/s", seconds=5.0))
    assert told.vitals.lacking() == []
    assert told.vitals.up


def test_what_lies_on_the_queue(told: Told) -> None:
    """It grows older between two looks; what cannot be learnt is not known, whatever it was."""
    vitals = told.vitals
    assert [vitals.waiting_messages, vitals.oldest_message_seconds] == [None, None]
    told.at(1_000.0, BacklogSeen(waiting=7, taken=2, oldest_seconds=30.0))
    told.at(1_012.0)
    assert (vitals.waiting_messages, vitals.taken_messages) == (7, 2)
    assert vitals.oldest_message_seconds == 42.0
    told.at(1_012.0, BacklogSeen(waiting=0, taken=0, oldest_seconds=0.0))
    told.at(1_020.0)
    assert vitals.waiting_messages == vitals.oldest_message_seconds == 0
    told.at(1_024.0, BacklogSeen(waiting=None, taken=None, oldest_seconds=None))
    assert [vitals.waiting_messages, vitals.oldest_message_seconds] == [None, None]


def test_what_a_queue_has_deleted(told: Told) -> None:
    """Messages count, by whether a worker had them."""
    deleted = partial(MessagesDeleted, queue="q", group="g", where="", limits="")
    told.at(1_000.0, deleted(messages=7, taken=False), deleted(messages=2, taken=True))
    told.at(1_001.0, deleted(messages=3, taken=False))
    assert told.vitals.deleted_messages == {"untaken": 10, "taken": 2}


def test_the_oldest_unsettled(told: Told) -> None:
    """It is as old as the first chunk that is not settled yet, or the first request under way."""
    vitals = told.vitals
    assert (vitals.oldest_unsettled_seconds, vitals.unsettled) == (0.0, 0)
    told.at(1_010.0, chunk(100))
    told.at(1_020.0, chunk(50), RequestStarted(batch_id=1))
    told.at(1_030.0)
    assert (vitals.oldest_unsettled_seconds, vitals.unsettled) == (20.0, 150)
    told.at(1_030.0, settled(100))
    assert (vitals.oldest_unsettled_seconds, vitals.unsettled) == (10.0, 50)
    told.at(1_030.0, settled(50, "rejected", None))
    assert vitals.oldest_unsettled_seconds == 10.0  # the request
    told.at(1_031.0, RequestEnded(batch_id=1, status=201, seconds=11.0))
    assert (vitals.oldest_unsettled_seconds, vitals.unsettled) == (0.0, 0)


def test_what_is_kept_does_not_grow(told: Told) -> None:
    """A worker's months leave nothing behind but counts."""
    for number in range(1_000):
        told.at(
            1_000.0 + number,
            chunk(10),
            RequestStarted(batch_id=number),
            RequestEnded(batch_id=number, status=None if number % 2 else 201, seconds=0.1),
            settled(10, batch_id=number),
        )

    vitals = told.vitals
    assert (len(vitals._chunks), vitals.in_flight) == (0, 0)
    assert vitals.requests == {"201": 500, "none": 500}
    assert vitals.settled["accepted"] == 10_000


def test_the_token_and_the_quiet(told: Told) -> None:
    """Ages count from the last time; before the first there is none."""
    vitals = told.vitals
    assert (vitals.token_age_seconds, vitals.quiet_seconds) == (None, None)
    told.at(1_000.0, token(1079.0), chunk(1))
    told.at(1_060.0)
    assert (vitals.token_age_seconds, vitals.token_lifetime_seconds) == (60.0, 1079.0)
    assert vitals.quiet_seconds == 60.0


def test_a_watched_folder(told: Told) -> None:
    """How many files wait is told where a folder is watched, and not elsewhere."""
    assert told.vitals.waiting_files is None
    told.at(1_000.0, FilesSeen(files=3), FilesSeen(files=2))
    assert told.vitals.waiting_files == 2
