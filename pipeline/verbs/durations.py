"""Durations as a person types them: 90s, 30m, 2h, or 1.5h."""

from __future__ import annotations

import re

from ..errors import UsageError

__all__ = ("seconds_of",)

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def seconds_of(option: str, text: str) -> float:
    """Seconds; raises UsageError, naming the option, where it is no duration."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip().lower())
    if found is None:
        raise UsageError(f"{option} must be a time such as 90s, 30m or 2h, not {text!r}")

    return float(found[1]) * _UNITS[found[2]]
