"""Reconciliation: claims against entries, key by key, both in the order of keys. Sans-IO.

A claim is a contact that was accepted, or whose fate is unknown; claims are numbered in the order
in which they were settled, the unknown ones last. History knows keys alone, and not which event an
entry came from. So where a key was claimed several times and entered fewer times, the claims that
were settled first are taken for those that entered, and:

    claims of a key   entries   accepted ones                  unknown ones
    all               as many   entered                        entered
    all               none      absent                         absent
    some              fewer     the first entered, the others  entered if more entered than were
                                are duplicates                 accepted, else undecided

An entry may have a row for each of two activities and for each journey: an activity's rows in one
journey are counted, and the largest count is how often a contact entered.

Memory: one byte for a claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("ENTERED", "Finding", "Reconciled", "Tallied", "reconcile")

ENTERED = 0


class Finding(IntEnum):
    """What is found of a claim. From `REFUSED` on, the number of a message is added."""

    ENTERED = ENTERED
    ABSENT = 1  # no entry is told of
    DUPLICATE = 2  # its key entered, by another claim
    UNDECIDED = 3  # unknown, and its key entered, perhaps by it
    ODD = 4  # its entry has a status that is not known
    BEFORE = 5  # absent, and its key entered before the run
    REFUSED = 6


LAST = 255
"""A claim has a byte: messages beyond it are not kept apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallied:
    """What history tells of a key in one journey by one activity."""

    key: str
    entered: int
    refused: int
    odd: int
    message: int
    last: int  # milliseconds


@dataclass(slots=True, kw_only=True)
class Reconciled:
    """The finding of each claim by its number, and what was seen on the way."""

    findings: bytearray
    surplus: int = 0
    """Keys that entered more often than they were sent: twice in the journey."""
    last_entry: float = 0.0
    """When the last of the claimed contacts entered (Unix seconds)."""


@dataclass(slots=True)
class _Told:
    """All that history tells of a key."""

    entered: int = 0
    refused: int = 0
    odd: int = 0
    message: int = 0
    last: int = 0

    @classmethod
    def of(cls, tallies: Iterable[Tallied]) -> _Told:
        told = cls()
        for each in tallies:
            told.entered = max(told.entered, each.entered)
            told.refused = max(told.refused, each.refused)
            told.odd = max(told.odd, each.odd)
            told.message = max(told.message, each.message)
            told.last = max(told.last, each.last)

        return told


_NOTHING = _Told()


def reconcile(
    claims: Iterable[tuple[str, int]], tallies: Iterable[Tallied], *, size: int, accepted: int
) -> Reconciled:
    """Find what became of `size` claims; the first `accepted` numbers are those accepted.

    `claims` are (key, number), ascending; `tallies` ascend by key.
    """
    found = Reconciled(findings=bytearray(size))
    history = _by_key(tallies)
    key_there, told_there = next(history, (None, _NOTHING))
    for key, group in groupby(claims, key=itemgetter(0)):
        numbers = [number for _, number in group]
        while key_there is not None and key_there < key:
            key_there, told_there = next(history, (None, _NOTHING))

        told = told_there if key_there == key else _NOTHING
        found.last_entry = max(found.last_entry, told.last / 1000)
        found.surplus += told.entered > len(numbers)
        if told.entered < len(numbers):
            _judge(numbers, told, findings=found.findings, accepted=accepted)

    return found


def _by_key(tallies: Iterable[Tallied]) -> Iterator[tuple[str | None, _Told]]:
    for key, group in groupby(tallies, key=lambda tallied: tallied.key):
        yield key, _Told.of(group)


def _judge(numbers: list[int], told: _Told, *, findings: bytearray, accepted: int) -> None:
    """Find what became of a key's claims, of which too few entered."""
    for number in numbers[told.entered :]:
        findings[number] = _of_one(told, unknown=number >= accepted)


def _of_one(told: _Told, *, unknown: bool) -> int:
    if told.entered:
        return Finding.UNDECIDED if unknown else Finding.DUPLICATE

    if told.odd:
        return Finding.ODD

    if told.refused:
        return min(Finding.REFUSED + told.message, LAST)

    return Finding.ABSENT
