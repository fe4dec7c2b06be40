"""Standing: how a run stands, as `status` tells it, to people and to programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from ..settling.summary import iso
from .summary import counted, print_summary

if TYPE_CHECKING:
    from rich.console import Console

    from ..settling.view import JournalView

__all__ = ("print_standing", "standing")


def standing(view: JournalView) -> dict[str, Any]:
    """The summary's members, `unsettled` batches, and `last_error` (None if nothing went wrong)."""
    summary, error = view.summary(), view.last_error()
    return {
        **summary.to_dict(),
        "unsettled": [
            {
                "batch": batch.batch_id,
                "attempt": batch.attempt,
                "contacts": batch.contacts,
                "dispatched_at": iso(batch.dispatched_at),
            }
            for batch in view.unsettled()
        ],
        "last_error": None
        if error is None
        else {"reason": error.reason, "detail": error.detail, "at": iso(error.at)},
    }


def print_standing(found: dict[str, Any], console: Console, *, config: str) -> None:
    """Print what `standing` found."""
    print_summary(console, found, config=config)
    unsettled = found["unsettled"]
    if unsettled:
        contacts = sum(batch["contacts"] for batch in unsettled)
        batches = counted(len(unsettled), "batch", plural="batches")
        fate = "under way" if found["state"] == "running" else "unknown once the run goes on"
        _line(console, f"  {fate}: {batches} of {counted(contacts, 'contact')}")

    if (error := found["last_error"]) is not None:
        _line(console, f"  last trouble, {error['at']}: {error['detail']} ({error['reason']})")


def _line(console: Console, text: str) -> None:
    console.print(Text(text), soft_wrap=True)
