"""The rows of a download: whole ones, however they come, and no row missed in silence."""

from __future__ import annotations

import csv
import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.verifying.history import Entry, HistoryReader, RowKind, Sorter, moment_of

HEADER = ["ContactKey", "DefinitionId", "ActivityType", "Status", "EpochTimeInMilliseconds"]
NASTY = st.text(alphabet='a",\t\r\n \x0c\u2028\u00e9\U0001f600', max_size=6)


def written(rows: list[list[str]], *, separator: str = ",", header: list[str] = HEADER) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows([header, *rows])
    return out.getvalue().encode()


def read(*pieces: bytes) -> list[tuple[str, ...]]:
    reader = HistoryReader()
    return [row for piece in pieces for row in reader.feed(piece)] + reader.finish()


@given(
    rows=st.lists(st.tuples(NASTY, NASTY).map(lambda two: ["k" + two[0], two[1]]), max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    separator=st.sampled_from([",", "\t"]),
)
def test_wherever_the_pieces_are_cut(
    rows: list[list[str]], cuts: list[int], separator: str
) -> None:
    """Cells arrive as they were written, quotes, line breaks and all."""
    full = [[key, "D", "trigger", status, "1000"] for key, status in rows]
    content = written(full, separator=separator)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(content)), len(content)]
    pieces = [content[a:b] for a, b in pairwise(bounds)]
    assert [(row[0], row[3]) for row in read(*pieces)] == [(row[0], row[3]) for row in full]


def test_columns_are_found_by_name_in_any_order_and_spelling() -> None:
    """What was not sent is empty; the documentation's own misspelling is read as well."""
    header = ["status", "ACTIVITY TYPE", "contact_key", "DefintionId"]
    (row,) = read(written([["Complete", "trigger", "001", "D"]], header=header))
    assert row == ("001", "D", "trigger", "Complete", "", "", "", "")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not even a header"),
        (b"<!DOCTYPE html>\n<html></html>\n", "no column 'contactkey'"),
        (written([["001", "D", "trigger", "Complete", "1"], ["002", "D"]]), "shorter"),
        (written([["001", "D", "trigger", "Complete", "1"]])[:-4] + b'"', "within a row"),
    ],
)
def test_what_is_no_history_or_was_cut_is_an_error(content: bytes, what: str) -> None:
    """Nothing is concluded from a part."""
    with pytest.raises(ValueError, match=what):
        read(content)


def test_quotes_that_never_end_are_not_held_for_ever() -> None:
    """A row has its limit."""
    pieces = [written([]) + b'"', *[b"\n" * (1 << 20)] * 20]
    with pytest.raises(ValueError, match="does not end"):
        read(*pieces)


def sorted_out(*rows: tuple[str, ...], start: float = 0.0, end: float = 2e9) -> list[Entry]:
    return Sorter({"d1": 0, "d2": 1}).entries(rows, start=start, end=end)


def row(
    key: str = "001",
    definition: str = "D1",
    activity: str = "trigger",
    status: str = "Complete",
    *,
    result: str = "",
    message: str = "",
    epoch: str = "1000",
    time: str = "",
) -> tuple[str, ...]:
    return (key, definition, activity, status, result, message, epoch, time)


def test_entries_are_those_of_the_journeys_in_the_window() -> None:
    """Its end belongs to the next; what was not asked for is counted and left out."""
    sorter = Sorter({"d1": 0, "d2": 1})
    rows = [
        row("first", epoch="1000"),
        row("second", "{d2}", "StartInteractionActivity", epoch="1999"),
        row("early", epoch="999"),
        row("late", epoch="2000"),
        row("foreign", "D3"),
        row("mail", activity="EMAILV2"),
    ]
    assert sorter.entries(rows, start=1.0, end=2.0) == [
        ("first", 1000, 0, 0, RowKind.ENTERED, 0),
        ("second", 1999, 1, 1, RowKind.ENTERED, 0),
    ]
    assert (sorter.seen.rows, sorter.seen.foreign) == (6, 2)


@pytest.mark.parametrize(
    ("status", "result", "kind"),
    [
        ("Complete", "", RowKind.ENTERED),
        ("complete", "Success", RowKind.ENTERED),
        ("", "Complete", RowKind.ENTERED),
        ("Failed", "", RowKind.REFUSED),
        ("Contact Already In Interaction", "", RowKind.REFUSED),
        ("Complete", "Failed", RowKind.ODD),
        ("Waiting", "", RowKind.ODD),
        ("", "", RowKind.ODD),
    ],
)
def test_what_a_status_says(status: str, result: str, kind: RowKind) -> None:
    """Known words in any spelling; from others, and from contradictions, nothing is concluded."""
    (entry,) = sorted_out(row(status=status, result=result))
    assert entry[4] is kind


def test_messages_are_kept_apart_as_far_as_it_goes() -> None:
    """Of a refusal the message is told, cut and on one line."""
    sorter = Sorter({"d1": 0})
    rows = [row(str(n), status="Failed", message=f"no\n{n}") for n in range(300)]
    entries = sorter.entries(rows, start=0.0, end=2e9)
    assert [sorter.messages[entry[-1]] for entry in entries[:2]] == ["no 0", "no 1"]
    assert entries[-1][-1] == 0
    assert len(sorter.messages) == 200


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:01.5Z", 1500),
        ("1970-01-01T01:00:01+01:00", 1000),
        ("1970-01-01T00:00:01", 0),
        ("5/1/2026 12:00:00 AM", 0),
        ("", 0),
    ],
)
def test_a_time_without_a_zone_is_none(text: str, milliseconds: int) -> None:
    """It might be the account's, which is not told: the server's own limits stand instead."""
    assert moment_of(text) == milliseconds
    found = sorted_out(row(epoch="", time=text), start=1.0, end=2.0)
    assert len(found) == 1
