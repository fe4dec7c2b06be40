"""Probation: whether refused contacts are at fault, or the request that carried them.

While nothing has been accepted, a refusal proves nothing against a contact: a wrong header or a
changed endpoint refuses every one of them, and splitting would find all contacts guilty. So the
first refused contacts are on probation, neither rejected nor forgotten. One accepted batch clears
the request, and they are rejected. If ten of them are refused alike, or the run ends with nothing
accepted and two or more refused, it is the request that is wrong: the run halts and the contacts
stay unprocessed.

Sans-IO, and shared by all senders of a run.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ..errors import EndpointError

if TYPE_CHECKING:
    from .outcome import Settlement

__all__ = ("Probation",)

ALIKE: Final = 10


class Probation:
    """`accepted` counts the batches Marketing Cloud took in the whole run, earlier legs included.

    Every method returns what may be settled now.
    """

    def __init__(self, *, accepted: int = 0) -> None:
        self._accepted = accepted
        self._held: list[Settlement] = []
        self._alike: Counter[str] = Counter()

    @property
    def accepted(self) -> int:
        """Batches accepted so far."""
        return self._accepted

    @property
    def held(self) -> int:
        """Contacts on probation."""
        return len(self._held)

    @property
    def cleared(self) -> bool:
        """Whether the request is known to be right."""
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
        if self.cleared:
            return (settlement,)

        self._held.append(settlement)
        self._alike[alike] += 1
        if self._alike[alike] >= ALIKE:
            raise self._wrong_request()

        return ()

    def finish(self) -> tuple[Settlement, ...]:
        """The source has ended, and every batch was sent. A lone contact is rejected.

        Raises:
            EndpointError: It is the request that is wrong.
        """
        if len(self._held) > 1:
            raise self._wrong_request()

        return self._release()

    def _release(self) -> tuple[Settlement, ...]:
        released = tuple(self._held)
        self._held.clear()
        self._alike.clear()
        return released

    def _wrong_request(self) -> EndpointError:
        outcome = self._held[-1].outcome
        return EndpointError(
            f"Marketing Cloud accepts nothing and refuses every contact alike "
            f"({getattr(outcome, 'detail', '')}): the request is wrong rather than the contacts, "
            "which stay unprocessed. Look at journey.endpoint, journey.event_definition_key and "
            "the mapping"
        )

    def __repr__(self) -> str:
        return f"<Probation {self._accepted} accepted, {len(self._held)} contacts held>"
