"""Cross-checks: counts that Marketing Cloud keeps elsewhere, held against its history. Sans-IO.

Both counts are of all time, so they prove nothing where they are larger. Where they are smaller
than they must be, something does not fit together, and that is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .inquiry import Answer

__all__ = ("disagreements",)


def disagreements(answer: Answer, *, stored: int | None, accepted: int) -> list[str]:
    """What does not fit together, a sentence each.

    `stored` is how many rows the event's data extension has, None where that is not told.
    """
    found = []
    if stored is not None and stored < accepted:
        found.append(
            f"the event's data extension holds {stored:,} rows for {accepted:,} accepted contacts: "
            "events were dropped before they were stored (a field rule is likely), or rows were "
            "deleted since"
        )

    if answer.asked is None:
        return found

    found += _populations(answer)
    surplus = answer.asked.reconciled.surplus
    if surplus:
        found.append(
            f"{surplus:,} contact keys entered more often than this run sent them: something else "
            "fires this event as well, or contacts entered twice"
        )

    return found


def _populations(answer: Answer) -> list[str]:
    """Journeys of which history tells more entries than they count."""
    assert answer.asked is not None  # noqa: S101  # for the type checker: the caller looked
    found = []
    for key, entries in answer.asked.entries_by_journey:
        versions = [journey for journey in answer.journeys if journey.key == key]
        counts = [journey.entered for journey in versions if journey.entered is not None]
        if counts and len(counts) == len(versions) and sum(counts) < entries:
            found.append(
                f"history tells of {entries:,} entries into {versions[0].name!r} since the run "
                f"began, but the journey counts {sum(counts):,} in all its life: the two disagree"
            )

    return found
