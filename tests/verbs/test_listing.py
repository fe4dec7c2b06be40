"""Listing: contacts without an outcome are read again, from the source that the run read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.config import load
from pipeline.errors import SourceError
from pipeline.intake.source import Mark
from pipeline.running.plan import Plan
from pipeline.settling.view import viewed
from pipeline.verbs.listing import rows_of
from tests.fakes.configs import write_config, write_contacts
from tests.fakes.runs import begun

if TYPE_CHECKING:
    from pathlib import Path


def listed(tmp_path: Path, name: str) -> list[str]:
    """The unprocessed contacts' keys, the config naming the file `name`."""
    config = load(configured(tmp_path, name))
    with viewed(tmp_path / "run") as view:
        return [row["contact_key"] for row in rows_of(view, "unprocessed", config)]


def configured(tmp_path: Path, name: str) -> Path:
    source = str(tmp_path / name)
    return write_config(tmp_path / "journey.toml", url="http://127.0.0.1:1", source=source)


@pytest.fixture(autouse=True)
def run_that_read_two(tmp_path: Path) -> None:
    """A run that read two of three contacts and settled none."""
    write_contacts(tmp_path / "contacts.csv", range(3))
    (tmp_path / "run").mkdir()
    identity = Plan.of(load(configured(tmp_path, "contacts.csv"))).identity
    store = begun(tmp_path / "run", identity)
    with store.transaction():
        store.settle([], [], {"contacts.csv": Mark(2, None)})

    store.close()


@pytest.fixture(autouse=True)
def in_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_renamed_source_is_recognised(tmp_path: Path) -> None:
    """Its contacts are listed all the same, as `run` would go on with it."""
    assert listed(tmp_path, "contacts.csv") == ["C00000", "C00001"]
    (tmp_path / "contacts.csv").rename(tmp_path / "renamed.csv")
    assert listed(tmp_path, "renamed.csv") == ["C00000", "C00001"]


def test_another_source_lists_nothing_in_silence(tmp_path: Path) -> None:
    """Other records under the same name are not the run's; that is said, not listed."""
    write_contacts(tmp_path / "contacts.csv", range(5, 9))
    with pytest.raises(SourceError, match=r"contacts\.csv: not what"):
        listed(tmp_path, "contacts.csv")
