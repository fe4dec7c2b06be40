from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest

from pipeline.errors import ConservationError, RunDirectoryError
from pipeline.settling.rows import Counts, RunRow
from pipeline.settling.state import RunState
from pipeline.settling.summary import Summary, iso
from pipeline.settling.tally import Counters
from tests.fakes.runs import DAY, identity_of

if TYPE_CHECKING:
    from pathlib import Path

RUN = RunRow(
    run_id="20261123-164312-3f9a",
    identity=identity_of(),
    endpoint="batchcontactevents",
    state=RunState.COMPLETED,
    exhausted=True,
    detail=None,
    started_at=DAY,
    ended_at=DAY + 2.5,
    retrying=None,
    resumptions=0,
    counters=Counters(requests=9, retries=2, tokens=1, seconds=2.0),
)
COUNTS = Counts(read=10, accepted=6, rejected=2, unknown=1, batches=4)


def test_the_contract_field_for_field() -> None:
    """The summary has the promised fields in the promised order, and they add up."""
    summary = orjson.loads(Summary.of(RUN, COUNTS).to_json())
    assert list(summary.items()) == [
        ("run_id", "20261123-164312-3f9a"),
        ("state", "completed"),
        ("endpoint", "batchcontactevents"),
        ("read", 10),
        ("accepted", 6),
        ("rejected", 2),
        ("unknown", 1),
        ("unprocessed", 1),
        ("batches", 4),
        ("requests", 9),
        ("retries", 2),
        ("tokens", 1),
        ("seconds", 2.0),
        ("contacts_per_second", 4.5),
        ("started_at", iso(DAY)),
        ("ended_at", iso(DAY + 2.5)),
    ]


def test_times() -> None:
    """Times are UTC and end in Z."""
    assert iso(0.0) == "1970-01-01T00:00:00.000Z"
    assert iso(DAY + 0.25).endswith(".250Z")


def test_running() -> None:
    """A run that has not ended has no end, and none of its time makes no rate."""
    running = replace(RUN, state=RunState.RUNNING, ended_at=None, counters=Counters())
    summary = Summary.of(running, COUNTS)
    assert summary.ended_at is None
    assert summary.contacts_per_second == 0.0


def test_more_settled_than_read() -> None:
    """Books that do not balance are an error that names the difference, not a summary."""
    with pytest.raises(ConservationError, match=r"9 contacts have an outcome but only 7 .* of 2"):
        Summary.of(RUN, replace(COUNTS, read=7))


def test_written_whole(tmp_path: Path) -> None:
    """The file is replaced in one step, is for its owner alone, and ends in a newline."""
    path = tmp_path / "summary.json"
    path.write_text("old")
    (tmp_path / "summary.json.new").write_text("left by a process that was killed")
    summary = Summary.of(RUN, COUNTS)
    summary.write(path)
    assert path.read_text() == summary.to_json() + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["summary.json"]


def test_not_writable(tmp_path: Path) -> None:
    """A summary that cannot be written is an error that names the file."""
    with pytest.raises(RunDirectoryError, match=r"gone/summary\.json\.new: No such file"):
        Summary.of(RUN, COUNTS).write(tmp_path / "gone" / "summary.json")
