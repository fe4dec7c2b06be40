"""Known runs: what the journal in a directory says of a run, as far as admission asks for it."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .plains import read_plains
from .rows import nothing_begun, read_counts, read_run
from .schema import bring_up_to_date, opened_to_read, translated
from .store import FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from .identity import Identity
    from .rows import Counts, RunRow

__all__ = ("Known", "look")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A run as its journal in `directory` tells it.

    `untouched`: nothing of its sources was read, and nothing sent. `removed_at`: when the journal
    was removed; what is told is what was noted then (injected.py).
    """

    directory: Path
    run: RunRow
    counts: Counts
    untouched: bool = False
    removed_at: float | None = None

    def differences(self, wanted: Identity) -> list[str]:
        """What sets `wanted` apart from this run."""
        return self.run.identity.differences(wanted)

    def over_before(self, moment: float) -> bool:
        """Whether it ended before then, and there is nothing to go on with."""
        run = self.run
        over = (run.finished or self.untouched) and run.retrying is None
        return over and (run.ended_at or run.started_at) < moment


def look(directory: Path) -> Known:
    """Read the journal in `directory`. No process may work on it. Raises RunDirectoryError."""
    journal = directory / FILE_NAME
    bring_up_to_date(journal)
    with closing(opened_to_read(journal)) as connection, translated(journal):
        run, counts = read_run(connection), read_counts(connection)
        return Known(
            directory=directory,
            run=replace(run, identity=run.identity.told(read_plains(connection))),
            counts=counts,
            untouched=nothing_begun(connection, counts),
        )
