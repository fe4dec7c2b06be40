"""Sayings: what each kind of finding is called, and what is said of it to a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .reconciliation import Finding
from .window import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("STILL_QUEUED", "Sayings")

STILL_QUEUED: Final = "still_queued"
ODD: Final = "the journey history gives it a status that is not known"
PENDING: Final[Mapping[Standing, str]] = {
    Standing.TOO_FRESH: "the journey history is not complete for its time yet: verify again later",
    Standing.STILL_ENTERING: "others of this run entered only just now: verify again later",
    Standing.HISTORY_GONE: "it was sent longer ago than journey history is kept (30 days)",
    Standing.LATENESS_UNKNOWN: "Marketing Cloud did not say how late its history is",
    Standing.INCOMPLETE: "Marketing Cloud gave fewer rows than it had announced",
    Standing.NO_JOURNEY: "no journey that listens to this event can be seen: none does, or it was "
    "deleted since, or the installed package may not read it",
    Standing.NO_HISTORY: "journey history is not to be had, and it was not seen to be inside",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sayings:
    """What is said of each kind of finding, to a person."""

    absent: str
    before: str
    messages: list[str]
    entered: str = "in_history"
    """By what a contact is known to have entered."""
    errors: Sequence[str] = ()
    """Said of events that errored; their findings are numbered behind the messages."""
    waiting: bool = False
    """Events may wait to be let in, so that nobody unknown is certainly absent."""

    def certain(self, finding: int) -> bool:
        """Whether Marketing Cloud itself said that the contact's event came to nothing."""
        return finding - Finding.REFUSED >= len(self.messages)

    def outcome(self, finding: int, proof: Standing) -> tuple[str, str, str]:
        """(outcome, reason, detail) of an accepted contact; `proof`: what its absence proves."""
        if finding == Finding.ENTERED:
            return "entered", self.entered, ""

        if finding == Finding.ODD:
            return "pending", "odd_status", ODD

        if finding == Finding.QUEUED:
            return "pending", STILL_QUEUED, "its event is still queued: verify again later"

        if proof is not Standing.MISSING and not self.certain(finding):
            return "pending", proof.value, PENDING[proof]

        return ("missing", *self._missing(finding))

    def _missing(self, finding: int) -> tuple[str, str]:
        """The reason and its detail of a missing contact."""
        match finding:
            case Finding.ABSENT:
                return "not_in_history", self.absent
            case Finding.BEFORE:
                return "entered_before", self.before
            case Finding.DUPLICATE:
                return "duplicate_key", (
                    "its contact key is in this run more than once and entered fewer times: "
                    "the record before it entered"
                )
            case _ if self.certain(finding):
                said = self.errors[finding - Finding.REFUSED - len(self.messages)]
                why = said or "no reason is told"
                return "errored", f"its event errored after it was queued: {why}"
            case _:
                said = self.messages[finding - Finding.REFUSED]
                return "refused_by_journey", f"the journey history says: {said or 'failed'}"
