"""Moments at which something happened, looked at through windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("worst_window",)


def worst_window(moments: Sequence[float], seconds: float) -> int:
    """The most moments that lie within any window of that length."""
    worst = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= seconds:
            first += 1

        worst = max(worst, last - first + 1)

    return worst
