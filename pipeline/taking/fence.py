"""The fence: lets a batch out while its messages are sure to be this worker's, and no longer.

A worker that was stopped, or suspended with its machine, or cut off from its queue, goes on where
it was: with contacts whose messages another worker was given meanwhile. So it is looked, for every
batch, as the last thing before its request, whether the queue has said of all its messages, within
the time that it leaves them to whom it gave them, that they are this worker's; how each queue says
it is told in `intake/queues/__init__.py`. Where it has not, it is asked once more. What is not sure
then is not sent: it stays without an outcome, and is made anew should its message come again.

What is left is the moment from that look to the last byte of the request: a process that is stopped
within it, for as long as the queue leaves messages to it, sends that one batch when it goes on.
Nobody but Marketing Cloud could refuse it then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import CancelScope

from ..errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..packing.batch import Batch
    from .holder import Holder

__all__ = ("Fence",)


class Fence:
    """Of the contacts that come from one queue."""

    def __init__(self, holder: Holder, *, stopped: Callable[[], bool]) -> None:
        """A queue that is away is waited for until the run is `stopped`."""
        self._holder = holder
        self._stopped = stopped

    def holds(self, batch: Batch) -> bool:
        """Whether the batch may go. Costs next to nothing while what is held is sure."""
        return all(self._holder.holds(span.positions) for span in batch.spans)

    async def renew(self, batch: Batch) -> list[int]:
        """Have the queue asked once more; the indices of those contacts that may go, if it is soon.

        The others' messages have lapsed.
        """
        while not self.holds(batch):
            try:
                with CancelScope(shield=True):
                    if await self._holder.assure():
                        break
            except SourceError:  # which the holder meets too, and halts the run by
                self._holder.give_up()
                break

            if self._stopped():
                self._holder.give_up()
                break

            await self._holder.back_off()

        custody = self._holder.custody
        places = batch.places()
        return [index for index, (_, at) in enumerate(places) if not custody.has_lapsed(at)]

    def withhold(self, batch: Batch, kept: Sequence[int]) -> None:
        """Of this batch nothing is sent but what is `kept`."""
        places, out = batch.places(), set(kept)
        self._holder.custody.withhold(
            at for index, (_, at) in enumerate(places) if index not in out
        )
        self._holder.look_after()

    def __repr__(self) -> str:
        return f"<Fence of {self._holder!r}>"
