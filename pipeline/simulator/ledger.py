"""The truth about every contact: how often it was taken, how often it entered, and why not.

Bounded for millions of contacts: a small integer for each key, a note for each lost one, and
their data only where the rehearsal asks for it.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .fields import Flaw

__all__ = ("Ledger", "Wanted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which contacts to tell of: bounds for how often they were taken and entered, and a cause."""

    taken: tuple[int, int | None] = (0, None)
    entered: tuple[int, int | None] = (0, None)
    cause: str | None = None

    def __contains__(self, row: tuple[int, int, str | None]) -> bool:
        taken, entered, cause = row
        fits = _within(taken, self.taken) and _within(entered, self.entered)
        return fits and (self.cause is None or self.cause == cause)


def _within(number: int, bounds: tuple[int, int | None]) -> bool:
    least, most = bounds
    return number >= least and (most is None or number <= most)


_EVERY: Final = Wanted()
_PAGE: Final = 2_000


class Ledger:
    """What was taken and what entered, in the order of first arrival.

    `keep_data`: keep each contact's last data as well, digit for digit as it came.
    """

    def __init__(self, *, keep_data: bool = False) -> None:
        self.keep_data = keep_data
        self.taken: Counter[str] = Counter()
        self.lost_by_cause: Counter[str] = Counter()
        self._times = 0
        self._lost: dict[str, tuple[int, Flaw]] = {}
        self._data: dict[str, bytes] = {}

    def __repr__(self) -> str:
        return f"<Ledger keys={len(self.taken)} lost={self.lost_by_cause.total()}>"

    def take(self, keys: Sequence[str], data: Sequence[bytes] | None = None) -> None:
        """Contacts were taken; `data` is their JSON, one each, where it is kept."""
        self.taken.update(keys)
        self._times += len(keys)
        if data is not None:
            self._data.update(zip(keys, data, strict=True))

    def lose(self, key: str, flaw: Flaw) -> None:
        """A contact that was taken does not enter."""
        times, _ = self._lost.get(key, (0, flaw))
        self._lost[key] = (times + 1, flaw)
        self.lost_by_cause[flaw.cause] += 1

    def forget(self) -> None:
        """Begin with an empty book."""
        for book in (self.taken, self.lost_by_cause, self._lost, self._data):
            book.clear()

        self._times = 0

    def entered(self, key: str) -> int:
        """How often a contact entered."""
        lost, _ = self._lost.get(key, (0, None))
        return self.taken.get(key, 0) - lost

    def why_lost(self, key: str) -> str | None:
        """Why a contact did not enter when it last failed to; None if it always did."""
        _, flaw = self._lost.get(key, (0, None))
        return flaw.cause if flaw else None

    def data(self, key: str) -> Any:
        """A contact's data when it was last taken, its numbers as text; None if it is not kept."""
        kept = self._data.get(key, b"null")
        return json.loads(kept, parse_int=str, parse_float=str)

    def totals(self) -> dict[str, Any]:
        """The whole in numbers; `taken` and `entered` count each time."""
        taken, distinct = self._times, len(self.taken)
        again = 0 if taken == distinct else sum(map((1).__lt__, self.taken.values()))
        return {
            "taken": taken,
            "distinct": distinct,
            "taken_more_than_once": again,
            "entered": taken - self.lost_by_cause.total(),
            "lost": dict(self.lost_by_cause),
        }

    def pages(self, wanted: Wanted = _EVERY) -> Iterator[bytes]:
        """A JSON line for each contact that is wanted, as the ledger stands at its turn.

        A page comes for every few thousand contacts, wanted or not, and may be empty: between
        two of them others may have their turn.
        """
        keys = list(self.taken)
        for start in range(0, len(keys), _PAGE):
            yield b"".join(self._lines(keys[start : start + _PAGE], wanted))

    def _lines(self, keys: list[str], wanted: Wanted) -> Iterator[bytes]:
        for key in keys:
            taken = self.taken.get(key, 0)
            lost, flaw = self._lost.get(key, (0, None))
            cause = flaw.cause if flaw else None
            if (taken, taken - lost, cause) in wanted:
                yield self._line(key, taken, flaw=flaw)

    def _line(self, key: str, taken: int, *, flaw: Flaw | None) -> bytes:
        row: dict[str, object] = {
            "contact_key": key,
            "taken": taken,
            "entered": self.entered(key),
            "cause": flaw.cause if flaw else None,
        }
        if flaw and flaw.field:
            row["field"] = flaw.field

        if self.keep_data:
            row["data"] = orjson.Fragment(self._data.get(key, b"null"))

        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
