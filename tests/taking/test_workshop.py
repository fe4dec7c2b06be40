"""The workshop: a thread and a child process make the same, and a child that dies costs nothing."""

from __future__ import annotations

import sys
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest

from pipeline.errors import MappingError, SourceError
from pipeline.events import EncoderRestarted
from pipeline.mapping.mapper import Mapper
from pipeline.mapping.rules import MappingPolicy
from pipeline.mapping.workbench import Portion, Workbench
from pipeline.mapping.workplace import EncoderPlace, Workplace
from pipeline.taking.workshop import Workshop
from tests.fakes.processes import alive, kill
from tests.fakes.program import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.events import Event
    from pipeline.mapping.contacts import Contacts

SOURCE = "queue"
EACH = 100
WIDTH = 2_000  # so that what crosses is larger than what a socket holds
ROUNDS = 6


class Crowded(Workplace):
    """A workplace that is crowded from the first piece of work on."""

    crowded = True


def messages(number: int) -> list[tuple[str, bytes]]:
    """What is taken at once: contacts, one in a message without a key, and a poison message."""
    some = [
        [{"id": f"{number}.{index}.{at}" if at else "", "Note": "x" * WIDTH} for at in range(EACH)]
        for index in range(5)
    ]
    return [*((f"m{index}", orjson.dumps(each)) for index, each in enumerate(some)), ("p", b"{no")]


def orders(counts: list[int]) -> list[list[Portion]]:
    """All of the messages, but of the first only what lies between; that in an order of its own."""
    first, portions = 1, []
    for index, count in enumerate(counts):
        portions.append(Portion(index=index, first=first))
        first += count

    wanted = frozenset(range(10, 20))
    return [[Portion(index=0, first=1, wanted=wanted)], portions[1:]]


def told(contacts: Contacts) -> list[Any]:
    """All that is known of contacts."""
    return [
        [*zip(contacts.positions, contacts.keys, contacts.bodies, strict=True)],
        [(each.position, each.reason, each.detail, each.record) for each in contacts.rejected],
        contacts.mark.position,
    ]


def shop(place: EncoderPlace, events: list[Event] | None = None, **more: Any) -> Workshop:
    rules = MappingPolicy(contact_key="id")
    bench = Workbench(Mapper(rules), source=SOURCE)
    told_of: list[Event] = [] if events is None else events
    return Workshop(bench, place=place, emit=told_of.append, **more)


async def worked(workshop: Workshop, before: Callable[[str], None] = lambda _: None) -> list[Any]:
    """What the workshop makes of some rounds of messages; `before` is told what comes next."""
    made: list[Any] = []
    async with workshop:
        before("make 0")
        jobs = deque([await workshop.make(messages(0))])
        for number in range(ROUNDS):
            if number + 1 < ROUNDS:  # as the taker does: the next ones while these are made
                before(f"make {number + 1}")
                jobs.append(await workshop.make(messages(number + 1)))

            before(f"done {number}")
            all_of_it = await workshop.done(jobs.popleft())
            before(f"make of {number}")
            job = await workshop.make_of(messages(number), orders(all_of_it.counts))
            before(f"done of {number}")
            made += map(told, [*await workshop.done(job), all_of_it.contacts])

    return made


async def test_wherever_it_is_made_it_is_the_same() -> None:
    """Positions, keys, bodies and rejections, the raw text of poison too; no process is left."""
    in_thread = await worked(shop(EncoderPlace.THREAD))
    workshop, pids = shop(EncoderPlace.PROCESS), set()
    assert await worked(workshop, lambda _: pids.add(workshop.pid)) == in_thread
    (pid,) = pids
    assert pid is not None
    assert not alive(pid)
    (between, *_), (others, rejected, last), everything = in_thread[:3]
    assert [position for position, *_ in between] == [*range(10, 20)]
    assert len(others) == 4 * (EACH - 1)
    assert (rejected[-1][1], rejected[-1][3], last) == ("malformed_json", "{no", 5 * EACH + 1)
    assert {reason for _, reason, *_ in rejected[:-1]} == {"missing_contact_key"}
    first_message = [contact for contact in everything[0] if contact[0] <= EACH]
    assert everything == [first_message + others, everything[1][:1] + rejected, last]
    assert len(in_thread) == 3 * ROUNDS


@pytest.mark.parametrize("when", ["make 0", "make 3", "done 0", "done 5", "make of 2", "done of 4"])
async def test_a_child_that_is_killed_costs_nothing(when: str) -> None:
    """Whatever it was at: another one is given the same messages, and it is told."""
    events: list[Event] = []
    workshop = shop(EncoderPlace.PROCESS, events)

    def kill_it(comes: str) -> None:
        if comes == when and workshop.pid is not None:
            kill(workshop.pid)

    assert await worked(workshop, kill_it) == await worked(shop(EncoderPlace.THREAD))
    assert len(events) == 1
    assert isinstance(events[0], EncoderRestarted)


async def test_it_moves_when_it_is_much() -> None:
    """From a thread to a child, between one take and the next; a thread is enough for little."""
    workshop, places = shop(EncoderPlace.AUTO, workplace=Crowded()), []

    def see(comes: str) -> None:
        while (coming := workshop._coming) is not None and not coming.ready():
            time.sleep(0.001)  # wait for it, that the move is seen

        places.append((comes.rpartition(" ")[0], workshop._child is not None))

    assert await worked(workshop, see) == await worked(shop(EncoderPlace.THREAD))
    assert places[0] == ("make", False)
    assert places[-1] == ("done of", True)
    moved = [moved for _, moved in places].index(True)
    assert places[moved - 1][0].startswith("make")  # it moves as something is begun
    little = shop(EncoderPlace.AUTO)
    async with little:
        await little.done(await little.make([("m", b'{"id":"A"}')]))
        assert little.pid is None


async def test_messages_that_kill_end_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four children in a row is enough; what they were given is not acknowledged."""
    (tmp_path / "deadly.py").write_text("import os\ndef contact(record):\n    os._exit(9)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    rules = MappingPolicy(contact_key=None, python="deadly:contact")
    events: list[Event] = []
    bench = Workbench(Mapper(rules), source=SOURCE)
    with pytest.raises(
        SourceError, match=r"died 4 times of the same ones .*: 6 messages from m0 to p\."
    ):
        await worked(Workshop(bench, place=EncoderPlace.PROCESS, emit=events.append))

    assert len(events) == 3


@pytest.fixture
def no_more_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called, none can be started."""
    return partial(monkeypatch.setattr, sys, "executable", "/nowhere/python")


async def test_where_no_process_can_be_started_it_stays_in_its_thread(
    no_more_processes: Callable[[], None],
) -> None:
    """It would be faster in one, and does without."""
    no_more_processes()
    workshop = shop(EncoderPlace.AUTO, workplace=Crowded())
    assert await worked(workshop) == await worked(shop(EncoderPlace.THREAD))


@pytest.mark.parametrize("when", ["start", "make 0", "done 3"])
async def test_where_no_process_can_be_started_that_is_said(
    when: str, no_more_processes: Callable[[], None]
) -> None:
    """Where there must be one, or was one that has died; which is not told as started again."""
    events: list[Event] = []
    workshop = shop(EncoderPlace.PROCESS, events)

    def stop_it(comes: str) -> None:
        if comes == when and workshop.pid is not None:
            no_more_processes()
            kill(workshop.pid)

    if when == "start":
        no_more_processes()

    with pytest.raises(SourceError, match=r"cannot be started: No such file .* = \"thread\""):
        await worked(workshop, stop_it)

    assert events == []


class Unreceivable:
    """What cannot be taken in on the other side: there is not memory enough for it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise MemoryError",)


async def test_what_a_child_cannot_take_in_is_not_waited_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """It dies of it, and so do the next ones: that is told, and the worker ends."""
    events: list[Event] = []
    workshop = shop(EncoderPlace.PROCESS, events)
    async with workshop:
        job = await workshop.make([("m", cast("bytes", Unreceivable()))])
        pid = workshop.pid
        assert pid is not None
        eventually(lambda: not alive(pid))  # else `done` below would wait for ever
        with pytest.raises(SourceError, match=r": message m\. Is there memory enough"):
            await workshop.done(job)

    assert len(events) == 3
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("place", [EncoderPlace.THREAD, EncoderPlace.PROCESS])
async def test_a_rule_that_cannot_be_followed(place: EncoderPlace) -> None:
    """What the mapper raises is raised, wherever it stands."""
    rules = MappingPolicy(contact_key=None, python="nowhere_to_be_found:contact")
    bench = Workbench(Mapper(rules), source=SOURCE)
    with pytest.raises(MappingError, match="nowhere_to_be_found"):
        await worked(Workshop(bench, place=place, emit=lambda _: None))
