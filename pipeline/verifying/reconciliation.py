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

Marketing Cloud compares contact keys without their case and the blanks around them, and tells of a
contact by the key it was first known by. So do claims and entries here (`alike`): a contact whose
key differs in its case alone has entered, and is not absent, which would have it sent twice.

An entry may have a row for each of two activities and for each journey: an activity's rows in one
journey are counted, and the largest count is how often a contact entered.

Memory: one byte for a claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

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
    QUEUED = 6  # its event is still queued: it may yet enter
    REFUSED = 7


LAST = 255
"""A claim has a byte: messages beyond it are not kept apart."""


class Tallied(NamedTuple):
    """What history tells of a key in one journey by one activity. A tuple: there are millions."""

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


_NOTHING = Tallied(key="", entered=0, refused=0, odd=0, message=0, last=0)


def reconcile(
    claims: Iterable[tuple[str, int]], tallies: Iterable[Tallied], *, size: int, accepted: int
) -> Reconciled:
    """Find what became of `size` claims; the first `accepted` numbers are those accepted.

    `claims` are (key, number), ascending; `tallies` ascend by key. Their keys are those of `alike`.
    """
    found = Reconciled(findings=bytearray(size))
    history = _by_key(tallies)
    there = next(history, None)
    last = 0
    for key, group in groupby(claims, key=itemgetter(0)):
        numbers = [number for _, number in group]
        while there is not None and there.key < key:
            there = next(history, None)

        told = there if there is not None and there.key == key else _NOTHING
        last = max(last, told.last)
        if told.entered < len(numbers):
            _judge(numbers, told, findings=found.findings, accepted=accepted)
        elif told.entered > len(numbers):
            found.surplus += 1

    found.last_entry = last / 1000
    return found


def _by_key(tallies: Iterable[Tallied]) -> Iterator[Tallied]:
    """All that history tells of each key: of each number the largest."""
    for _, group in groupby(tallies, key=itemgetter(0)):
        told, *others = group
        for other in others:
            numbers = map(max, told[1:], other[1:])
            told = Tallied(told.key, *numbers)

        yield told


def _judge(numbers: list[int], told: Tallied, *, findings: bytearray, accepted: int) -> None:
    """Find what became of a key's claims, of which too few entered."""
    for number in numbers[told.entered :]:
        findings[number] = _of_one(told, unknown=number >= accepted)


def _of_one(told: Tallied, *, unknown: bool) -> int:
    if told.entered:
        return Finding.UNDECIDED if unknown else Finding.DUPLICATE

    if told.odd:
        return Finding.ODD

    if told.refused:
        return min(Finding.REFUSED + told.message, LAST)

    return Finding.ABSENT
