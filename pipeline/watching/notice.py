"""A notice: something worth a line of its own, and how loud it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

__all__ = ("Notice", "Tone")


class Tone(StrEnum):
    """How loud a notice is."""

    NEWS = "news"  # good to know
    WARNING = "warning"  # the run goes on, someone may want to look
    TROUBLE = "trouble"  # the run ends

    @property
    def level(self) -> int:
        """The level at which it is logged."""
        levels = {Tone.NEWS: logging.INFO, Tone.WARNING: logging.WARNING}
        return levels.get(self, logging.ERROR)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth a line of its own, once."""

    text: str
    tone: Tone
    event: str
    """The name of what it tells of."""
