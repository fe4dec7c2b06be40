"""Trial: what the first records become, and whether a run could go like that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..settling.budget import Budget

if TYPE_CHECKING:
    from ..intake.source import Rejection
    from ..mapping.contacts import Contacts

__all__ = ("tried",)


def tried(contacts: Contacts, *, max_errors: str | int | None) -> tuple[bool, str]:
    """Whether that goes well, and how many of the first records become contacts, for a person.

    It does not where `max_errors` would stop the run, or where more than half would be rejected:
    then it is the rule that is wrong, and not the records.
    """
    good, bad = len(contacts), len(contacts.rejected)
    text = f"{good:,} of the first {good + bad:,} records become contacts"
    if not bad:
        return bool(good), text

    spent = Budget.parse(max_errors, settled=good + bad, failed=bad).overdrawn()
    if spent is not None:
        remark = f", and stop the run: {spent}"
    elif bad > good:
        remark = ", which is most of them: look at the rules"
    else:
        remark = ""

    return not remark, f"{text}; {bad:,} would be rejected{remark}:{_reasons(contacts.rejected)}"


def _reasons(rejected: list[Rejection]) -> str:
    """The reasons, the most frequent first, each with an example."""
    counts = Counter(each.reason for each in rejected)
    example = {each.reason: each for each in reversed(rejected)}
    return "".join(
        f"\n{number:,} × {reason}, as record {example[reason].position}: {example[reason].detail}"  # noqa: RUF001  # a times sign
        for reason, number in counts.most_common(5)
    )
