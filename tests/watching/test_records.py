"""Records: a JSON object a line, masked, and nobody waits for a reader."""

from __future__ import annotations

import io
import json
import logging
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.events import (
    BatchSettled,
    BreakerClosed,
    BreakerOpened,
    DrainStarted,
    MessagesDeleted,
    QueueLost,
    QueueRegained,
    WatchHeldUp,
)
from pipeline.watching import records
from pipeline.watching.notices import LOG, notice_of
from pipeline.watching.records import Records, log_event, recording_to
from pipeline.watching.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.events import Event


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    yield
    LOG.setLevel(logging.INFO)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_library_is_heard_and_no_secret_told() -> None:
    """Warnings of libraries are records; chatter is not; no secret is."""
    stream = io.StringIO()
    with recording_to(stream, secrets=["hush-hush"]):
        logging.getLogger("elsewhere").warning("a\nhush-hush Bearer abc.def-123456")
        logging.getLogger("elsewhere").error("cannot write", exc_info=OSError(5, "disk"))
        chatter = logging.getLogger("chatter")
        chatter.setLevel(logging.DEBUG)
        chatter.info("hello")
        LOG.warning("%s", "x", extra={"record": {"event": "X", "detail": "hush-hush"}})

    first, second, third = lines(stream)
    assert (first["level"], first["text"]) == ("warning", "a\n*** Bearer ***")
    assert second["text"] == "cannot write (OSError: [Errno 5] disk)"
    assert (third["event"], third["detail"]) == ("X", "***")


def test_what_is_not_utf_8() -> None:
    """A file's name may hold any bytes: its record is written, and those told by their numbers."""
    stream = io.StringIO()
    handler = records._Handler(records._Writer(stream), frozenset())
    told = {"event": "X", "name": "caf\udce9"}
    handler.emit(logging.makeLogRecord({"levelno": 30, "msg": "caf\udce9.csv", "record": told}))
    handler.close()
    (line,) = lines(stream)
    assert (line["text"], line["name"]) == (r"caf\udce9.csv", r"caf\udce9")


def test_notices_and_progress() -> None:
    """A notice is a record at once; progress is one each ten seconds, and the last."""
    stream, tally = io.StringIO(), Tally()
    display = Records(tally)
    with recording_to(stream):
        tally.note(BatchSettled(batch_id=1, outcome="accepted", contacts=500))
        for quarter in range(4 * 25):
            display.tick(quarter / 4)

        tally.note(DrainStarted(reason="SIGTERM"))
        display.tick(25.0)
        display.finish(25.5)

    told = [(line["event"], line.get("accepted")) for line in lines(stream)]
    assert told == [
        ("Progress", 500),
        ("Progress", 500),
        ("DrainStarted", None),
        ("Progress", 500),
    ]


DELETED = MessagesDeleted(
    queue="nats://host/contacts",
    group="journey",
    messages=1_200,
    bound="at least",
    where="(of sequences 11 to 1300)",
    taken=False,
    limits="max_age of the stream",
)


def test_messages_that_a_queue_has_deleted() -> None:
    """How many, which, and what to do: those that a worker had taken are not to be sent again."""
    notice, taken = (
        notice_of(DELETED),
        notice_of(replace(DELETED, taken=True, bound="", messages=1)),
    )
    assert notice is not None
    assert taken is not None
    assert notice.text.startswith(
        "nats://host/contacts has deleted at least 1,200 messages (of sequences 11 to 1300) before "
        "group journey had taken them"
    )
    assert notice.text.endswith(
        "see to max_age of the stream, and enqueue those contacts once more"
    )
    assert "has deleted 1 message (of sequences" in taken.text
    assert "do not enqueue" in taken.text


@pytest.mark.parametrize(
    "event",
    [
        BreakerOpened(reason="refused", detail="connection refused"),
        BreakerClosed(seconds=75.2),
        QueueLost(queue="nats://host/contacts", detail="the connection is gone"),
        QueueRegained(queue="nats://host/contacts", seconds=3.0),
        DELETED,
        WatchHeldUp(detail="no space left"),
    ],
)
def test_a_notice_says_of_which_event_it_is(event: Event) -> None:
    """So that a collector can count what went out of reach, and what came back."""
    stream, tally = io.StringIO(), Tally()
    with recording_to(stream):
        tally.note(event)
        Records(tally).tick(0.0)

    assert [line["event"] for line in lines(stream)] == [type(event).__name__]


def test_debug_tells_every_event_and_nothing_of_a_contact() -> None:
    """An event's members are there, but for what quotes a record."""
    stream = io.StringIO()
    event = BatchSettled(batch_id=7, outcome="rejected", contacts=1, reason="r", detail="a@b.c")
    with recording_to(stream):
        log_event(event)
        LOG.setLevel(logging.DEBUG)
        log_event(event)

    (line,) = lines(stream)
    assert (line["event"], line["batch_id"], line["reason"]) == ("BatchSettled", 7, "r")
    assert "a@b.c" not in stream.getvalue()


class Sleeper(io.StringIO):
    """A reader who reads nothing until woken."""

    def __init__(self) -> None:
        super().__init__()
        self.awake = threading.Event()

    def write(self, text: str) -> int:
        self.awake.wait()
        return super().write(text)


def test_a_reader_that_sleeps_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much is dropped, and counted as soon as there is room again."""
    monkeypatch.setattr(records, "MOST_WAITING", 20)
    stream, said = Sleeper(), 100
    with recording_to(stream):
        for _ in range(said):
            LOG.info("hello", extra={"record": {"event": "X"}})

        stream.awake.set()
        while not stream.getvalue().endswith('"last"}\n'):
            LOG.info("again", extra={"record": {"event": "X", "which": "last"}})
            said += 1

    told = lines(stream)
    missing = said - len(told)
    assert 70 < sum(line.get("dropped", 0) for line in told) <= missing


def test_a_reader_that_never_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end does not wait for who reads nothing."""
    monkeypatch.setattr(records, "GOODBYE_SECONDS", 0.01)
    stream = Sleeper()
    with recording_to(stream):
        LOG.info("hello", extra={"record": {"event": "X"}})

    assert stream.getvalue() == ""
    stream.awake.set()
