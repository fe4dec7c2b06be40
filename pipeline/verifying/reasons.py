"""Reasons: why contacts probably did not enter. Likely, never fact: Marketing Cloud does not say.

Sans-IO. What is known is how the journeys stand now, which may not be how they stood then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..sending.journeys import EntryMode, JourneyStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sending.journeys import Journey

__all__ = ("bars_reentry", "entered_before", "likely", "paused")

_CLOSED: Final = {
    JourneyStatus.PAUSED: "it is paused: events are said to wait until it is resumed",
    JourneyStatus.FINISHING: "it is finishing: it lets nobody in any more",
    JourneyStatus.STOPPED: "it is stopped",
    JourneyStatus.DRAFT: "it is a draft: publish it",
}
_TWICE: Final = {
    EntryMode.NEVER: "lets nobody in twice",
    EntryMode.AFTER_EXIT: "lets contacts in again only after they have left",
}
_RULES: Final = (
    "a field rule of the event's data extension that it breaks, or the journey's entry filter"
)


def bars_reentry(journeys: Sequence[Journey]) -> bool:
    """Whether a contact that entered before may have been kept out."""
    return any(journey.entry_mode in _TWICE for journey in journeys)


def paused(journeys: Sequence[Journey]) -> bool:
    """Whether events may wait to be let in."""
    return any(journey.status is JourneyStatus.PAUSED for journey in journeys)


def likely(journeys: Sequence[Journey]) -> str:
    """Why contacts are missing, as far as the journeys as they stand now let one guess."""
    open_ones = [one for one in journeys if one.status is JourneyStatus.PUBLISHED]
    if not open_ones:
        if not journeys:
            return "no journey that listens to this event can be seen"

        newest = journeys[0]
        state = _CLOSED.get(newest.status, f"its status is {newest.said_status}")
        return f"likely: {newest.name!r} lets nobody in: {state}"

    guesses = [
        f"{journey.name!r} {_TWICE[journey.entry_mode]}, and the contact entered before"
        for journey in open_ones
        if journey.entry_mode in _TWICE
    ]
    return f"likely one of: {'; '.join([*dict.fromkeys(guesses), _RULES])}"


def entered_before(journeys: Sequence[Journey]) -> str:
    """The same for a contact that history tells of before the run."""
    barring = [journey for journey in journeys if journey.entry_mode in _TWICE]
    if not barring:
        return "it entered before this run, and not again"

    first = barring[0]
    return f"likely: {first.name!r} {_TWICE[first.entry_mode]}, and it entered before this run"
