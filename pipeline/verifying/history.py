"""History: the rows of a download, read as they come. Sans-IO.

A download is CSV or TSV with a header; which of the two is seen in the header. Columns are found
by name in any spelling, in any order. A row that is shorter than the header means that something
was lost on the way, which is an error: whoever counts must not miss a row in silence.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from ..sending.keys import alike

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ("ENTRY_ACTIVITIES", "Entry", "HistoryReader", "RowKind", "Sorter", "moment_of")

ENTRY_ACTIVITIES: Final = ("trigger", "startinteractionactivity")
"""The activities whose rows tell of an entry. Both may tell of the same one."""

Entry = tuple[str, int, int, int, int, int]
"""Key as in `alike`, milliseconds (0: not told), journey, activity, kind of row, message."""

MAX_HELD: Final = 1 << 24
"""Characters of one row at most: beyond that its quotes are broken."""

MAX_MESSAGES: Final = 200
"""More different messages than these are not kept apart."""


class RowKind(IntEnum):
    """What a row says of its contact."""

    ENTERED = 0
    REFUSED = 1
    ODD = 2  # a status that is not known: nothing is concluded from it


_ENTERED: Final = frozenset(["complete", "completed", "success", "successful"])
_REFUSED: Final = frozenset(
    [
        "failed",
        "error",
        "erroroccuredinprocessing",
        "errorvalidatingcontact",
        "errordetermininginitialactivity",
        "couldnotparseinteractionid",
        "interactionnotpublished",
        "notevaluatingentrycriteria",
        "invalidinteractionid",
        "didnotmeetentrycriteria",
        "contactnotfound",
        "contactalreadyininteraction",
        "currentlywaitinginsameinteraction",
        "contactpreviouslyinsameinteraction",
        "contactobjectnull",
        "contactisdeleted",
        "contactisrestricted",
    ]
)
"""Statuses that practitioners ask for when they look for who did not enter."""

_NAMES: Final = (
    "contactkey",
    "definitionid",
    "activitytype",
    "status",
    "result.status",
    "result.messages",
    "epochtimeinmilliseconds",
    "transactiontime",
)
_NEEDED: Final = 4  # without the first four nothing can be told


class HistoryReader:
    """Reads the pieces of one download into rows, the cells in the order of `_NAMES`.

    Raises ValueError where it cannot be a journey history, or was cut.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode
        self._held = ""
        self._pick: Callable[[Sequence[str]], tuple[str, ...]] | None = None
        self._width = 0
        self._separator = ","

    def feed(self, piece: bytes) -> list[tuple[str, ...]]:
        """The rows that are whole now."""
        self._held += self._decode(piece)
        end = self._held.rfind("\n") + 1
        # A line break inside quotes ends no row: up to a row's end the quotes come in pairs.
        if not end or self._held.count('"', 0, end) % 2:
            if len(self._held) > MAX_HELD:
                raise ValueError("a row of the journey history does not end: its quotes are broken")

            return []

        lines, self._held = self._held[:end], self._held[end:]
        return self._rows(lines)

    def finish(self) -> list[tuple[str, ...]]:
        """The last row, where it ends without a line break."""
        last = self._held + self._decode(b"", True)  # noqa: FBT003  # the codec's own signature
        self._held = ""
        if last.count('"') % 2:
            raise ValueError("the journey history ends within a row")

        rows = self._rows(last) if last.strip() else []
        if self._pick is None:
            raise ValueError("the journey history holds not even a header")

        return rows

    def _rows(self, text: str) -> list[tuple[str, ...]]:
        if self._pick is None:
            header, _, text = text.partition("\n")
            self._read_header(header.rstrip("\r"))

        assert self._pick is not None  # noqa: S101  # for the type checker: read above
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._separator)
        cells = [row for row in reader if row]
        if any(len(row) < self._width for row in cells):
            raise ValueError("a row of the journey history is shorter than its header")

        return list(map(self._pick, cells))

    def _read_header(self, header: str) -> None:
        self._separator = "\t" if header.count("\t") > header.count(",") else ","
        names = next(csv.reader([header], delimiter=self._separator), [])
        plain = ["".join(name.split()).replace("_", "").lower() for name in names]
        plain = [name.replace("defintion", "definition") for name in plain]  # as documented once
        if missing := [name for name in _NAMES[:_NEEDED] if name not in plain]:
            raise ValueError(f"the journey history has no column {missing[0]!r}")

        # What is not there is read from an empty cell behind the row's own.
        places = [plain.index(name) if name in plain else len(plain) for name in _NAMES]
        get = itemgetter(*places)
        self._width = len(plain)
        self._pick = get if max(places) < len(plain) else lambda row: get([*row, ""])


@dataclass(slots=True)
class Seen:
    """What came of a download, beside the entries."""

    rows: int = 0
    foreign: int = 0
    """Rows of other journeys or activities, which were not asked for."""
    undated: int = 0
    """Entries that tell no time: they may be of any."""


class Sorter:
    """Makes entries of rows: those of these journeys, within the time that is asked for.

    `journeys` gives each definition id, in small letters, the number of its journey.
    """

    def __init__(self, journeys: dict[str, int]) -> None:
        self._journeys = journeys
        self._known: dict[tuple[str, ...], tuple[int, int, int, int] | None] = {}
        self.messages = [""]
        """What history says of those it refused; an entry names its place here."""
        self.odd_statuses: set[str] = set()
        self.seen = Seen()

    def entries(self, rows: Sequence[tuple[str, ...]], *, start: float, end: float) -> list[Entry]:
        """The entries from `start` up to, but without, `end` (Unix seconds)."""
        known, found = self._known, []
        first, last = round(start * 1000), round(end * 1000)
        foreign = 0
        for row in rows:
            sort = row[1:6]
            if sort not in known:
                self._know(sort)

            if (read := known[sort]) is None:
                foreign += 1
                continue

            epoch = row[6]
            at = int(epoch) if epoch.isdecimal() else moment_of(row[7])
            if first <= at < last:
                found.append((alike(row[0]), at, *read))
            elif not at:
                self.seen.undated += 1
                found.append((alike(row[0]), at, *read))

        self.seen.rows += len(rows)
        self.seen.foreign += foreign
        return found

    def _know(self, sort: tuple[str, ...]) -> None:
        """Read what many rows have in common, once."""
        definition, activity, status, result, message = sort
        journey = self._journeys.get(definition.strip().strip("{}").lower())
        activity = activity.strip().lower()
        if len(self._known) > 100_000:  # messages that differ from row to row
            self._known.clear()

        if journey is None or activity not in ENTRY_ACTIVITIES:
            self._known[sort] = None
            return

        kind = _kind(status, result)
        if kind is RowKind.ODD:
            self.odd_statuses.add((status or result or "none")[:40])

        number = self._message(message or result or status) if kind is RowKind.REFUSED else 0
        self._known[sort] = (journey, ENTRY_ACTIVITIES.index(activity), kind, number)

    def _message(self, text: str) -> int:
        shown = " ".join(text.split())[:200]
        if shown not in self.messages:
            if len(self.messages) >= MAX_MESSAGES:
                return 0

            self.messages.append(shown)

        return self.messages.index(shown)


def _kind(status: str, result: str) -> RowKind:
    words = ["".join(word.split()).lower() for word in (status, result)]
    said = [word for word in words if word]
    if said and all(word in _ENTERED for word in said):
        return RowKind.ENTERED

    # Complete, but with a result that failed, is a contradiction: it stays odd.
    return RowKind.REFUSED if said and all(word in _REFUSED for word in said) else RowKind.ODD


def moment_of(text: str) -> int:
    """Milliseconds of a time that names its zone; 0 where there is none: it could be any zone."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return 0

    return 0 if moment.tzinfo is None else round(moment.timestamp() * 1000)
