"""Making a plan: what is wrong is said of the source it is wrong with."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pipeline.config import load
from pipeline.errors import MappingError, UsageError
from pipeline.intake.ranges import Ranges
from pipeline.running.plan import Plan
from pipeline.settling.opening import replay
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.runs import begun

if TYPE_CHECKING:
    from pathlib import Path


def planned(tmp_path: Path, source: str) -> Plan:
    path = write_config(
        tmp_path / "journey.toml", url="http://127.0.0.1:1", source=str(tmp_path / source)
    )
    return Plan.of(load(path))


def test_of_many_files_the_one_that_does_not_fit_is_named(tmp_path: Path) -> None:
    """A stray file in a directory would be a riddle otherwise."""
    write_contacts(tmp_path / "contacts.csv", range(3))
    (tmp_path / "notes.txt").write_text("hello\n")
    with pytest.raises(MappingError, match=r"notes\.txt: mapping\.contact_key: the source has no"):
        planned(tmp_path, ".")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    """Not a file that lacks a column."""
    (tmp_path / "contacts.csv").touch()
    with pytest.raises(UsageError, match=r"contacts\.csv is empty: it has no header"):
        planned(tmp_path, "contacts.csv")


def test_what_is_done_is_the_encoders_own(tmp_path: Path) -> None:
    """It is looked up in a thread: a set that others add to meanwhile would leave records out."""
    write_contacts(tmp_path / "contacts.csv", range(3))
    done = Ranges([(1, 1)])
    with closing(begun(tmp_path)) as store:
        there = replace(replay(store.connection), done={"contacts.csv": done})

    (reading,) = planned(tmp_path, "contacts.csv").encoding(replay=there).readings
    done.add(3, 3)
    assert reading.after == Ranges([(1, 1)])
