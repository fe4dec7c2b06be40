"""A rehearsal as a picture: what got through each second, and how many were let at once."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .rehearsal import OURS, SAMPLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .rehearsal import Rehearsal

__all__ = ("draw",)


def draw(rehearsals: Sequence[Rehearsal], path: Path) -> Path | None:
    """Draw ways beside each other in one scenario; None where matplotlib is missing."""
    if not find_spec("matplotlib"):
        return None

    from matplotlib.figure import Figure  # noqa: PLC0415  # an extra

    scenario = rehearsals[0].scenario
    figure = Figure(figsize=(10, 6), layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(3, 2))
    above.set_title(f"{scenario.name}: {scenario.about}", fontsize=10, loc="left")
    seconds = range(int(scenario.seconds))
    above.step(seconds, rehearsals[0].ideal, where="post", color="black", lw=1, label="the best")
    for rehearsal in reversed(rehearsals):
        _draw(above, below, rehearsal)

    above.set_ylabel("requests taken a second", fontsize=8)
    above.set_ylim(bottom=0)
    above.legend(fontsize=8, loc="lower right")
    below.set_ylabel("let at once", fontsize=8)
    below.set_xlabel("seconds; dots are seconds with refusals, the larger the more", fontsize=8)
    below.set_ylim(bottom=0)
    figure.savefig(path, dpi=110)
    return path


def _draw(above: Any, below: Any, rehearsal: Rehearsal) -> None:
    colour = "tab:blue" if rehearsal.way == OURS else "tab:orange"
    seconds = range(len(rehearsal.taken))
    above.step(
        seconds, rehearsal.taken, where="post", color=colour, lw=1.2, alpha=0.8, label=rehearsal.way
    )
    refused = [second for second in seconds if rehearsal.refusals[second]]
    above.scatter(
        [second + 0.5 for second in refused],
        [rehearsal.taken[second] for second in refused],
        s=[8 + 2 * rehearsal.refusals[second] for second in refused],
        color=colour,
        edgecolor="tab:red",
        linewidth=0.6,
        zorder=3,
    )
    moments = [each * SAMPLE_SECONDS for each in range(len(rehearsal.limits))]
    below.step(moments, rehearsal.limits, where="post", color=colour, lw=1.2, alpha=0.8)
