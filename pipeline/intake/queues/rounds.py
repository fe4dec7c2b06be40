"""Rounds: when what is held is to be extended. Sans-IO."""

from __future__ import annotations

import math

__all__ = ("Rounds",)


class Rounds:
    """What is due, and when; each answer of True begins the next round."""

    def __init__(self, *, extend_seconds: float | None, now: float) -> None:
        self._extend_seconds = math.inf if extend_seconds is None else extend_seconds
        self._extend_at = now + self._extend_seconds

    @property
    def due(self) -> float:
        """When something is due."""
        return self._extend_at

    def extends(self, now: float) -> bool:
        """Whether what is held must be extended now."""
        if now < self._extend_at:
            return False

        self._extend_at = now + self._extend_seconds
        return True

    def missed(self) -> None:
        """What is held could not be extended: it is due until it was."""
        self._extend_at = -math.inf

    def pace(self, extend_seconds: float | None, *, now: float) -> None:
        """What is held must be extended so often from now on."""
        self._extend_seconds = math.inf if extend_seconds is None else extend_seconds
        self._extend_at = min(self._extend_at, now + self._extend_seconds)
