"""The trip: how far one batch has come on its way to an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..events import AttemptFailed, BatchDispatched

if TYPE_CHECKING:
    from ..packing.batch import Batch
    from .control import Permit
    from .verdict import Ambiguous, Verdict

__all__ = ("Trip",)


@dataclass(slots=True, kw_only=True)
class Trip:
    """One batch, and what its sender must remember of it."""

    batch: Batch
    accepted_before: int  # by Marketing Cloud, of all batches, when the last attempt failed
    attempt: int = 1
    tries: int = 1  # attempts, but for those in an outage
    permit: Permit | None = None  # to send, until the request has ended
    delay: float = 0.0  # before the next attempt
    renewed: bool = False  # the token, in this attempt
    apart: bool = False  # from a batch whose contacts were judged each
    token: str = ""  # with which the batch was posted last
    told: Verdict | None = None  # what is known already, of a part of a batch that was judged
    in_company: bool = False  # judged in an answer that took others
    out: bool = False  # dispatched, and neither returned nor settled
    doubt: Ambiguous | None = None  # an attempt that may have been taken, where those are resent

    def dispatched(self) -> BatchDispatched:
        """The event that its first byte may leave."""
        return BatchDispatched(
            batch_id=self.batch.batch_id, contacts=len(self.batch), attempt=self.attempt
        )

    def failed(self, reason: str, detail: str, *, delay: float) -> AttemptFailed:
        """The event that it is sent again, after `delay` seconds."""
        return AttemptFailed(
            batch_id=self.batch.batch_id,
            attempt=self.attempt,
            reason=reason,
            detail=detail,
            delay_seconds=delay,
        )
