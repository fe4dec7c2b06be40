"""Later: what became of events after they were queued, for contacts that history does not tell of.

An event that errored explains its contact's absence, whatever history is able to tell. One that is
still queued makes its contact pending, and an unknown contact of its key undecided. Sans-IO.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..sending.keys import alike
from .reconciliation import LAST, Finding

if TYPE_CHECKING:
    from ..sending.statuses import LaterStatus
    from .docket import Docket

__all__ = ("explain", "told_of_later")

_OPEN: Final = {Finding.ABSENT, Finding.DUPLICATE, Finding.ODD}
"""What may still be explained, or has to wait."""


def explain(docket: Docket, findings: bytearray, later: LaterStatus, *, messages: int) -> list[str]:
    """Change the findings of claims whose event errored or is queued; what is said of errors.

    `messages` is how many other things are said: findings of errors are numbered behind them.
    """
    errors = [""]
    queued_keys = {key for _, key in later.queued}
    for number, instance, key in docket.not_entered(findings):
        if findings[number] not in _OPEN:
            continue

        place = (instance, alike(key))
        said = None if number >= docket.accepted else later.errored.get(place)
        queued = place in later.queued or (not instance and place[1] in queued_keys)
        if said is not None:
            findings[number] = Finding.REFUSED + messages + _numbered(said, errors, most=messages)
        elif queued or not later.all_queued_told:
            findings[number] = Finding.QUEUED

    return errors


def _numbered(said: str, errors: list[str], *, most: int) -> int:
    """The place of what is said; a finding has a byte, so there is room for some things alone."""
    if said in errors:
        return errors.index(said)

    if Finding.REFUSED + most + len(errors) > LAST:
        return 0

    errors.append(said)
    return len(errors) - 1


def told_of_later(later: LaterStatus) -> list[str]:
    """What is to be told of the answer itself."""
    notes = []
    if later.errors > len(later.errored):
        notes.append(
            f"{later.errors:,} events errored after they were queued, and it is told of "
            f"{len(later.errored):,} which they are"
        )

    if not later.all_queued_told:
        notes.append("more events are still queued than it is told which: nobody is missing yet")

    return notes
