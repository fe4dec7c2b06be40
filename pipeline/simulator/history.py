"""Journey history: who entered and when, as Marketing Cloud tells it later.

Documented: rows are kept for thirty days, and are behind real time by what `freshness` says. Our
reading: a time limits rows with both its ends included; a contact that is lost leaves no row,
unless it is asked to leave one with status `Failed` (`failed_rows`).

Bounded for millions: a list of keys for each batch, whose strings the ledger holds anyway. Rows
are made when they are asked for, a page at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from .definitions import activity_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ("COLUMNS", "History", "HistoryPolicy", "Moment", "Question", "as_time")

COLUMNS: Final = (
    "TransactionTime",
    "ContactKey",
    "Status",
    "DefinitionId",
    "DefinitionName",
    "ActivityId",
    "ActivityName",
    "ActivityType",
)
"""The columns of a download that names none."""

PAGE_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPolicy:
    """What history tells, and how late."""

    there: bool = True
    permitted: bool = True
    lag_seconds: float = 0.0
    retention_seconds: float = 30 * 86_400.0
    file_bytes: int = 1 << 30
    """A download of more is refused, 400: what the real one does is not known."""
    entry_seconds: float = 0.0
    """How long after it was taken a contact enters."""
    activity_types: tuple[str, ...] = ("trigger",)
    """A row for each of these tells of an entry."""
    failed_rows: bool = False
    ignores_definitions: bool = False
    """Rows of other journeys come as well, as a user reports of the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which rows are wanted; an empty tuple or None is no limit. Words are in small letters."""

    start: float | None = None
    end: float | None = None
    contact_keys: frozenset[str] = frozenset()
    activity_types: frozenset[str] = frozenset()
    definition_ids: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Rows that differ in their contact alone: those of one batch, one journey, one activity."""

    at: float
    definition_id: str
    definition_name: str
    activity_type: str
    keys: Sequence[str]
    cause: str = ""

    def value(self, column: str) -> str:
        """What stands in a column, the contact's key apart."""
        return _VALUES.get(column.lower(), _nothing)(self)


def _nothing(_: Moment) -> str:
    return ""


_VALUES: Final[dict[str, Callable[[Moment], str]]] = {
    "transactiontime": lambda moment: as_time(moment.at),
    "createddate": lambda moment: as_time(moment.at),
    "epochtimeinmilliseconds": lambda moment: str(round(moment.at * 1000)),
    "status": lambda moment: "Failed" if moment.cause else "Complete",
    "result.status": lambda moment: "Failed" if moment.cause else "Complete",
    "result.messages": lambda moment: moment.cause,
    "definitionid": lambda moment: moment.definition_id,
    "definitionname": lambda moment: moment.definition_name,
    "activityid": lambda moment: activity_id(moment.definition_id, moment.activity_type),
    "activityname": lambda moment: f"{moment.activity_type} of {moment.definition_name}",
    "activitytype": lambda moment: moment.activity_type,
}


@dataclass(slots=True)
class _Batch:
    at: float
    keys: Sequence[str]
    refused: list[tuple[str, str]] = field(default_factory=list)  # (key, cause)


class History:
    """Who entered, batch for batch. `journeys` are (definition id, name) of those that listen."""

    def __init__(self, policy: HistoryPolicy, journeys: Sequence[tuple[str, str]]) -> None:
        self.policy = policy
        self.journeys = tuple(journeys)
        self._batches: list[_Batch] = []

    def __repr__(self) -> str:
        return f"<History of {len(self._batches)} batches>"

    def note(self, at: float, keys: Sequence[str], refused: Iterable[tuple[str, str]] = ()) -> None:
        """Contacts entered, and others were refused, each for a cause."""
        told = list(refused) if self.policy.failed_rows else []
        self._batches.append(_Batch(at + self.policy.entry_seconds, keys, told))

    def forget(self) -> None:
        """Begin with an empty book."""
        self._batches.clear()

    def moments(self, asked: Question, now: float) -> Iterator[Moment]:
        """The rows that are wanted and can be seen at `now`, in the order of time."""
        latest = now - self.policy.lag_seconds
        earliest = now - self.policy.retention_seconds
        if asked.start is not None:
            earliest = max(earliest, asked.start)

        if asked.end is not None:
            latest = min(latest, asked.end)

        for batch in sorted(self._batches, key=lambda batch: batch.at):
            if earliest <= batch.at <= latest:
                for moment in self._of(batch):
                    if (wanted := self._narrowed(moment, asked)) is not None:
                        yield wanted

    def _of(self, batch: _Batch) -> Iterator[Moment]:
        causes: dict[str, list[str]] = {}
        for key, cause in batch.refused:
            causes.setdefault(cause, []).append(key)

        for definition_id, name in self.journeys:
            for kind in self.policy.activity_types:
                for cause, keys in (("", batch.keys), *causes.items()):
                    if keys:
                        yield Moment(
                            at=batch.at,
                            definition_id=definition_id,
                            definition_name=name,
                            activity_type=kind,
                            keys=keys,
                            cause=cause,
                        )

    def _narrowed(self, moment: Moment, asked: Question) -> Moment | None:
        for wanted, value in (
            (asked.activity_types, moment.activity_type),
            (asked.statuses, moment.value("Status")),
            (
                frozenset() if self.policy.ignores_definitions else asked.definition_ids,
                moment.definition_id,
            ),
        ):
            if wanted and value.lower() not in wanted:
                return None

        if not asked.contact_keys:
            return moment

        keys = [key for key in moment.keys if key in asked.contact_keys]
        return _with_keys(moment, keys) if keys else None

    def pages(
        self, asked: Question, now: float, *, columns: Sequence[str], separator: str
    ) -> Iterator[bytes]:
        """The rows as text, a header first, some thousands at a time."""
        page = [separator.join(columns) + "\r\n"]
        rows = 0
        for moment in self.moments(asked, now):
            page.append(_text(moment, columns, separator))
            rows += len(moment.keys)
            if rows >= PAGE_ROWS:
                yield "".join(page).encode()
                page, rows = [], 0

        if page:
            yield "".join(page).encode()


def _with_keys(moment: Moment, keys: Sequence[str]) -> Moment:
    return Moment(
        at=moment.at,
        definition_id=moment.definition_id,
        definition_name=moment.definition_name,
        activity_type=moment.activity_type,
        keys=keys,
        cause=moment.cause,
    )


def _text(moment: Moment, columns: Sequence[str], separator: str) -> str:
    """The rows of a moment: only their keys differ, so everything else is written once."""
    joined = "".join(moment.keys)
    keys = moment.keys
    if any(mark in joined for mark in ('"', separator, "\n", "\r")):
        keys = [_cell(key, separator) for key in keys]

    cells = [
        "\0" if name.lower() == "contactkey" else _cell(moment.value(name), separator)
        for name in columns
    ]
    before, marked, after = separator.join(cells).partition("\0")
    if not marked:
        return (before + "\r\n") * len(keys)

    return before + f"{after}\r\n{before}".join(keys) + f"{after}\r\n"


def _cell(value: str, separator: str) -> str:
    if any(mark in value for mark in ('"', separator, "\n", "\r")):
        return '"' + value.replace('"', '""') + '"'

    return value


def as_time(seconds: float) -> str:
    """Unix seconds as ISO 8601 with milliseconds."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
