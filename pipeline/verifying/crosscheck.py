"""Cross-checks: counts that Marketing Cloud keeps elsewhere, held against its history. Sans-IO.

Where it was counted before the run's first contact was sent, what was added since is looked at,
else all there is. Others may add as well, so a larger count proves nothing; but a smaller one than
must be does not fit, and a journey that counts more than a complete history tells of is worth a
word, for some who seem to be missing may be in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sending.journeys import populations

if TYPE_CHECKING:
    from ..settling.beginning import Beginning
    from .inquiry import Answer

__all__ = ("disagreements",)


def disagreements(
    answer: Answer,
    *,
    beginning: Beginning,
    stored: int | None,
    accepted: int,
    complete: bool,
) -> list[str]:
    """What does not fit together, a sentence each.

    `stored` is how many rows the event's data extension has, None where that is not told;
    `complete`: history is, for every contact of the run.
    """
    found = _rows(stored, before=beginning.stored, accepted=accepted)
    if answer.asked is None:
        return found

    found += _populations(answer, beginning, complete=complete)
    surplus = answer.asked.reconciled.surplus
    if surplus:
        found.append(
            f"{surplus:,} contact keys entered more often than this run sent them: something else "
            "fires this event as well, or contacts entered twice"
        )

    return found


def _rows(stored: int | None, *, before: int | None, accepted: int) -> list[str]:
    if stored is None or stored - (before or 0) >= accepted:
        return []

    rows = f"holds {stored:,} rows" if before is None else f"has {stored - before:,} rows more"
    told = (
        f"the event's data extension {rows} for {accepted:,} accepted contacts: events were "
        "dropped before they were stored (a field rule is likely), or rows were replaced (by their "
        "primary key) or deleted since"
    )
    return [told]


def _populations(answer: Answer, beginning: Beginning, *, complete: bool) -> list[str]:
    """Journeys that count other numbers of entries than history tells of."""
    assert answer.asked is not None  # noqa: S101  # for the type checker: the caller looked
    found = []
    told = dict(answer.asked.entries_by_journey)
    names = {journey.key: journey.name for journey in answer.journeys}
    for key, count in populations(answer.journeys).items():
        entries, before = told.get(key, 0), beginning.populations.get(key)
        added = count - (before or 0)
        since = "in all its life" if before is None else "more since then"
        if added < entries:
            found.append(
                f"history tells of {entries:,} entries into {names[key]!r} since the run began, "
                f"but the journey counts {added:,} {since}: the two disagree"
            )
        elif before is not None and complete and added > entries:
            found.append(
                f"the journey {names[key]!r} counts {added:,} entries since the run began, and "
                f"history tells of {entries:,}: others let contacts in as well, or some of those "
                "who seem to be missing are in it"
            )

    return found
