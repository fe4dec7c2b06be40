"""Measurements: journey-pipeline beside the ways people do it today, all in one run.

`python -m benchmarks` runs them; README.md says what each number means.
"""

from __future__ import annotations

__all__ = ()
