"""The docket: its numbers lead to the same contacts from first to last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import RunDirectoryError
from pipeline.settling.verdicts import read_verified, write_verification
from pipeline.verifying.docket import Docket, Judged
from pipeline.verifying.evidence import evidence_in
from pipeline.verifying.reconciliation import ENTERED, Finding
from pipeline.verifying.sayings import Sayings
from pipeline.verifying.window import Standing
from tests.fakes.living import Life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = "accepted-2026-11-23.ndjson"
SAYINGS = Sayings(absent="", before="", messages=[""])


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Two days of a batch of three, which files alone tell of."""
    (tmp_path / "run").mkdir()
    made = Life(tmp_path / "run")
    made.live_days(2, batches=1)
    made.compact(0)
    yield made
    made.store.close()


def entered(life: Life) -> Docket:
    docket = Docket(life.store.connection)
    with evidence_in(life.directory) as evidence:
        docket.enter(evidence)

    return docket


def absent(docket: Docket) -> bytearray:
    return bytearray([Finding.ABSENT]) * docket.size


def write(life: Life, docket: Docket) -> None:
    """All have entered."""
    findings = bytearray([ENTERED]) * docket.size
    verdicts = docket.verdicts(
        findings, lambda _: Standing.MISSING, sayings=SAYINGS, judged=Judged()
    )
    with life.store.transaction():
        write_verification(life.store, verdicts, told=dict, entered=(), absent=())


def use(life: Life, docket: Docket, way: str) -> None:
    if way == "keys":
        list(docket.keys_of(range(docket.accepted)))
    elif way == "not entered":
        list(docket.not_entered(absent(docket)))
    else:
        write(life, docket)


@pytest.mark.parametrize("way", ["keys", "not entered", "verdicts"])
@pytest.mark.parametrize("change", ["taken away", "put back"])
def test_a_day_that_changes_while_it_is_asked_about(
    life: Life, tmp_path: Path, change: str, way: str
) -> None:
    """Its file is named, no key is given to another's number, and the old verdicts stand."""
    write(life, entered(life))
    here, away = life.directory / FIRST, tmp_path / "away"
    if change == "put back":
        here.rename(away)

    docket = entered(life)
    assert docket.accepted == (6 if change == "taken away" else 3)
    use(life, docket, way)
    if change == "put back":
        away.rename(here)
    else:
        here.rename(away)

    with pytest.raises(RunDirectoryError, match=f"{FIRST} was changed, taken away or put back"):
        use(life, docket, way)

    found = read_verified(life.store.connection)
    assert found is not None
    assert found.entered == 6


def test_a_day_that_is_gone_from_the_beginning(life: Life) -> None:
    """The others are asked about, and what was found of it before stands."""
    write(life, entered(life))
    (life.directory / FIRST).unlink()
    docket = entered(life)
    keys = dict(docket.keys_of({0, 2}))
    assert list(keys) == [0, 2]
    assert [number for number, *_ in docket.not_entered(absent(docket))] == [0, 1, 2]
    write(life, docket)
    found = read_verified(life.store.connection)
    assert found is not None
    assert found.entered == 6
