"""The taker, on a real journal: what is sent of a message, and what is held, whoever dies when."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from contextlib import closing, suppress
from itertools import chain
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from anyio import current_time, move_on_after, sleep_forever

from pipeline.intake.queues.custody import Custody
from pipeline.intake.queues.message import Message, known_as
from pipeline.intake.ranges import Ranges
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import MappingPolicy
from pipeline.mapping.workbench import Workbench
from pipeline.mapping.workplace import EncoderPlace
from pipeline.settling.journal import Journal
from pipeline.taking.taker import Taker
from pipeline.taking.workshop import Workshop
from tests.fakes.runs import begun, resumed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.settling.store import JournalStore

SOURCE = "contacts.csv"


class Script:
    """A holder whose queue gives what it is told to, a list of messages at a time."""

    def __init__(self, *deliveries: Sequence[Message]) -> None:
        self.custody = Custody()
        self.queue = SimpleNamespace(knows_workers=False)
        self.asked: list[int] = []
        self._deliveries = deque(deliveries)

    async def take(self, most: int, wait_seconds: float) -> list[Message]:
        self.asked.append(most)
        return list(self._deliveries.popleft())

    def look_after(self) -> None:
        """Nothing is acknowledged here."""

    def over(self) -> bool:
        return not self._deliveries


def message(identity: str, *keys: str, **more: Any) -> Message:
    body = "\n".join(f'{{"id":"{key}"}}' for key in keys).encode()
    return Message(identity=identity, body=body, **more)


BY_COLUMN = MappingPolicy(contact_key="id")


def taker_of(
    script: Script,
    journal: Journal,
    *,
    rules: MappingPolicy = BY_COLUMN,
    place: EncoderPlace = EncoderPlace.THREAD,
    holds: bool = True,
    done: Ranges | None = None,
) -> Taker:
    bench = Workbench(Mapper(rules), source=SOURCE)
    return Taker(
        SimpleNamespace(name=SOURCE),  # type: ignore[arg-type]  # all that it is asked
        script,  # type: ignore[arg-type]  # as a holder
        workshop=Workshop(bench, place=place, emit=lambda _: None),
        journal=journal,
        done=Ranges() if done is None else done,
        holds=holds,
    )


async def taken(
    store: JournalStore, script: Script, *, holds: bool = True, done: Ranges | None = None
) -> list[tuple[str, bool]]:
    """What a process takes before it is killed: (key, whether it is held), in order."""
    told: list[tuple[str, bool]] = []
    async with Journal(store) as journal:
        taker = taker_of(script, journal, holds=holds, done=done)
        async with taker.until(script.over, limit=None):
            while (contacts := await taker.next()) is not None:
                told += [(key, contacts.in_doubt) for key in contacts.keys]

    return told


async def test_what_another_worker_had_is_held_for_good(tmp_path: Path) -> None:
    """Also by a process that was killed between taking it and writing down its outcome."""
    again = message("m", "A", "B", redelivered=True)
    script = Script([again, message("n", "C")])
    assert await taken(begun(tmp_path), script) == [("C", False), ("A", True), ("B", True)]
    for _ in range(2):
        store, _ = resumed(tmp_path)
        assert await taken(store, Script([again])) == [("A", True), ("B", True)]

    store, _ = resumed(tmp_path)
    assert await taken(store, Script([again]), holds=False) == [("A", False), ("B", False)]


async def test_what_this_worker_had_alone_is_sent(tmp_path: Path) -> None:
    """It comes again because this one was killed; what has an outcome stays out."""
    assert await taken(begun(tmp_path), Script([message("m", "A", "B")])) == [
        ("A", False),
        ("B", False),
    ]
    store, _ = resumed(tmp_path)
    done = Ranges()
    done.add(1, 1)
    again = message("m", "A", "B", redelivered=True)
    assert await taken(store, Script([again]), done=done) == [("B", False)]


async def test_a_message_is_told_from_another_of_its_name(tmp_path: Path) -> None:
    """Both are sent, whether or not as many contacts are in each; what is the same is sent once."""
    some = [(b'{"id":"A"}', b'{"id":"B"}'), (b'{"id":"A"}', b'{"id":"C"}\n{"id":"D"}')]
    bodies = [body for pair in some for body in pair]
    script = Script(
        *(
            [Message(identity=known_as("m", body), body=body, handle=at)]
            for at, body in enumerate(bodies)
        )
    )
    assert [key for key, _ in await taken(begun(tmp_path), script)] == ["A", "B", "C", "D"]


def unnamed(line: int, tag: int, *, redelivered: bool = False) -> Message:
    """A message that has no name, and holds what all of them do."""
    return message("digest", "A", anonymous=True, line=line, handle=tag, redelivered=redelivered)


@pytest.mark.parametrize("named", [True, False])
async def test_what_had_arrived_when_this_worker_was_killed_is_sent(
    tmp_path: Path, *, named: bool
) -> None:
    """Before it had positions; by whichever process it is taken next, and once."""
    begun(tmp_path).close()
    noted = "m" if named else "digest.0123"
    for _ in range(2):  # processes
        store, _ = resumed(tmp_path)
        with store.transaction():
            store.messages.arrived(SOURCE, [noted, "elsewhere"])

        store.close()

    again = message("m" if named else "digest", "A", anonymous=not named, redelivered=True)
    other = message("another's", "B", redelivered=True)
    store, _ = resumed(tmp_path)
    assert await taken(store, Script([again, other])) == [("A", False), ("B", True)]
    store, _ = resumed(tmp_path)
    done = Ranges([(1, 2)])
    assert await taken(store, Script([again, other]), done=done) == []


async def test_what_had_arrived_in_two_takes_is_sent(tmp_path: Path) -> None:
    """Whether this worker was killed before the first had positions, or after that."""
    for placed in (False, True):
        directory = tmp_path / str(placed)
        directory.mkdir()
        store = begun(directory)
        for noted in ("m", "n"):
            with store.transaction():
                store.messages.arrived(SOURCE, [noted])

        if placed:
            with store.transaction():
                store.messages.take(SOURCE, [("m", 1, False)])

        store.close()
        store, _ = resumed(directory)
        again = [message(each, each.upper(), redelivered=True) for each in ("n", "m", "o")]
        sent = await taken(store, Script(again))
        assert sorted(sent) == [("M", False), ("N", False), ("O", True)]


async def test_who_had_it_is_noted_at_once_and_no_longer_than_that(tmp_path: Path) -> None:
    """A note ends as its messages have positions; what is in doubt is no note's business."""
    store = begun(tmp_path)
    seen: list[int] = []

    def arrived(*noted: Any) -> None:
        seen.append(len(noted[1]))
        note(*noted)

    note, store.messages.arrived = store.messages.arrived, arrived  # type: ignore[method-assign, assignment]
    full = [message(f"m{each}", f"K{each}") for each in range(8)]
    doubted = message("n", "D", redelivered=True)
    assert len(await taken(store, Script(full, [doubted, message("o", "E")]))) == 10
    assert seen == [8, 1]
    with closing(sqlite3.connect(tmp_path / "journal.db")) as journal:
        assert journal.execute("SELECT count(*) FROM arrival").fetchone() == (0,)


async def test_one_more_without_a_name_is_sent(tmp_path: Path) -> None:
    """Though the journal never learnt that the one before it was acknowledged."""
    assert await taken(begun(tmp_path), Script([unnamed(1, 1)])) == [("A", False)]
    done = Ranges([(1, 1)])
    store, _ = resumed(tmp_path)
    assert await taken(store, Script([unnamed(1, 1, redelivered=True)]), done=done) == []
    store, _ = resumed(tmp_path)
    assert await taken(store, Script([unnamed(1, 1)]), done=done) == [("A", False)]


async def test_what_has_no_name_comes_again_when_the_line_broke(tmp_path: Path) -> None:
    """It is held still, and not sent again, whatever the queue says of it; one more of it is."""
    script = Script(
        [unnamed(1, 1), unnamed(1, 2)],
        [unnamed(2, 1, redelivered=True), unnamed(2, 2)],
        [unnamed(2, 3)],
        [unnamed(2, 4, redelivered=True)],
    )
    sent = await taken(begun(tmp_path), script)
    assert sent == [("A", False), ("A", False), ("A", False), ("A", True)]
    script.custody.settle(1, 4)
    assert sorted((each.line, each.handle) for each in script.custody.take_done()) == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 4),
    ]


@pytest.mark.parametrize("holds", [True, False])
@pytest.mark.parametrize("named", [True, False])
async def test_what_comes_again_while_contacts_are_made_of_it_is_sent_once(
    tmp_path: Path, *, named: bool, holds: bool
) -> None:
    """The line broke before the journal had been asked for its positions."""
    few = [message(f"m{each}", f"K{each}") for each in range(23)]
    before, after = unnamed(1, 1), unnamed(2, 1, redelivered=True)
    if named:
        before, after = message("A", "A", line=1), message("A", "A", line=2, redelivered=True)

    # Takes that are full: the next one is taken before the last one has positions.
    script = Script(few[:8], [before, *few[8:22]], [after, few[22]])
    sent = await taken(begun(tmp_path), script, holds=holds)
    assert sorted(sent) == sorted([("A", False), *((f"K{each}", False) for each in range(23))])
    script.custody.settle(1, 24)
    done = script.custody.take_done()
    assert sorted(each.line for each in done if b'"A"' in each.body) == [1, 2]


async def test_few_are_taken_until_it_is_known_how_large_they_are(tmp_path: Path) -> None:
    """Small ones make the next take about twice as large; large ones make it small at once."""
    small = [[message(f"m{number}", f"K{number}")] for number in range(12)]
    large = message("large", *map(str, range(1_000)))
    script = Script(*small, [large], [message("last", "L")])
    await taken(begun(tmp_path), script)
    assert script.asked[:4] == [8, 15, 31, 63]
    assert script.asked[12] > 3_000
    assert script.asked[13] == 4


async def test_contacts_are_made_while_more_is_taken(tmp_path: Path) -> None:
    """Where a take was full: all come in their order, and at a stop what was begun comes too."""
    full = [
        [message(f"m{take}-{each}", f"K{take}-{each}") for each in range(n)]
        for take, n in enumerate((8, 15, 15, 31))
    ]
    script = Script(*full)
    sent = await taken(begun(tmp_path), script)
    assert [key for key, _ in sent] == [each.identity.replace("m", "K") for each in chain(*full)]
    assert len(script.custody) == sum(script.asked) == 69


async def test_what_was_withheld_is_made_anew_once_its_message_comes_again(tmp_path: Path) -> None:
    """While the rest of it is under way still: of that nothing is made twice."""
    first, again = message("m", "A", "B", "C"), message("m", "A", "B", "C", redelivered=True)
    script = Script([first], [message("n", "D")], [again])
    take = script.take

    async def lapsing(most: int, wait_seconds: float) -> list[Message]:
        taken = await take(most, wait_seconds)
        if taken[0].identity == "n":
            script.custody.tenure.take_away(["m"])
            script.custody.withhold([2])

        script.custody.asked_at += 1.0
        return taken

    script.take = lapsing  # type: ignore[method-assign]
    sent = await taken(begun(tmp_path), script)
    assert sent == [("A", False), ("B", False), ("C", False), ("D", False), ("B", False)]
    script.custody.settle(1, 3)
    assert {each.identity for each in script.custody.take_done()} == {"m"}


async def test_what_was_let_go_is_made_anew_but_for_what_has_an_outcome(tmp_path: Path) -> None:
    """Also where another worker had it meanwhile: who was given it first sends it."""
    again = message("m", "A", "B", "C", redelivered=True)
    script, done = Script([message("m", "A", "B", "C")], [again]), Ranges()
    take = script.take

    async def lapsing(most: int, wait_seconds: float) -> list[Message]:
        taken = await take(most, wait_seconds)
        if taken[0] is again:
            script.custody.tenure.take_away(["m"])
            script.custody.withhold([2, 3])
            done.add(1, 1)
            script.custody.settle(1, 1)
            assert script.custody.take_let_go() == [("m", 2)]

        return taken

    script.take = lapsing  # type: ignore[method-assign]
    sent = await taken(begun(tmp_path), script, done=done)
    assert [key for key, _ in sent] == ["A", "B", "C", "B", "C"]


async def test_what_has_its_outcome_stays_on_the_queue_until_it_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves before that has it come again: a retry knows from nowhere else what it was."""
    assert await taken(begun(tmp_path), Script([message("m", "A")])) == [("A", False)]
    script, done = Script([message("m", "A", redelivered=True)]), Ranges()
    done.add(1, 1)
    monkeypatch.setattr(Taker, "_complete", lambda *_: sleep_forever())
    store, _ = resumed(tmp_path)
    async with Journal(store) as journal:
        taker = taker_of(script, journal, done=done)
        async with taker.until(bool, limit=None):
            with move_on_after(0.5) as leaving:
                await taker.next()

    assert leaving.cancel_called
    assert (len(script.custody), script.custody.take_done()) == (1, [])


@pytest.mark.parametrize("place", [EncoderPlace.THREAD, EncoderPlace.PROCESS])
async def test_a_rule_that_is_slow_is_not_waited_for_where_there_is_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: EncoderPlace
) -> None:
    """A second signal leaves at once: what the workshop is at is taken anew, and sent by then."""
    over, slow = tmp_path / "over", f"slow_rule_{place}"
    waits = f"pathlib.Path({str(over)!r}).read_bytes()"
    (tmp_path / f"{slow}.py").write_text(
        f"import pathlib\ndef contact(record):\n    {waits}\n    return 'A', {{}}\n"
    )
    os.mkfifo(over)
    monkeypatch.syspath_prepend(str(tmp_path))
    rules = MappingPolicy(contact_key=None, python=f"{slow}:contact")

    def end_it() -> None:
        with suppress(OSError):  # nobody waits: it was killed
            os.close(os.open(over, os.O_WRONLY | os.O_NONBLOCK))

    async with Journal(begun(tmp_path)) as journal:
        taker = taker_of(Script([message("m", "A")]), journal, rules=rules, place=place)
        asyncio.get_running_loop().call_later(3.0, end_it)  # at the latest
        async with taker.until(bool, limit=None):
            with move_on_after(0.5) as leaving:
                await taker.next()

        assert leaving.cancel_called
        assert current_time() < leaving.deadline + 1.5
        end_it()

    store, _ = resumed(tmp_path)
    again = message("m", "A", redelivered=True)
    assert await taken(store, Script([again])) == [("A", False)]
