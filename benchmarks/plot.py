"""The figures as a picture: contacts a second of every way, a panel a case."""

# mypy: disable-error-code="import-untyped,import-not-found"

from __future__ import annotations

from importlib.util import find_spec
from statistics import median
from typing import TYPE_CHECKING, Any

from .ways import OURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .rounds import Measurement, Results

__all__ = ("write_plot",)


def write_plot(results: Results, path: Path) -> Path | None:
    """Draw medians with least and most over the rounds; None where matplotlib is missing."""
    if not find_spec("matplotlib") or not results.measured:
        return None

    from matplotlib.figure import Figure  # noqa: PLC0415  # an extra

    cases = list(results.measured.items())
    figure = Figure(figsize=(9, 0.8 + 1.9 * len(cases)), layout="constrained")

    for axes, (case, ways) in zip(
        figure.subplots(len(cases), squeeze=False)[:, 0], cases, strict=True
    ):
        axes.set_title(str(case), fontsize=10, loc="left")
        _draw(axes, ways)

    figure.savefig(path)
    return path


def _draw(axes: Any, ways: Mapping[str, Sequence[Measurement]]) -> None:
    for place, (name, measured) in enumerate(reversed(list(ways.items()))):
        rates = [each.contacts_per_second / 1000 for each in measured]
        middle = median(rates)
        spread = [[middle - min(rates)], [max(rates) - middle]]
        colour = "tab:blue" if name == OURS else "silver"
        axes.barh(place, middle, xerr=spread, color=colour, label=name, ecolor="dimgray")
        axes.annotate(
            f" {middle:,.0f} k", (max(rates), place), va="center", fontsize=8, annotation_clip=False
        )

    axes.set_yticks(range(len(ways)), list(ways)[::-1], fontsize=8)
    axes.set_xlabel("thousand contacts a second", fontsize=8)
    axes.margins(x=0.1)
