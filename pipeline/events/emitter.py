"""The emitter: what is reported reaches whoever subscribes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Emit, Event

__all__ = ("Emitter",)


class Emitter:
    """Hands each event to every subscriber, in the order of subscription.

    Synchronous and in the event loop's thread: a subscriber must return at once.
    """

    __slots__ = ("_subscribers",)

    def __init__(self) -> None:
        self._subscribers: list[Emit] = []

    def subscribe(self, subscriber: Emit) -> None:
        """Every event emitted from now on reaches `subscriber`."""
        self._subscribers.append(subscriber)

    def emit(self, event: Event) -> None:
        """Hand `event` to the subscribers."""
        for subscriber in self._subscribers:
            subscriber(event)

    def __repr__(self) -> str:
        return f"<Emitter with {len(self._subscribers)} subscribers>"
