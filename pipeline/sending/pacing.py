"""Pacing: what senders need of a pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .control import Permit
    from .verdict import Verdict

__all__ = ("Pacing",)


class Pacing(Protocol):
    """What senders need of a pace, be it one process's own or many workers' common one.

    Every permit is handed back once, whatever became of the request.
    """

    async def wait(self, contacts: int) -> Permit:
        """Return when a request of so many contacts may be sent; may be cancelled."""

    def take(self, contacts: int) -> Permit | None:
        """Take leave to send at once, where that needs no waiting; else nothing is taken."""

    def came_back(self, permit: Permit, verdict: Verdict | None) -> None:
        """A request has ended, with `verdict`; None: it was not sent, or broken off."""

    def retry_seconds(self) -> float:
        """A batch is to be sent again: how long it must wait for that, at the least."""

    async def spread(self) -> None:
        """Let other workers know of a hold that came back, if there are any."""

    def outage(self) -> bool:
        """Whether nothing gets through, though it did before."""

    def hopeless(self) -> bool:
        """Whether nothing has got through for so long that the run should halt."""
