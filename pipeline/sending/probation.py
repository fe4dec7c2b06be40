"""Probation: whether refused contacts are at fault, or the request that carried them.

A contact that stands alone and is refused proves nothing against itself as long as nothing else is
accepted: a wrong header refuses every one of them, and so does an event whose data extension was
changed in mid-run; splitting would find all contacts guilty. So a refused contact is on probation,
neither rejected nor forgotten, until Marketing Cloud accepts a batch. Then the request is right,
and whoever is on probation is rejected.

Before anything was accepted, ten contacts refused alike halt the run, and so does its end with two
or more refused and none accepted. Later it takes `patience` contacts refused alike in a row, some
whole batches: in a sorted file those at fault may well stand together. At the end of such a run the
few who are still on probation are rejected. Where the run halts, they stay unprocessed.

Sans-IO, and shared by all senders of a run.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ..errors import EndpointError

if TYPE_CHECKING:
    from .outcome import Settlement

__all__ = ("Probation", "patience_for")

ALIKE: Final = 10
BATCHES: Final = 3
LEAST_PATIENCE: Final = 100


def patience_for(max_records: int, *, max_errors: int | str | None) -> int | None:
    """How many contacts refused alike in a row halt a run that has accepted others: three batches.

    None, as many as there are, where the budget says so: of "100%" nothing is too much.
    """
    if isinstance(max_errors, str) and max_errors.replace(" ", "") == "100%":
        return None

    return max(BATCHES * max_records, LEAST_PATIENCE)


class Probation:
    """`accepted` is above 0 where Marketing Cloud took something in an earlier leg of the run.

    Every method returns what may be settled now.
    """

    def __init__(self, *, accepted: int = 0, patience: int | None = None) -> None:
        self._accepted = accepted
        self._patience = patience
        self._held: list[Settlement] = []
        self._alike: Counter[str] = Counter()

    @property
    def accepted(self) -> int:
        """Grows with each batch that is accepted."""
        return self._accepted

    @property
    def held(self) -> int:
        """Contacts on probation."""
        return len(self._held)

    @property
    def cleared(self) -> bool:
        """Whether the request was right at some time."""
        return self._accepted > 0

    def accept(self) -> tuple[Settlement, ...]:
        """A batch was accepted: whoever is on probation is rejected after all."""
        self._accepted += 1
        return self._release()

    def refuse(self, settlement: Settlement, *, alike: str) -> tuple[Settlement, ...]:
        """A single contact was refused, in the way that `alike` names.

        Raises:
            EndpointError: It is the request that is wrong.
        """
        if self.cleared and self._patience is None:
            return (settlement,)

        self._held.append(settlement)
        self._alike[alike] += 1
        limit = self._patience if self.cleared else ALIKE
        if limit is not None and self._alike[alike] >= limit:
            raise self._wrong_request()

        return ()

    def finish(self) -> tuple[Settlement, ...]:
        """The source has ended, and every batch was sent.

        Raises:
            EndpointError: It is the request that is wrong: two or more were refused, and nothing
                was ever accepted.
        """
        if len(self._held) > 1 and not self.cleared:
            raise self._wrong_request()

        return self._release()

    def _release(self) -> tuple[Settlement, ...]:
        released = tuple(self._held)
        self._held.clear()
        self._alike.clear()
        return released

    def _wrong_request(self) -> EndpointError:
        detail = getattr(self._held[-1].outcome, "detail", "")
        if not self.cleared:
            return EndpointError(
                f"Marketing Cloud accepts nothing and refuses every contact alike ({detail}): the "
                "request is wrong rather than the contacts, which stay unprocessed. Look at "
                "journey.endpoint, journey.event_definition_key and the mapping"
            )

        span = self._held[0].batch.spans[0]
        return EndpointError(
            f"Marketing Cloud, which accepted contacts before, now refuses every one alike, "
            f"{len(self._held):,} in a row ({detail}): something has changed there, so they stay "
            "unprocessed. Look at the event behind journey.event_definition_key and at its data "
            f"extension, then `run` goes on. If it is the contacts (from record "
            f"{span.positions[0]:,} of {span.source} on), `run` with delivery.max_errors = "
            '"100%" rejects however many are refused'
        )

    def __repr__(self) -> str:
        return f"<Probation {self._accepted} accepted, {len(self._held)} contacts held>"
