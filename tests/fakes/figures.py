"""What was tried to break it, in numbers, for the last lines of a test run."""

from __future__ import annotations

from collections import Counter

__all__ = ("FIGURES", "figures_told")

FIGURES: Counter[str] = Counter()
"""Counted by tests that audit whole runs; a story that fails its audit is not in it."""


def figures_told() -> str:
    """The figures as a line; empty where nothing was tried."""
    return ", ".join(f"{count:,} {what}" for what, count in FIGURES.items())
