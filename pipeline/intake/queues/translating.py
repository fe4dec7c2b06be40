"""What a queue's client raises, turned into what the caller must do: one class for each client."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ...errors import SourceError
from .message import QueueLostError

if TYPE_CHECKING:
    from .place import Place

__all__ = ("Translating",)


class Translating(ABC):
    """A context whose body calls a client; what `raised_for` makes of its errors is raised."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, SourceError | QueueLostError):
            return

        if (raised := self.raised_for(error)) is not None:
            raise raised from error

    @abstractmethod
    def raised_for(self, error: BaseException) -> SourceError | QueueLostError | None:
        """What the caller is told instead of `error`; None where it is none of the client's."""

    def refused(self, told: str) -> SourceError:
        """The broker will refuse it again, until somebody sees to what the way out names."""
        return SourceError(f"{self._place.label}: {told.rstrip('.')}. {self._place.way_out}")
