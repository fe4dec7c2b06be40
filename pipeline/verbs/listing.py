"""Listing: the contacts of one outcome, row by row, as the journal has them.

Rows of rejected and unknown contacts look like the lines of `rejected.ndjson`; those of accepted
ones name the batch and Marketing Cloud's event instance, and, once it was asked who entered, what
was found of them. Unprocessed ones were read and have no
outcome: the journal knows their places only, so they are read again from the source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from ..errors import RunDirectoryError, SourceError
from ..intake.formulas import EXPORTED
from ..intake.queues.place import is_queue
from ..running.plan import Plan
from ..settling.identity import paired
from ..settling.summary import VERIFIED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Config
    from ..intake.ranges import Ranges
    from ..intake.source import FileSource
    from ..mapping.mapper import Mapper
    from ..settling.view import JournalView

__all__ = ("COLUMNS", "ensure_all", "rows_of")


_FAILED = (*EXPORTED, "stage", "reason", "detail")

_VERIFIED = (*EXPORTED, "batch", "event_instance_id", "reason", "detail")

COLUMNS: dict[str, tuple[str, ...]] = {
    "accepted": (*EXPORTED, "batch", "event_instance_id"),
    "rejected": _FAILED,
    "unknown": (*_FAILED, "batch", "attempt"),
    "unprocessed": EXPORTED,
    "entered": _VERIFIED[:-1],
    "missing": _VERIFIED,
    "pending": _VERIFIED,
}
"""The columns of each outcome's table, before those of the records."""


def rows_of(view: JournalView, outcome: str, config: Config) -> Iterator[dict[str, Any]]:
    """Yield a row a contact.

    Raises:
        UsageError: Unprocessed contacts are asked for and their source cannot be read again; or
            those who entered, are missing or pending, and that was never asked.
    """
    if outcome == "accepted":
        return _accepted(view)

    if outcome in VERIFIED:
        return _verified(view, outcome)

    return _unprocessed(view, config) if outcome == "unprocessed" else _failed(view, outcome)


def ensure_all(view: JournalView, outcome: str) -> None:
    """Raise RunDirectoryError where contacts of this outcome are known by their number alone."""
    if outcome in ("accepted", *VERIFIED) and (missed := view.left_out()):
        raise RunDirectoryError(f"not all of them are listed. {'; '.join(missed)}")


def _accepted(view: JournalView) -> Iterator[dict[str, Any]]:
    columns = COLUMNS["accepted"]
    for contact in view.accepted():
        yield {column: getattr(contact, column) for column in columns}


def _verified(view: JournalView, outcome: str) -> Iterator[dict[str, Any]]:
    columns = COLUMNS[outcome]
    for contact in view.verified(outcome):
        yield {column: getattr(contact, column) for column in columns}


def _failed(view: JournalView, outcome: str) -> Iterator[dict[str, Any]]:
    columns = COLUMNS[outcome]
    rows = view.failed("rejected" if outcome == "rejected" else "unknown")
    for row in rows:
        yield {
            **{column: getattr(row, column) for column in columns},
            "record": orjson.loads(row.record),
        }


def _unprocessed(view: JournalView, config: Config) -> Iterator[dict[str, Any]]:
    missing = {name: ranges for name, ranges in view.unprocessed().items() if ranges}
    if not missing:
        return

    if is_queue(config.source.url):
        raise SourceError(
            "a queue has its messages until their contacts are settled, and gives them to workers "
            "alone: those that are unprocessed cannot be listed. `status` counts them"
        )

    plan = Plan.of(config)
    mapper = plan.mapper()
    # The journal's names are those of the last run; a file may have been renamed since.
    known = {
        new.name: old.name for old, new in paired(view.run().identity.sources, plan.fingerprints)
    }
    if gone := missing.keys() - known.values():
        raise SourceError(
            f"{', '.join(sorted(gone))}: not what [source] url names now, or changed since the "
            "run. Only what the run read tells its unprocessed contacts: put it back"
        )

    for source in plan.sources:
        if ranges := missing.get(known.get(source.name, "")):
            yield from _read_again(source, ranges, mapper)


def _read_again(source: FileSource, wanted: Ranges, mapper: Mapper) -> Iterator[dict[str, Any]]:
    *_, (_, last) = wanted
    for chunk in source.chunks(wanted.gaps(last)):
        contacts = mapper.map(chunk)
        keys = dict(zip(contacts.positions, contacts.keys, strict=True))
        for position, record in zip(chunk.positions, chunk.records, strict=True):
            if position <= last:
                yield {
                    "contact_key": keys.get(position),
                    "source": source.name,
                    "position": position,
                    "record": _as_dict(record, chunk.columns),
                }

        if chunk.mark.position >= last:
            return


def _as_dict(record: Any, columns: tuple[str, ...] | None) -> dict[str, Any]:
    return record if columns is None else dict(zip(columns, record, strict=True))
