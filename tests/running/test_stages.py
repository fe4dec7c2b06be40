"""What the stages ask of the streams between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import create_memory_object_stream

from pipeline.intake.source import Mark
from pipeline.packing.batch import Batch
from pipeline.running.stages import hand, missed
from pipeline.settling.settler import Item, Read
from tests.fakes.sealed import make_batch

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    Ends = tuple[
        MemoryObjectSendStream[Batch],
        MemoryObjectReceiveStream[Batch],
        MemoryObjectSendStream[Item],
        MemoryObjectReceiveStream[Item],
    ]


def streams() -> Ends:
    return (*create_memory_object_stream[Batch](2), *create_memory_object_stream[Item](2))


async def test_nobody_is_missed_who_would_wait_for_the_next_batch() -> None:
    batches_in, batches, items_in, items = streams()
    with batches_in, batches, items_in, items:
        assert not missed(batches, items)
        items_in.send_nowait(Read(source="a.csv", mark=Mark(1, None)))
        assert not missed(batches, items)


async def test_batches_that_lie_ready_miss_a_sender() -> None:
    batches_in, batches, items_in, items = streams()
    with batches_in, batches, items_in, items:
        batches_in.send_nowait(make_batch(1))
        assert missed(batches, items)
        batches.receive_nowait()
        assert not missed(batches, items)


async def test_what_piles_up_behind_the_journal_is_missed() -> None:
    batches_in, batches, items_in, items = streams()
    with batches_in, batches, items_in, items:
        for position in (1, 2):
            items_in.send_nowait(Read(source="a.csv", mark=Mark(position, None)))

        assert missed(batches, items)


async def test_the_last_are_missed_whichever_ends_are_closed() -> None:
    batches_in, batches, items_in, items = streams()
    with batches, items_in, items:
        batches_in.close()
        assert missed(batches, items)
        batches.close()
        assert missed(batches, items)


async def test_whoever_waits_for_room_hurries_what_he_waits_for() -> None:
    batches_in, batches, items_in, items = streams()
    calls: list[int] = []

    def hurry() -> None:
        calls.append(batches.statistics().current_buffer_used)
        batches.receive_nowait()

    with batches_in, batches, items_in, items:
        for number in (1, 2, 3):
            await hand(make_batch(number), batches_in, hurry=hurry)

        assert calls == [2]
