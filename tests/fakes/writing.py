"""A small process that writes a run through the journal, to be killed while it does.

`python -m tests.fakes.writing DIRECTORY` says on stdout `sent FIRST` when a batch's dispatch is on
disk, and `settled FIRST` when its outcome is, FIRST being its first position.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from pipeline.packing.batch import Span
from pipeline.settling.budget import Budget
from pipeline.settling.checkpoint import Checkpoint
from pipeline.settling.directory import RunDirectory
from pipeline.settling.journal import Journal
from pipeline.settling.settler import Read, Settler
from pipeline.settling.state import RunState
from tests.fakes.runs import ACCEPTED, REFUSED, identity_of, mark, settlement
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.packing.batch import Batch
    from pipeline.settling.directory import Opened

__all__ = ("CONTACTS", "EVERY", "SIZE")

CONTACTS = 600
SIZE = 5
EVERY = 50
"""A batch whose first position is one more than a multiple of this is refused."""


def say(word: str, batch: Batch) -> None:
    sys.stdout.write(f"{word} {batch.spans[0].positions[0]}\n")
    sys.stdout.flush()


def left_to_send(opened: Opened) -> Iterator[Batch]:
    """The stretches of five that have no outcome, as batches."""
    done = opened.replay.done["contacts.csv"]
    batch_id = opened.replay.next_batch_id
    for first in range(1, CONTACTS, SIZE):
        positions = range(first, first + SIZE)
        if not done.touches(first, positions[-1]):
            yield make_batch(batch_id, positions)
            batch_id += 1


async def write(directory: Path) -> None:
    with RunDirectory(directory) as run_directory:
        opened = run_directory.open(identity_of(), endpoint="events")
        async with Journal(opened.store) as journal:
            settler = Settler(
                journal=journal,
                checkpoint=Checkpoint(opened.replay.done),
                emit=lambda _: None,
                budget=Budget(),
            )
            batches = left_to_send(opened)

            async def send() -> None:
                for batch in batches:
                    await journal.dispatched(batch, 1)
                    say("sent", batch)
                    (span,) = batch.spans
                    assert isinstance(span, Span)
                    refused = span.positions[0] % EVERY == 1
                    read = Read(source=span.source, mark=mark(span.positions[-1]))
                    outcome = REFUSED if refused else ACCEPTED
                    await settler.settle([settlement(batch, outcome), read])
                    say("settled", batch)

            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(send)

            await settler.finish(RunState.COMPLETED, exhausted=False)


if __name__ == "__main__":
    anyio.run(write, Path(sys.argv[1]))
