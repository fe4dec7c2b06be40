"""The encoder: a thread and a child process give the same, and a child that dies costs nothing."""

from __future__ import annotations

import errno
import gzip
import subprocess
import sys
import time
from dataclasses import replace
from random import Random
from threading import Timer
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pipeline.config import load
from pipeline.errors import SourceError
from pipeline.events import EncoderRestarted
from pipeline.intake.ranges import Ranges
from pipeline.mapping.encoder import ChildEncoder, MovingEncoder, ThreadEncoder, open_encoder
from pipeline.mapping.encoding import encode
from pipeline.mapping.workplace import EncoderPlace, Workplace
from pipeline.running.plan import Plan
from tests.fakes.configs import write_config
from tests.fakes.processes import alive, kill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.events import Event
    from pipeline.mapping.contacts import Contacts
    from pipeline.mapping.encoder import Encoder
    from pipeline.mapping.encoding import Encoding

    Told = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]

RECORDS = 4_500
WIDTH = 1_200  # so that they cross the connection in several messages
BAD_EVERY = 997
RAGGED_EVERY = 1_109


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of contacts, some of them bad."""
    place = tmp_path_factory.mktemp("encoder")
    for name, first in (("a.csv", 1), ("b.csv", RECORDS + 1)):
        with (place / name).open("w", encoding="utf-8") as file:
            file.write("customer_id,Note\n")
            for number in range(first, first + RECORDS):
                key = "" if number % BAD_EVERY == 0 else f"C{number}"
                end = ",more" if number % RAGGED_EVERY == 0 else ""
                file.write(f"{key},{number:x>{WIDTH}}{end}\n")

    return place


def encoding(
    place: Path, source: str = "*.csv", *, limit: int | None = None, **given: Any
) -> Encoding:
    rules = {"contact_key": "customer_id", "fields": {"Note": "Note"}, **given.pop("mapping", {})}
    done: dict[str, Ranges] = given.pop("done", {})
    path = write_config(
        place / "journey.toml", url="http://127.0.0.1:9", source=str(place / source), mapping=rules
    )
    asked = Plan.of(load(path, {})).encoding(limit=limit, **given)
    readings = (
        replace(each, after=done.get(each.source.name, each.after)) for each in asked.readings
    )
    return replace(asked, readings=tuple(readings))


def told(chunks: Iterable[Contacts]) -> Told:
    """What the chunks hold together, however it was cut: contacts, and rejections."""
    contacts, rejected = [], []
    for chunk in chunks:
        assert len(chunk.positions) == len(chunk.keys) == len(chunk.lengths)
        contacts += [
            (chunk.source, *each)
            for each in zip(chunk.positions, chunk.keys, chunk.bodies, strict=True)
        ]
        rejected += [
            (each.source, each.position, each.reason, each.detail) for each in chunk.rejected
        ]

    return contacts, rejected


async def draw(
    encoder: Encoder, chunks: list[Contacts], before: Callable[[int], None] = lambda _: None
) -> None:
    """Add everything an encoder gives to `chunks`; `before` is told how many there are so far."""
    async with encoder:
        while True:
            before(len(chunks))
            contacts = await encoder.next()
            if contacts is None:
                return

            chunks.append(contacts)


async def drawn(encoder: Encoder, before: Callable[[int], None] = lambda _: None) -> list[Contacts]:
    chunks: list[Contacts] = []
    await draw(encoder, chunks, before)
    return chunks


@pytest.fixture(scope="module")
def everything(place: Path) -> Told:
    whole = told(encode(encoding(place)))
    bad = 2 * RECORDS // BAD_EVERY + 2 * RECORDS // RAGGED_EVERY
    assert (len(whole[0]), len(whole[1])) == (2 * RECORDS - bad, bad)
    return whole


DONE = {"a.csv": Ranges([(1, 700), (2_000, 2_000)]), "b.csv": Ranges([(3, RECORDS - 1)])}


@pytest.mark.parametrize(
    "given",
    [{}, {"limit": 1}, {"limit": RECORDS + 17}, {"done": DONE}, {"done": DONE, "limit": 3_790}],
)
async def test_thread_and_child_give_the_same(given: dict[str, Any], place: Path) -> None:
    """Where it is encoded makes no difference to what comes of it."""
    asked = encoding(place, **given)
    by_thread = await drawn(ThreadEncoder(asked))
    by_child = await drawn(ChildEncoder(asked, emit=lambda _: None))
    assert told(by_thread) == told(by_child)
    assert [chunk.mark for chunk in by_thread] == [chunk.mark for chunk in by_child]
    assert [chunk.share for chunk in by_thread] == [chunk.share for chunk in by_child]
    if "limit" in given:
        assert len(told(by_child)[0]) == given["limit"]


@pytest.mark.parametrize("limit", [None, RECORDS + 17])
def test_beyond_any_chunk_is_the_rest(limit: int | None, place: Path) -> None:
    """A child that is started again behind a chunk gives what the first would have given."""
    asked = encoding(place, limit=limit)
    chunks = list(encode(asked))
    contacts, rejected = told(chunks)
    for number, chunk in enumerate(chunks):
        asked = asked.beyond(chunk)
        if number % 7 == 0 or chunk is chunks[-1]:
            before = told(chunks[: number + 1])
            rest = told(encode(asked))
            assert (before[0] + rest[0], before[1] + rest[1]) == (contacts, rejected)


@pytest.mark.parametrize("seed", range(4))
async def test_killed_at_random_moments(seed: int, place: Path, everything: Told) -> None:
    """Whenever the child is killed: no contact is lost, and none comes twice."""
    chance = Random(seed)
    events: list[Event] = []
    encoder = ChildEncoder(encoding(place), emit=events.append)

    def kill_it() -> None:
        if encoder.pid is not None:
            kill(encoder.pid)

    # At two moments of its time, and before a chunk is asked for.
    timers = [Timer(chance.uniform(0.0, 0.6), kill_it) for _ in range(2)]
    at = chance.randrange(20)
    for timer in timers:
        timer.start()

    chunks = await drawn(encoder, lambda number: kill_it() if number == at else None)
    for timer in timers:
        timer.cancel()
        timer.join()

    assert told(chunks) == everything
    assert len([event for event in events if isinstance(event, EncoderRestarted)]) <= 3


async def test_killed_before_every_message(place: Path, everything: Told) -> None:
    """It may die again and again, as long as it comes further each time."""
    events: list[Event] = []
    encoder = ChildEncoder(encoding(place), emit=events.append)
    killed_at = {-1}

    def kill_it_once_here(number: int) -> None:
        if encoder.pid is not None and number not in killed_at and not encoder._arrived:
            killed_at.add(number)
            kill(encoder.pid)

    chunks = await drawn(encoder, kill_it_once_here)
    assert told(chunks) == everything
    assert len(events) > 3


async def test_dies_at_one_place(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that dies at the same place again and again ends the run, with a sentence."""
    (tmp_path / "deadly.py").write_text(
        "import os\n"
        "def contact(record):\n"
        "    if record['customer_id'] == 'C3000':\n"
        "        os._exit(137)\n"
        "    return record['customer_id'] or 'none', {'Note': 'x' * 1000}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    events: list[Event] = []
    rules = {"python": "deadly:contact", "contact_key": None, "fields": None}
    asked = encoding(place, "a.csv", mapping=rules)
    chunks: list[Contacts] = []
    with pytest.raises(SourceError, match=r"a\.csv died 4 times at the same place"):
        await draw(ChildEncoder(asked, emit=events.append), chunks)

    assert len(events) == 3
    positions = [position for chunk in chunks for position in chunk.positions]
    positions += [each.position for chunk in chunks for each in chunk.rejected]
    assert sorted(positions) == list(range(1, len(positions) + 1))
    assert len(positions) < 3_000


async def test_a_source_that_breaks_off(tmp_path: Path) -> None:
    """Damage ends the child as it ends the thread: after all that stands before it."""
    text = "customer_id,Note\n" + "".join(
        f"C{number},{number * 7919}\n" for number in range(40_000)
    )
    whole = gzip.compress(text.encode())
    (tmp_path / "contacts.csv.gz").write_bytes(whole[: len(whole) // 2])
    asked = encoding(tmp_path, "contacts.csv.gz")
    found = []
    for encoder in (ThreadEncoder(asked), ChildEncoder(asked, emit=lambda _: None)):
        chunks: list[Contacts] = []
        with pytest.raises(SourceError, match=r"contacts\.csv\.gz is damaged"):
            await draw(encoder, chunks)

        found.append(told(chunks))

    assert found[0] == found[1]
    assert len(found[0][0]) > 1_000


async def test_left_early(place: Path) -> None:
    """Whoever leaves before the end leaves no process behind."""
    async with ChildEncoder(encoding(place), emit=lambda _: None) as encoder:
        assert await encoder.next() is not None
        pid = encoder.pid
        assert pid is not None
        assert alive(pid)

    assert not alive(pid)


def test_where_to_encode(place: Path) -> None:
    """As asked; else in a thread that may move, but for what cannot be read a second time."""
    asked = encoding(place)

    def kind(where: EncoderPlace, size: int | None) -> type[Encoder]:
        return type(open_encoder(asked, size_bytes=size, place=where, emit=lambda _: None))

    assert kind(EncoderPlace.THREAD, None) is ThreadEncoder
    assert kind(EncoderPlace.PROCESS, 1) is ChildEncoder
    assert kind(EncoderPlace.AUTO, 1_000_000_000) is MovingEncoder
    assert kind(EncoderPlace.AUTO, None) is ChildEncoder


class Crowded(Workplace):
    """A workplace that is crowded from the nth chunk on."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.left = at

    @property
    def crowded(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("at", [0, 1, 5])
@pytest.mark.parametrize("given", [{}, {"limit": 1}, {"limit": RECORDS + 17}, {"done": DONE}])
async def test_moving_costs_nothing(at: int, given: dict[str, Any], place: Path) -> None:
    """Whenever it moves: the contacts are those of the thread, and no process is left."""
    asked = encoding(place, **given)
    encoder = MovingEncoder(asked, emit=lambda _: None, workplace=Crowded(at))
    pids = set()

    def see(_: int) -> None:
        pids.add(encoder.pid)
        while (coming := encoder._coming) is not None and not coming.ready():
            time.sleep(0.001)  # wait for it, that the move is seen

    moved = await drawn(encoder, see)
    assert told(moved) == told(encode(asked))
    assert len(pids - {None}) == (1 if len(moved) > at else 0)
    assert not any(alive(pid) for pid in pids if pid is not None)


@pytest.mark.parametrize("seed", range(3))
async def test_killed_while_it_moves(seed: int, place: Path, everything: Told) -> None:
    """A child that is killed before it has work, or later, costs no contact either."""
    chance = Random(seed)
    encoder = MovingEncoder(encoding(place), emit=lambda _: None, workplace=Crowded(1))
    at = chance.sample(range(12), 3)

    def kill_it(number: int) -> None:
        if number in at and encoder.pid is not None:
            kill(encoder.pid)

    assert told(await drawn(encoder, kill_it)) == everything


async def test_a_thread_is_enough(place: Path, everything: Told) -> None:
    """Where the workplace is never crowded no process is started."""
    encoder = MovingEncoder(encoding(place), emit=lambda _: None, workplace=Crowded(10**6))
    pids = set()
    assert told(await drawn(encoder, lambda _: pids.add(encoder.pid))) == everything
    assert pids == {None}


async def test_where_no_process_can_be_started(
    place: Path, everything: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread does all of it, unless it was to be a process: then it is said what to see to."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    chunks: list[Contacts] = []
    await draw(MovingEncoder(encoding(place), emit=lambda _: None, workplace=Crowded(1)), chunks)
    assert told(chunks) == everything
    missing = r"cannot be started: No such file .* /nowhere/python .* = \"thread\""
    with pytest.raises(SourceError, match=missing):
        await draw(ChildEncoder(encoding(place), emit=lambda _: None), [])

    def refused(*_: object, **__: object) -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refused)
    with pytest.raises(SourceError, match=r"temporarily unavailable\. See to the system's limits"):
        await draw(ChildEncoder(encoding(place), emit=lambda _: None), [])
