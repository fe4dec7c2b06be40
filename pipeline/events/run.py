"""What is reported of a run: how it begins, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = (
    "DrainStarted",
    "LeftoversFound",
    "RetryStarted",
    "RunEnded",
    "RunHalted",
    "RunPutAside",
    "RunStarted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins, or goes on. `settled` contacts were settled before."""

    run_id: str
    resumed: bool
    settled: int
    total: int | None  # contacts expected, where it can be known
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStarted:
    """Contacts that have an outcome are sent again; `continued`: an earlier process began it.

    `lost` ones cannot be: neither their source nor the journal has them.
    """

    run_id: str
    outcome: str
    contacts: int
    lost: int
    continued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPutAside:
    """The run that was in the run directory lies in `directory` now."""

    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoversFound:
    """A resumed run found batches that were dispatched when the last process died."""

    batches: int
    contacts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainStarted:
    """The run takes no more; what is begun is finished."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHalted:
    """The run stops: sending again cannot mend it. Nothing is lost."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is over; `state` as in summary.json."""

    state: str
