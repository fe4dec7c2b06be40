"""How a run stands."""

from __future__ import annotations

from enum import StrEnum

__all__ = ("RunState",)


class RunState(StrEnum):
    """How a run stands."""

    RUNNING = "running"  # a process works on it, or was killed while it did
    COMPLETED = "completed"  # everything asked for was read and has an outcome
    HALTED = "halted"  # Marketing Cloud refuses; `run` goes on once that is mended
    INTERRUPTED = "interrupted"  # drained by a signal; `run` goes on
    OVER_BUDGET = "over_budget"  # more contacts failed than allowed
