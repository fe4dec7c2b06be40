"""Links: what a sender is linked to. The other ends are made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from anyio import CancelScope

    from ..events import Emit
    from ..packing.batch import Batch
    from .outcome import Settlement
    from .retry import Chance

__all__ = ("Fence", "Ledger", "Links", "NoFence")


class Ledger(Protocol):
    """What the journal does for a sender. Each returns when it is durable."""

    async def dispatched(self, batch: Batch, attempt: int) -> None:
        """The batch's first byte may leave from now on."""

    async def returned(self, batch: Batch) -> None:
        """The batch was certainly not taken. It may be dispatched again, or settled."""

    async def split(self, parent: Batch, halves: tuple[Batch, Batch]) -> None:
        """The parent was certainly not taken; its contacts are in the halves."""

    async def judged(self, parent: Batch, parts: Sequence[Batch], attempt: int) -> None:
        """The parent was answered contact by contact: its parts are dispatched in its stead."""


class Fence(Protocol):
    """Whether contacts are this worker's to send, where others may be given them."""

    def holds(self, batch: Batch) -> bool:
        """Whether all of the batch is; asked right before its request."""

    async def renew(self, batch: Batch) -> list[int]:
        """Find out anew; the indices of those contacts that are."""

    def withhold(self, batch: Batch, kept: Sequence[int]) -> None:
        """The others are not sent, by this sender; called at once when `renew` has returned."""


class NoFence:
    """Of what nobody else is given."""

    def holds(self, batch: Batch) -> bool:  # see Fence, as the others
        return True

    async def renew(self, batch: Batch) -> list[int]:
        return list(range(len(batch)))

    def withhold(self, batch: Batch, kept: Sequence[int]) -> None:
        """There is nothing to withhold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """What a sender is linked to, all of it made elsewhere."""

    ledger: Ledger
    settle: Callable[[Settlement], Awaitable[None]]
    halve: Callable[[Batch], tuple[Batch, Batch]]
    pick: Callable[[Batch, Sequence[int]], Batch]
    """A batch of those contacts alone, by their indices."""
    scope: Callable[[], CancelScope]
    """Makes a scope for a wait that is left when the run stops; cancelled already if it has."""
    emit: Emit
    fence: Fence = field(default_factory=NoFence)
    chance: Chance = field(default_factory=Random)
    """Where the jitter of the backoff comes from."""
