from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import AlreadyInjectedError, InjectedInPartError, RunDirectoryError
from pipeline.settling.admission import Kind, Known, admit
from pipeline.settling.rows import Counts, RunRow
from pipeline.settling.state import RunState
from pipeline.settling.tally import Counters
from tests.fakes.runs import DAY, fingerprint, identity_of

OTHER = identity_of(fingerprint("other.csv"))
FINISHED = Known(
    directory=Path("runs/spring"),
    run=RunRow(
        run_id="r1",
        identity=identity_of(),
        endpoint="events",
        state=RunState.COMPLETED,
        exhausted=True,
        detail=None,
        started_at=DAY - 100,
        ended_at=DAY,
        retrying=None,
        resumptions=0,
        counters=Counters(),
    ),
    counts=Counts(read=10, accepted=7, rejected=2, unknown=1, batches=1),
)


def unfinished(state: RunState = RunState.HALTED) -> Known:
    return replace(FINISHED, run=replace(FINISHED.run, state=state, exhausted=False))


def test_nothing_there() -> None:
    """Where no run is, one begins."""
    assert admit(None, [], identity_of()) is Kind.NEW


@pytest.mark.parametrize("state", RunState)
def test_unfinished_goes_on(state: RunState) -> None:
    """A run that is not finished is gone on with, however it ended: a limited one too."""
    assert admit(unfinished(state), [FINISHED], identity_of()) is Kind.CONTINUED


@pytest.mark.parametrize("state", [RunState.HALTED, RunState.RUNNING])
def test_of_which_nothing_was_begun(state: RunState) -> None:
    """An unfinished run of which nothing was read or sent is in nobody's way."""
    begun = unfinished(state)
    assert admit(replace(begun, untouched=True), [], OTHER) is Kind.NEW
    assert admit(replace(begun, untouched=True), [], identity_of()) is Kind.CONTINUED
    with pytest.raises(RunDirectoryError, match="holds an unfinished run"):
        admit(begun, [], OTHER)


def test_another_reading_is_refused() -> None:
    """Positions of an unfinished run mean other records where the file is cut otherwise."""
    otherwise = identity_of(fingerprint(reading="csv without a header"))
    with pytest.raises(RunDirectoryError, match="records are counted differently"):
        admit(unfinished(), [], otherwise)


def test_another_reading_of_a_finished_run_is_no_other_run() -> None:
    """The same content is not injected twice because its delimiter is written down now."""
    otherwise = identity_of(fingerprint(reading="csv without a header"))
    with pytest.raises(AlreadyInjectedError):
        admit(FINISHED, [], otherwise)


def test_finished_is_refused() -> None:
    """A finished run is refused with its date, its outcomes and the way out."""
    with pytest.raises(AlreadyInjectedError) as refused:
        admit(FINISHED, [], identity_of())

    assert str(refused.value) == (
        "contacts.csv: already injected on 2026-11-23 at 16:23 UTC into APIEvent-1 (run r1 in "
        "runs/spring: 7 accepted, 2 rejected, 1 unknown); --again starts a new run"
    )


def test_finished_other_makes_room() -> None:
    """A finished run of something else is put aside for a new one."""
    assert admit(FINISHED, [], OTHER) is Kind.NEW


def test_unfinished_other_is_kept() -> None:
    """An unfinished run of something else is never lost from sight: what differs is named."""
    with pytest.raises(RunDirectoryError) as refused:
        admit(unfinished(), [], identity_of(journey="APIEvent-2"))

    message = str(refused.value)
    assert "its journey is APIEvent-1, not APIEvent-2" in message
    assert "with its own config" in message
    assert "--again" in message
    assert "run.directory" not in message  # another one would not know who was injected


def test_limited_other_is_kept() -> None:
    """A limited run that completed has more to read: it makes no room for another."""
    with pytest.raises(RunDirectoryError, match=r"other\.csv"):
        admit(unfinished(RunState.COMPLETED), [], OTHER)


@pytest.mark.parametrize(
    "present", [None, replace(FINISHED, run=replace(FINISHED.run, identity=OTHER))]
)
def test_finished_long_ago(present: Known | None) -> None:
    """A run that was put aside finished is still injected."""
    with pytest.raises(AlreadyInjectedError, match="already injected on"):
        admit(present, [FINISHED], identity_of())


def test_put_aside_half_done() -> None:
    """What was put aside half done was half sent: not begun from its first record in silence."""
    with pytest.raises(RunDirectoryError, match="10 contacts settled"):
        admit(None, [unfinished()], identity_of())


def test_put_aside_untouched() -> None:
    """A run that was put aside before anything was read stands in nobody's way; one of which
    something was read may have sent it, although nothing is settled."""
    counts = Counts(read=10, accepted=0, rejected=0, unknown=0, batches=0)
    begun = replace(unfinished(), counts=counts)
    assert admit(None, [replace(begun, untouched=True)], identity_of()) is Kind.NEW
    with pytest.raises(RunDirectoryError, match="0 contacts settled and maybe others sent"):
        admit(None, [begun], identity_of())

    among = identity_of(fingerprint(), fingerprint("other.csv"))
    with pytest.raises(InjectedInPartError, match="among other sources"):
        admit(None, [begun], among)


def test_what_was_injected_since_it_was_begun() -> None:
    """Who goes on with a run of which nothing was read begins it: he is refused where it was
    injected elsewhere meanwhile; not for what was before, which `--again` has overruled."""
    began = replace(unfinished(), untouched=True)
    before = replace(FINISHED, run=replace(FINISHED.run, ended_at=DAY - 101))
    assert admit(began, [before], identity_of()) is Kind.CONTINUED
    with pytest.raises(AlreadyInjectedError):
        admit(began, [before, FINISHED], identity_of())

    with pytest.raises(RunDirectoryError, match="10 contacts settled"):
        admit(
            began,
            [replace(unfinished(), run=replace(began.run, ended_at=None, started_at=DAY))],
            identity_of(),
        )


def test_the_newest_counts() -> None:
    """Of several runs put aside, the newest of the same identity decides."""
    with pytest.raises(AlreadyInjectedError):
        admit(None, [FINISHED, unfinished()], identity_of())
