"""Reconciliation: claims against entries, by the table in its docstring, for any of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verifying.evidence import evidence_in
from pipeline.verifying.history import RowKind
from pipeline.verifying.reconciliation import Finding, Tallied, reconcile

if TYPE_CHECKING:
    from pathlib import Path

KEYS = st.text(alphabet="ab\u00e9\U0001f600", min_size=1, max_size=2)


def tallied(key: str, entered: int = 0, **others: int) -> Tallied:
    counts = {"refused": 0, "odd": 0, "message": 0, "last": 0} | others
    return Tallied(key=key, entered=entered, **counts)


@pytest.mark.parametrize(
    ("accepted", "unknown", "entered", "findings"),
    [
        (1, 0, 1, [Finding.ENTERED]),
        (1, 0, 0, [Finding.ABSENT]),
        (0, 1, 1, [Finding.ENTERED]),
        (0, 1, 0, [Finding.ABSENT]),
        (2, 0, 1, [Finding.ENTERED, Finding.DUPLICATE]),
        (1, 1, 1, [Finding.ENTERED, Finding.UNDECIDED]),
        (1, 1, 2, [Finding.ENTERED, Finding.ENTERED]),
        (0, 2, 1, [Finding.ENTERED, Finding.UNDECIDED]),
        (1, 1, 0, [Finding.ABSENT, Finding.ABSENT]),
        (2, 1, 5, [Finding.ENTERED] * 3),
    ],
)
def test_a_key_that_was_claimed(
    accepted: int, unknown: int, entered: int, findings: list[Finding]
) -> None:
    """One key alone, claimed and entered so many times."""
    claims = [("k", number) for number in range(accepted + unknown)]
    tallies = [tallied("k", entered)] if entered else []
    found = reconcile(claims, tallies, size=len(claims), accepted=accepted)
    assert list(found.findings) == findings
    assert found.surplus == (entered > accepted + unknown)


def test_an_entry_has_rows_of_two_activities_and_two_journeys() -> None:
    """It is one entry all the same."""
    tallies = [tallied("k", 1), tallied("k", 1), tallied("k", 1)]
    found = reconcile([("k", 0), ("k", 1)], tallies, size=2, accepted=2)
    assert list(found.findings) == [Finding.ENTERED, Finding.DUPLICATE]


def test_a_refusal_keeps_its_message_and_an_odd_status_proves_nothing() -> None:
    """What history says of a contact that did not enter is told with it."""
    tallies = [tallied("a", refused=1, message=7), tallied("b", refused=1, odd=1)]
    found = reconcile([("a", 0), ("b", 1)], tallies, size=2, accepted=2)
    assert list(found.findings) == [Finding.REFUSED + 7, Finding.ODD]


@given(
    accepted=st.lists(KEYS, max_size=12),
    unknown=st.lists(KEYS, max_size=4),
    entries=st.lists(KEYS, max_size=16),
)
def test_against_counting(accepted: list[str], unknown: list[str], entries: list[str]) -> None:
    """Whatever is claimed and told: the sorted merge finds what a dictionary of all would."""
    claims = accepted + unknown
    told = Counter(entries)
    expected, places = [Finding.ENTERED] * len(claims), defaultdict(list)
    for number, key in enumerate(claims):
        places[key].append(number)

    for key, numbers in places.items():
        for number in numbers[told[key] :]:
            in_doubt = Finding.UNDECIDED if number >= len(accepted) else Finding.DUPLICATE
            expected[number] = in_doubt if told[key] else Finding.ABSENT

    found = reconcile(
        sorted((key, number) for number, key in enumerate(claims)),
        [tallied(key, told[key]) for key in sorted(told)],
        size=len(claims),
        accepted=len(accepted),
    )
    assert list(found.findings) == expected
    assert found.surplus == sum(told[key] > len(numbers) for key, numbers in places.items())


@given(claims=st.lists(KEYS, max_size=20), entries=st.lists(KEYS, max_size=20))
def test_on_disk_keys_are_in_the_order_of_text(
    tmp_path_factory: pytest.TempPathFactory, claims: list[str], entries: list[str]
) -> None:
    """SQLite and Python agree about which key comes first: the merge depends on it."""
    with evidence_in(tmp_path_factory.mktemp("evidence")) as evidence:
        evidence.claim((key, number) for number, key in enumerate(claims))
        evidence.add((key, 1_000, 0, 0, RowKind.ENTERED, 0) for key in entries)
        assert list(evidence.claims()) == sorted((k, n) for n, k in enumerate(claims))
        found = [(each.key, each.entered) for each in evidence.tallies()]
        assert found == sorted(Counter(entries).items())


def test_evidence_counts_by_journey_and_activity(tmp_path: Path) -> None:
    """Each stands alone; the time of the last entry counts, that of a refusal does not."""
    with evidence_in(tmp_path) as evidence:
        assert (tmp_path / "verify.db").stat().st_mode & 0o777 == 0o600
        evidence.add(
            [
                ("k", 1_000, 0, 0, RowKind.ENTERED, 0),
                ("k", 2_000, 0, 0, RowKind.ENTERED, 0),
                ("k", 1_000, 0, 1, RowKind.ENTERED, 0),
                ("k", 1_000, 1, 0, RowKind.ENTERED, 0),
                ("k", 9_000, 1, 0, RowKind.REFUSED, 3),
            ]
        )
        assert list(evidence.tallies()) == [
            tallied("k", 2, last=2_000),
            tallied("k", 1, last=1_000),
            tallied("k", 1, refused=1, message=3, last=1_000),
        ]
        assert evidence.by_journey() == {0: 2, 1: 1}

    assert not list(tmp_path.iterdir())


def test_what_is_told_anew_or_not_whole_does_not_count_twice(tmp_path: Path) -> None:
    """What was told before is forgotten first; a broken download leaves nothing."""
    with evidence_in(tmp_path) as evidence:
        evidence.add([("k", at, 0, 0, RowKind.ENTERED, 0) for at in (1_000, 2_000, 3_000)])
        evidence.forget_entries()
        with suppress(ZeroDivisionError), evidence.whole():
            evidence.add([("k", 2_500, 0, 0, RowKind.ENTERED, 0)])
            raise ZeroDivisionError

        with evidence.whole():
            evidence.add([("k", 2_600, 0, 0, RowKind.ENTERED, 0)])

        assert [each.entered for each in evidence.tallies()] == [1]


def test_the_file_of_a_killed_verification_is_replaced(tmp_path: Path) -> None:
    """It was never the truth."""
    (tmp_path / "verify.db").write_text("left behind")
    (tmp_path / "verify.db-journal").write_text("left behind")
    with evidence_in(tmp_path) as evidence:
        assert list(evidence.claims()) == []
