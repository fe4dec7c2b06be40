"""Summary: what a run comes to, and the file that says so.

`summary.json` is one JSON object, the fields of `Summary` in their order; times are UTC and end
in `Z`, `seconds` is the time during which a process worked on the run, and every number counts
all legs of the run. It is written beside its place and renamed into it, so that a reader sees the
old one or the new one, never half of one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from ..errors import ConservationError
from .schema import translated
from .whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from .rows import Counts, RunRow
    from .state import RunState
    from .verdicts import Verified

__all__ = ("VERIFIED", "Summary", "iso")


VERIFIED = ("entered", "missing", "pending")
"""What became of the accepted contacts."""


def iso(seconds: float) -> str:
    """Unix seconds as `2026-11-23T16:43:12.345Z`."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A run in numbers; `read = accepted + rejected + unknown + unprocessed`, always."""

    run_id: str
    state: RunState
    endpoint: str
    read: int
    accepted: int
    rejected: int
    unknown: int
    unprocessed: int
    batches: int
    requests: int
    retries: int
    tokens: int
    seconds: float
    contacts_per_second: float
    started_at: str
    ended_at: str | None
    entered: int | None = None
    """With the next two what became of the accepted: `accepted = entered + missing + pending`.
    They are told once Marketing Cloud was asked."""
    missing: int | None = None
    pending: int | None = None
    duplicates: int | None = None
    """Contacts that share their key with an earlier one of the run; told where there are any."""
    let_go: int | None = None
    """Of the unprocessed, those of messages that went back to the queue (let_go.py); told where
    contacts of a queue are unprocessed."""

    @classmethod
    def of(
        cls,
        run: RunRow,
        counts: Counts,
        *,
        verified: Verified | None = None,
        duplicates: int | None = None,
        let_go: int | None = None,
    ) -> Summary:
        """Sum up; raises ConservationError if more contacts have an outcome than were read."""
        if counts.settled > counts.read:
            raise ConservationError(
                f"run {run.run_id}: {counts.settled:,} contacts have an outcome but only "
                f"{counts.read:,} were read, a difference of {counts.settled - counts.read:,}"
            )

        seconds = run.counters.seconds
        return cls(
            run_id=run.run_id,
            state=run.state,
            endpoint=run.endpoint,
            read=counts.read,
            accepted=counts.accepted,
            rejected=counts.rejected,
            unknown=counts.unknown,
            unprocessed=counts.read - counts.settled,
            batches=counts.batches,
            requests=run.counters.requests,
            retries=run.counters.retries,
            tokens=run.counters.tokens,
            seconds=round(seconds, 3),
            contacts_per_second=round(counts.settled / seconds, 1) if seconds > 0 else 0.0,
            started_at=iso(run.started_at),
            ended_at=None if run.ended_at is None else iso(run.ended_at),
            entered=verified.entered if verified else None,
            missing=verified.missing if verified else None,
            pending=counts.accepted - verified.entered - verified.missing if verified else None,
            duplicates=duplicates,
            let_go=None if let_go is None else min(let_go, counts.read - counts.settled),
        )

    def to_dict(self) -> dict[str, Any]:
        """The members of `summary.json`, in their order."""
        told = asdict(self)
        if not self.duplicates:
            del told["duplicates"]

        if self.let_go is None or not self.unprocessed:
            del told["let_go"]

        if self.entered is None:
            for name in VERIFIED:
                del told[name]

        return told

    def to_json(self) -> str:
        """One line of JSON."""
        return orjson.dumps(self.to_dict()).decode()

    def write(self, path: Path) -> None:
        """Put the summary at `path`, whole; raises RunDirectoryError."""
        with translated(path):
            write_whole(path, f"{self.to_json()}\n".encode(), synced=True)
