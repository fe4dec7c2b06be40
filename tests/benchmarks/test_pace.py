"""`python -m benchmarks pace`: a table, figures and a picture for each scenario."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.pace.kept import kept_of
from benchmarks.pace.rehearsal import BASELINE, OURS
from benchmarks.pace.servers import SCENARIOS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_how_a_pace_was_kept() -> None:
    """Over ten seconds from the third on, and in the worst second of all."""
    steady = [each / 8 for each in range(120)]
    kept = kept_of(steady, 8.0)
    assert (kept.over_ten, kept.worst_second, kept.holds) == (1.0, 1.0, True)
    hasty = kept_of([each / 64 for each in range(8)] + [0.25 + each for each in steady], 8.0)
    assert (hasty.over_ten, hasty.worst_second, hasty.holds) == (1.0, 1.75, False)
    assert not kept_of([each / 7.7 for each in range(120)], 8.0).holds


def test_everything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours beside the baseline, for every seed; a scenario that is not there is refused."""
    flat = next(each for each in SCENARIOS if each.name == "flat")
    short = [replace(flat, seconds=32.0, name="flat one")]
    monkeypatch.setattr("benchmarks.pace.command.SCENARIOS", short)
    options = ["pace", "--seeds", "1", "--directory", str(tmp_path)]
    ran = CliRunner().invoke(app, options)
    assert ran.exit_code == 0
    content = json.loads((tmp_path / "flat-one.json").read_text())
    assert list(content) == [OURS, BASELINE]
    assert [sum(run["taken"]) > 0 for run in content[OURS]] == [True]
    assert (tmp_path / "flat-one.png").exists() == bool(find_spec("matplotlib"))
    assert CliRunner().invoke(app, [*options, "--only", "nowhere"]).exit_code == 2
