"""`enqueue` puts each record on the queue once, whatever befalls it and whatever it is told."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.config import load
from pipeline.errors import (
    AlreadyInjectedError,
    InjectedInPartError,
    RunDirectoryError,
    SourceError,
    UsageError,
)
from pipeline.events import QueueLost, QueueRegained
from pipeline.intake.queues.message import QueueLostError
from pipeline.verbs.enqueue import enqueue
from tests.fakes.configs import write_config
from tests.fakes.outlets import Killed, MemoryOutlet

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.events import Event
    from pipeline.verbs.enqueued import Enqueued

URL = "redis://127.0.0.1/0/contacts"


class Bench:
    """A directory with sources, and a queue that outlives the processes."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.outlet = MemoryOutlet()
        self.said: list[Event] = []
        self.waited: list[float] = []
        self.config = load(
            write_config(
                directory / "journey.toml",
                url="http://127.0.0.1:1",
                source=str(directory / "*.csv"),
                mapping={"contact_key": "customer_id", "fields": None},
                run={"directory": str(directory / "run")},
            )
        )

        async def wait(seconds: float) -> None:
            self.waited.append(seconds)

        monkeypatch.setattr("pipeline.verbs.enqueue.outlet_of", lambda _: self.outlet)
        monkeypatch.setattr("pipeline.verbs.enqueue.anyio.sleep", wait)
        monkeypatch.setattr("pipeline.verbs.cutting.GROUP_MESSAGES", 2)

    def write(self, name: str, keys: Iterable[object]) -> Path:
        path = self.directory / name
        path.write_text("\n".join(["customer_id,City", *(f"{key},x" for key in keys)]) + "\n")
        return path

    async def __call__(self, *, url: str = URL, each: int = 2, again: bool = False) -> Enqueued:
        return await enqueue(
            self.config, url, each=each, again=again, emit=self.said.append, tell=lambda _: None
        )

    async def killed(self, *, groups: int, **told: Any) -> None:
        """`enqueue`, killed when the queue has so many groups and nobody was told of the last."""
        self.outlet.faults = [None] * (groups - 1) + [(2, Killed())]
        with pytest.raises(Killed):
            await self(**told)

    @property
    def keys(self) -> list[str]:
        """Whom the messages on the queue are for; those of one identity count once."""
        bodies = {each.identity: each.body for each in self.outlet.messages}
        return [record["customer_id"] for body in bodies.values() for record in json.loads(body)]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


async def test_again_that_was_interrupted_goes_on(bench: Bench) -> None:
    """The same command, killed and given again, puts all of it there once more, not twice more."""
    bench.write("a.csv", range(12))
    await bench()
    await bench.killed(groups=2, again=True)
    await bench(again=True)
    assert sorted(bench.keys, key=int) == [str(key) for key in range(12) for _ in range(2)]
    with pytest.raises(AlreadyInjectedError):
        await bench()


@pytest.mark.parametrize("again", [False, True])
async def test_killed_in_the_first_group(bench: Bench, *, again: bool) -> None:
    """How it is cut, and under which identities, is known before anything is on the queue."""
    bench.write("a.csv", range(12))
    await bench.killed(groups=1, each=2, again=again)
    record = await bench(each=3, again=again)
    assert bench.keys == [str(key) for key in range(12)]
    assert (record.each, record.contacts, record.messages) == (2, 12, 6)


async def test_again_where_the_record_is_lost(bench: Bench) -> None:
    """All of it is put there once more although the queue knows of the first time."""
    bench.outlet.tells = True
    bench.write("a.csv", range(12))
    first = await bench()
    (bench.directory / "run" / "enqueued" / f"{first.name}.json").unlink()
    await bench(again=True)
    assert sorted(bench.keys, key=int) == [str(key) for key in range(12) for _ in range(2)]


async def test_a_lost_record_and_a_queue_that_knows(bench: Bench) -> None:
    """Without --again nothing is put twice, not even where a message would hold other records."""
    bench.outlet.tells = True
    bench.write("a.csv", range(12))
    await bench.killed(groups=2)
    for path in (bench.directory / "run" / "enqueued").iterdir():
        path.unlink()

    with pytest.raises(UsageError, match="Give --contacts-per-message as it was"):
        await bench(each=3)

    await bench()
    assert bench.outlet.identities == list(dict.fromkeys(bench.outlet.identities))
    assert bench.keys == [str(key) for key in range(12)]


async def test_files_that_are_renamed(bench: Bench) -> None:
    """Records are counted in the order of the names: in another order, nothing is gone on with."""
    first = bench.write("a.csv", range(6))
    bench.write("b.csv", range(6, 12))
    await bench.killed(groups=1)
    first.rename(bench.directory / "c.csv")
    with pytest.raises(InjectedInPartError, match="in another order"):
        await bench()

    assert bench.outlet.puts == 1
    (bench.directory / "c.csv").rename(bench.directory / "0.csv")
    await bench()
    assert bench.keys == [str(key) for key in range(12)]


async def test_a_file_that_has_grown(bench: Bench) -> None:
    """Those whom it held before are not put there twice, unless that is wanted."""
    bench.write("a.csv", range(6))
    await bench()
    bench.write("a.csv", range(8))
    with pytest.raises(InjectedInPartError, match=r"a\.csv has grown since it was put on redis://"):
        await bench()

    assert bench.keys == [str(key) for key in range(6)]
    await bench.killed(groups=1, again=True)
    await bench()
    assert bench.keys == [str(key) for key in (*range(6), *range(8))]


async def test_a_file_that_lies_among_new_ones(bench: Bench) -> None:
    """What is on the queue is not put there again for what lies beside it; it may be elsewhere."""
    bench.write("a.csv", range(6))
    await bench()
    bench.write("b.csv", range(6, 8))
    with pytest.raises(InjectedInPartError, match=r"a\.csv: on redis://.* among other sources"):
        await bench()

    await bench(url="redis://127.0.0.1/0/others")
    assert len(bench.keys) == 14


async def test_a_record_that_is_no_record(bench: Bench) -> None:
    """It is told of, and nothing is put."""
    bench.write("a.csv", range(6))
    record = await bench()
    (bench.directory / "run" / "enqueued" / f"{record.name}.json").write_text("{}[")
    with pytest.raises(RunDirectoryError, match="not what `enqueue` writes"):
        await bench(again=True)


async def test_a_queue_that_takes_nothing(bench: Bench) -> None:
    """What cannot be put is tried ever more seldom, and told of now and then."""
    bench.write("a.csv", range(4))
    bench.outlet.faults = [(0, QueueLostError("no room"))] * 25
    await bench()
    assert bench.keys == ["0", "1", "2", "3"]
    assert bench.waited[0] < 0.3
    assert all(5 <= seconds <= 10 for seconds in bench.waited[10:])
    told = [type(event) for event in bench.said]
    assert told == [QueueLost, QueueLost, QueueLost, QueueRegained]


async def test_a_message_that_can_never_be_put(bench: Bench) -> None:
    """It ends `enqueue` with a sentence; the same command goes on."""
    bench.write("a.csv", range(8))
    bench.outlet.faults = [None, (0, SourceError("too large"))]
    with pytest.raises(SourceError, match="too large"):
        await bench()

    await bench()
    assert bench.outlet.identities == list(dict.fromkeys(bench.outlet.identities))
    assert bench.keys == [str(key) for key in range(8)]


async def test_what_is_confirmed_is_not_put_again(bench: Bench) -> None:
    """A connection that breaks in the middle of a group costs those alone that nobody confirmed."""
    bench.write("a.csv", range(8))
    bench.outlet.faults = [(1, QueueLostError("reset"))]
    await bench()
    assert bench.outlet.identities == list(dict.fromkeys(bench.outlet.identities))
    assert bench.keys == [str(key) for key in range(8)]


async def test_files_that_were_compressed_anew(bench: Bench) -> None:
    """They are known for what they hold: what is there is not put there again, nor what has grown
    or is the beginning of it; and what was begun is gone on with."""
    everybody = range(2_000, 4_000)
    plain = bench.write("a.csv", everybody)
    content = plain.read_bytes()
    await bench.killed(groups=2, each=100)
    plain.unlink()
    compressed = bench.directory / "b.csv"  # what its first bytes tell
    compressed.write_bytes(gzip.compress(content, 1))
    await bench(each=100)
    assert bench.keys == [str(key) for key in everybody]

    for level in (1, 9):
        compressed.write_bytes(gzip.compress(content, level, mtime=level))
        with pytest.raises(AlreadyInjectedError, match=r"on redis://.* 2,000 contacts"):
            await bench(each=100)

    compressed.write_bytes(gzip.compress(content) + gzip.compress(b"4000,x\n")[:10])
    with pytest.raises(InjectedInPartError, match=r"b\.csv is damaged .* on redis://.* fetch it"):
        await bench(each=100)

    compressed.write_bytes(gzip.compress(content + b"4000,x\n", 1))
    with pytest.raises(InjectedInPartError, match="has grown since it was put on redis://"):
        await bench(each=100)

    compressed.write_bytes(gzip.compress(content[:-70], 1))
    with pytest.raises(InjectedInPartError, match=r"b\.csv looks like the beginning of the a\.csv"):
        await bench(each=100)

    assert len(bench.keys) == 2_000
    await bench.killed(groups=1, each=100, again=True)
    compressed.write_bytes(gzip.compress(content[:-70], 9))
    await bench(each=100, again=True)
    assert len(bench.keys) == 2_000 + 1_990


async def test_a_record_of_an_earlier_program(bench: Bench) -> None:
    """It knew how the files were stored alone: one that was not compressed is recognised."""
    plain = bench.write("a.csv", range(6))
    content = plain.read_bytes()
    await bench()
    (path,) = (bench.directory / "run" / "enqueued").glob("*.json")
    record = json.loads(path.read_bytes())
    del record["plains"]
    path.write_text(json.dumps(record))
    plain.unlink()
    (bench.directory / "b.csv").write_bytes(gzip.compress(content))
    with pytest.raises(AlreadyInjectedError, match="all of it is on redis://"):
        await bench()

    (bench.directory / "b.csv").write_bytes(gzip.compress(content + b"9,x\n"))
    with pytest.raises(InjectedInPartError, match=r"a\.csv has grown since it was put on redis://"):
        await bench()
