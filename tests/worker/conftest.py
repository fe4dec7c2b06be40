"""A program that watches a folder, and the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.inboxes import make_inbox, watching

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fakes.program import Program
    from tests.fakes.simulator_process import SimulatorProcess


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with watching(tmp_path) as program:
        yield program


@pytest.fixture
def inbox(program: Program, simulator: SimulatorProcess) -> Path:
    return make_inbox(program.directory, url=simulator.url)
