"""What the journal costs: its share of a run's CPU.

Measured beside whole runs, in every round:

    the whole run   `run` as a user starts it, all its processes
    the journal     what such a run asks of it, in this process and on the same disk: batches that
                    come as fast as in that run, and as many at a time; as many senders at once,
                    each dispatch on disk before they go on; the outcomes that came meanwhile
                    settled together; the result files. Less what all that costs without a journal
"""

from __future__ import annotations

import gc
import time
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import anyio
from anyio import create_task_group, run

from pipeline.intake.source import Fingerprint, Mark
from pipeline.mapping.encoding import MESSAGE_BYTES
from pipeline.mapping.keys import Keys
from pipeline.packing.batch import Batch, Span, Trigger
from pipeline.running.stages import hand
from pipeline.sending.outcome import Accepted, Settlement
from pipeline.settling.identity import Identity
from pipeline.settling.journal import Journal
from pipeline.settling.opening import begin

from .rounds import Case
from .ways import OUR_WAY, OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from .rounds import Rounds

__all__ = ("JournalCosts", "measure_journal")

BAR: Final = 0.04
SENDERS: Final = 16
BATCH: Final = 500
MESSAGE_BATCHES: Final = MESSAGE_BYTES // 137_000 + 1
REQUEST_SECONDS: Final = 0.002
"""What a POST takes that is answered at once, seen from a loop with much to do."""

SOURCE: Final = Fingerprint(name="contacts.csv", size=1, digest="1", reading="csv")


@dataclass(slots=True)
class JournalCosts:
    """CPU seconds for a million contacts, of each round."""

    run: list[float] = field(default_factory=list)
    journal: list[float] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The journal's part of the run: the median of the rounds' own ratios."""
        return median(part / whole for part, whole in zip(self.journal, self.run, strict=True))

    @property
    def holds(self) -> bool:
        """Whether that is within its bar."""
        return self.share <= BAR

    def lines(self) -> list[str]:
        """For people."""
        verdict = "holds" if self.holds else "MISSED"
        return [
            f"{name:<14}{median(rounds):6.2f} CPU s per million contacts"
            f"   (from {min(rounds):.2f} to {max(rounds):.2f})"
            for name, rounds in (("the whole run", self.run), ("the journal", self.journal))
        ] + [f"the journal's share: {self.share:.1%}, at most {BAR:.0%} is asked: {verdict}"]


def measure_journal(rounds: Rounds, contacts: int, *, times: int) -> JournalCosts:
    """Run, and keep a journal alone, `times` times. Raises RuntimeError where a run fails."""
    case = Case(contacts=contacts, latency_ms=0, in_flight=SENDERS)
    results = rounds.run([(case, OUR_WAY)], rounds=times)
    results.check()

    costs = JournalCosts(run=[each.cpu_per_million for each in results.of(case, OURS)])
    for each in results.of(case, OURS):
        batch_seconds = BATCH / each.contacts_per_second
        bare = _spent(contacts, batch_seconds, journalled=False)
        kept = _spent(contacts, batch_seconds, journalled=True)
        costs.journal.append((kept - bare) / contacts * 1e6)

    return costs


def _spent(contacts: int, batch_seconds: float, *, journalled: bool) -> float:
    """CPU seconds of this process."""
    with TemporaryDirectory(prefix="journey-benchmark-") as name:
        batches = _batches(contacts)
        gc.freeze()  # these two as `run` does
        gc.set_threshold(10_000)
        began = time.process_time()
        options = {"use_uvloop": find_spec("uvloop") is not None}  # and this
        place = Path(name) if journalled else None
        run(_keep, place, batches, batch_seconds, backend_options=options)
        return time.process_time() - began


def _batches(contacts: int) -> Iterator[Batch]:
    """Made when they are wanted, their keys as they come from the encoder's process."""
    keys = [
        Keys.of([f"{position:08d}" for position in range(first, first + BATCH)])
        for first in range(1, contacts + 1, BATCH)
    ]

    def made() -> Iterator[Batch]:
        for number, sealed in enumerate(keys):
            yield Batch(
                batch_id=number + 1,
                spans=(Span(SOURCE.name, range(number * BATCH + 1, (number + 1) * BATCH + 1)),),
                keys=sealed[:],
                payload=b"",
                start=0,
                lengths=array("I"),
                trigger=Trigger.COUNT,
            )

    return made()


async def _keep(directory: Path | None, batches: Iterator[Batch], batch_seconds: float) -> None:
    if directory is None:
        await _inject(batches, None, batch_seconds)
        return

    identity = Identity(event_definition_key="APIEvent-1", rest_host="mc", sources=(SOURCE,))
    store = begin(directory, run_id="benchmark", identity=identity, endpoint="batchcontactevents")
    store.catch_up()
    async with Journal(store) as journal:
        await _inject(batches, journal, batch_seconds)


async def _inject(batches: Iterator[Batch], journal: Journal | None, batch_seconds: float) -> None:
    sealed, ready = anyio.create_memory_object_stream[Batch](SENDERS)
    outcomes, settled = anyio.create_memory_object_stream[Settlement](SENDERS * 2)
    hurry: Callable[[], None] = _nothing
    if journal is not None:
        journal.press(lambda: ready.statistics().current_buffer_used > 0)
        hurry = journal.hurry

    async with create_task_group() as tasks:
        tasks.start_soon(_seal, batches, sealed, batch_seconds, hurry)
        tasks.start_soon(_settle, settled, journal)
        async with outcomes, ready, create_task_group() as senders:
            for _ in range(SENDERS):
                senders.start_soon(_send, ready.clone(), journal, outcomes)


def _nothing() -> None:
    """Where there is no journal nobody hurries."""


async def _seal(
    batches: Iterator[Batch],
    sealed: MemoryObjectSendStream[Batch],
    batch_seconds: float,
    hurry: Callable[[], None],
) -> None:
    """Hand on as many batches as one message of the encoder has, as often as it brings them."""
    due = anyio.current_time()
    async with sealed:
        while message := list(islice(batches, MESSAGE_BATCHES)):
            for batch in message:
                await hand(batch, sealed, hurry=hurry)

            hurry()
            due += len(message) * batch_seconds
            await anyio.sleep_until(due)


async def _send(
    ready: MemoryObjectReceiveStream[Batch],
    journal: Journal | None,
    outcomes: MemoryObjectSendStream[Settlement],
) -> None:
    async with ready:
        async for batch in ready:
            if journal is not None:
                await journal.dispatched(batch, 1)

            await anyio.sleep(REQUEST_SECONDS)
            await outcomes.send(
                Settlement(batch=batch, outcome=Accepted(event_instance_id="1"), attempt=1)
            )


async def _settle(outcomes: MemoryObjectReceiveStream[Settlement], journal: Journal | None) -> None:
    """Write down everything that has come up since the last time, in one go, as the run does."""
    async for settlement in outcomes:
        group = [settlement]
        with suppress(anyio.WouldBlock, anyio.EndOfStream):
            while True:
                group.append(outcomes.receive_nowait())

        if journal is not None:
            last = max(each.batch.spans[0].positions[-1] for each in group)
            await journal.settle(group, [], {SOURCE.name: Mark(last, None)})
