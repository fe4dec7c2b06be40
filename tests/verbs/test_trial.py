"""What `check` says of the first records."""

from __future__ import annotations

import pytest

from pipeline.intake.source import Mark
from pipeline.mapping.contacts import Contacts
from pipeline.verbs.trial import tried
from tests.fakes.runs import rejection


def contacts(good: int, bad: int) -> Contacts:
    return Contacts.of(
        [b"{}"] * good,
        source="contacts.csv",
        positions=range(1, good + 1),
        keys=[f"C{number}" for number in range(good)],
        rejected=[rejection(good + number) for number in range(1, bad + 1)],
        mark=Mark(good + bad, None),
    )


@pytest.mark.parametrize(
    ("good", "bad", "max_errors", "holds", "told"),
    [
        (5, 0, None, True, "5 of the first 5 records become contacts"),
        (3, 2, None, True, "3 of the first 5 records become contacts; 2 would be rejected:\n"),
        (2, 3, None, False, "3 would be rejected, which is most of them: look at the rules:\n"),
        (0, 5, None, False, "0 of the first 5 records become contacts; 5 would be rejected, "),
        (0, 0, None, False, "0 of the first 0 records"),
        (3, 2, 2, True, "2 would be rejected:\n"),
        (4, 2, 1, False, "2 would be rejected, and stop the run: 2 of 6 contacts are rejected or "),
        (990, 10, "1%", True, "10 would be rejected:\n"),
        (989, 11, "1%", False, "; max_errors allows 1 %:\n"),
        (2, 3, "100%", False, "which is most of them"),
    ],
)
def test_tried(
    good: int,
    bad: int,
    max_errors: str | int | None,
    holds: bool,  # noqa: FBT001  # a parameter
    told: str,
) -> None:
    """It holds as long as a run would go on, and the rule is not what rejects."""
    found = tried(contacts(good, bad), max_errors=max_errors)
    assert (found[0], told in found[1]) == (holds, True), found
