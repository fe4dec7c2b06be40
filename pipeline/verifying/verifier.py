"""The verifier: asks who entered, and comes to a verdict on every contact of a run.

    how late is history ─▶ which journeys listen ─▶ how much there is ─▶ the rows, piece by piece
         ─▶ claims and entries sorted by key ─▶ a finding for each claim ─▶ verdicts

It writes nothing but its evidence; the verdicts are written by whoever asked for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from ..sending.endpoint import history_question
from ..sending.patience import PassingError, patiently
from .history import ENTRY_ACTIVITIES, HistoryReader, RowKind, Sorter
from .reasons import bars_reentry
from .reconciliation import Finding, Reconciled, reconcile
from .window import RETENTION_SECONDS, Horizon, Standing, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..sending.clock import Clock
    from ..sending.entries import Entries
    from ..sending.journeys import Journey
    from .docket import Docket
    from .evidence import Evidence

__all__ = ("Asked", "Verifier")

CHUNK_BYTES: Final = 1 << 20
"""Rows are read and written down in stretches of so much text."""

EARLIER_KEYS: Final = 2_000
"""Of how many contacts that are absent it is asked whether they entered before the run."""

EARLIER_AT_ONCE: Final = 500
SHARE_OF_ESTIMATE: Final = 0.9
"""An estimate is approximate: fewer rows than this of it are too few."""

OVERLAP_SECONDS: Final = 60.0
"""What was complete so long before it ended is not asked for again."""


@dataclass(slots=True, kw_only=True)
class Asked:
    """What was found in one round of questions."""

    horizon: Horizon
    reconciled: Reconciled
    messages: list[str]
    entries_by_journey: list[tuple[str, int]] = field(default_factory=list)
    rows: int = 0
    odd_statuses: list[str] = field(default_factory=list)

    def standing(self, settled_ours: float) -> Standing:
        """What it proves that a contact settled then is not told of."""
        return self.horizon.standing(settled_ours, last_entry=self.reconciled.last_entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the evidence holds of an earlier question: every row before `until`."""

    numbers: dict[str, int]
    sorter: Sorter
    until: float

    def serves(self, numbers: dict[str, int]) -> bool:
        """Whether it is of the same journeys, and no row of it could be of a later time."""
        return self.numbers == numbers and not self.sorter.seen.undated


class Verifier:
    """Asks Marketing Cloud about the contacts on a docket. `tell` is given a line of progress."""

    def __init__(
        self,
        entries: Entries,
        *,
        evidence: Evidence,
        clock: Clock,
        tell: Callable[[str], None],
        attempts: int,
    ) -> None:
        self._entries = entries
        self._evidence = evidence
        self._clock = clock
        self._tell = tell
        self._attempts = attempts
        self._known: _Known | None = None

    async def horizon(self, *, margin_seconds: float) -> Horizon:
        """How far history can be relied on now.

        Raises:
            HaltError: It is not to be had.
        """
        fresh = await self._entries.freshness()
        return Horizon(
            now=self._clock.wall().timestamp() + fresh.ahead_seconds,
            behind_seconds=fresh.behind_seconds,
            ahead_seconds=fresh.ahead_seconds,
            margin_seconds=margin_seconds,
        )

    async def ask(
        self,
        docket: Docket,
        horizon: Horizon,
        *,
        journeys: list[Journey],
        began: float,
        whole: bool,
    ) -> Asked:
        """Ask who entered since the run began; the docket's claims are in the evidence already.

        Unless `whole`, what an earlier question brought counts, as far as it was complete then.

        Raises:
            HaltError: It is not to be had; nothing is concluded.
        """
        numbers = _numbers(journeys)
        known, self._known = self._known, None
        if known is None or whole or not known.serves(numbers):
            known = _Known(numbers=numbers, sorter=Sorter(numbers), until=0.0)

        sorter = known.sorter
        sorter.seen.rows, complete = 0, True
        if journeys:
            window = horizon.window(began, known=known.until)
            since = window.start if known.until else None
            await to_thread.run_sync(self._evidence.forget_entries, since)
            complete = await self._gather(window, journeys, sorter=sorter)

        if complete and horizon.behind_seconds is not None:
            self._known = replace(known, until=horizon.until - OVERLAP_SECONDS)

        reconciled = await to_thread.run_sync(self._reconcile, docket)
        counts = await to_thread.run_sync(self._evidence.by_journey)
        names = {number: key for key, number in _by_key(journeys).items()}
        return Asked(
            horizon=replace(horizon, complete=complete),
            reconciled=reconciled,
            messages=sorter.messages,
            entries_by_journey=[(names[number], count) for number, count in counts.items()],
            rows=sorter.seen.rows,
            odd_statuses=sorted(sorter.odd_statuses),
        )

    def _reconcile(self, docket: Docket) -> Reconciled:
        return reconcile(
            self._evidence.claims(),
            self._evidence.tallies(),
            size=docket.size,
            accepted=docket.accepted,
        )

    async def _gather(self, window: Window, journeys: list[Journey], *, sorter: Sorter) -> bool:
        """Read the rows of a window into the evidence; whether as many came as were announced."""
        waiting, complete = [window], True
        while waiting:
            piece = waiting.pop()
            question = _question(piece, journeys)
            estimate = await self._entries.estimate(question)
            parts = piece.pieces(estimate.file_bytes)
            if len(parts) > 1:
                waiting += reversed(parts)
                continue

            rows = await self._download(piece, question, sorter=sorter)
            complete = complete and rows >= (estimate.rows or 0) * SHARE_OF_ESTIMATE

        return complete

    async def _download(self, piece: Window, question: dict[str, Any], *, sorter: Sorter) -> int:
        """Read the rows of one file, again from its beginning where it broke off."""
        seen = sorter.seen.rows

        async def attempt() -> int:
            sorter.seen.rows = seen
            intake = _Intake(self._evidence, sorter, piece)
            with self._evidence.whole():
                await self._entries.download(question, intake.take)
                await intake.finish()

            return sorter.seen.rows - seen

        rows = await patiently(attempt, subject="The journey history", attempts=self._attempts)
        self._tell(f"{sorter.seen.rows:,} rows of journey history read")
        return rows

    def some_absent(self, findings: bytearray) -> list[int]:
        """The numbers of the first claims that are absent, as many as are asked about."""
        found: list[int] = []
        at = findings.find(Finding.ABSENT)
        while at >= 0 and len(found) < EARLIER_KEYS:
            found.append(at)
            at = findings.find(Finding.ABSENT, at + 1)

        return found

    async def earlier(
        self, keys: Iterable[str], journeys: list[Journey], *, until: float
    ) -> set[str]:
        """Those of the keys, as in `alike`, that entered before.

        Asked only where a journey lets nobody in twice.

        Raises:
            HaltError: As `ask`.
        """
        found: set[str] = set()
        if not bars_reentry(journeys):
            return found

        wanted = list(keys)
        window = Window(until - RETENTION_SECONDS, until)
        for begin in range(0, len(wanted), EARLIER_AT_ONCE):
            some = wanted[begin : begin + EARLIER_AT_ONCE]
            question = {**_question(window, journeys), "contactKeys": some}
            found |= await self._keys_told(question, window, journeys=journeys)

        return found

    async def _keys_told(
        self, question: dict[str, Any], window: Window, *, journeys: list[Journey]
    ) -> set[str]:
        async def attempt() -> set[str]:
            sorter, reader = Sorter(_numbers(journeys)), HistoryReader()
            keys: set[str] = set()

            def note(rows: list[tuple[str, ...]]) -> None:
                entries = sorter.entries(rows, start=window.start, end=window.end)
                keys.update(entry[0] for entry in entries if entry[4] == RowKind.ENTERED)

            async def sink(piece: bytes) -> None:
                note(reader.feed(piece))

            await self._entries.download(question, sink)
            note(reader.finish())
            return keys

        return await patiently(attempt, subject="The journey history", attempts=self._attempts)


class _Intake:
    """Takes the pieces of one file, and writes its rows down in stretches, in a thread."""

    def __init__(self, evidence: Evidence, sorter: Sorter, window: Window) -> None:
        self._evidence = evidence
        self._sorter = sorter
        self._window = window
        self._reader = HistoryReader()
        self._held: list[bytes] = []
        self._size = 0

    async def take(self, piece: bytes) -> None:
        """Hold a piece, and read what is held once it is worth the way."""
        self._held.append(piece)
        self._size += len(piece)
        if self._size >= CHUNK_BYTES:
            await to_thread.run_sync(self._read)

    async def finish(self) -> None:
        """Read the rest. Raises PassingError where the file does not end as it should."""
        try:
            await to_thread.run_sync(self._read)
            await to_thread.run_sync(self._write, self._reader.finish())
        except ValueError as error:
            raise PassingError(str(error)) from None

    def _read(self) -> None:
        text, self._size = b"".join(self._held), 0
        self._held.clear()
        self._write(self._reader.feed(text))

    def _write(self, rows: list[tuple[str, ...]]) -> None:
        window = self._window
        self._evidence.add(self._sorter.entries(rows, start=window.start, end=window.end))


def _by_key(journeys: list[Journey]) -> dict[str, int]:
    """A number for each journey; its versions share it."""
    return {key: number for number, key in enumerate(dict.fromkeys(one.key for one in journeys))}


def _numbers(journeys: list[Journey]) -> dict[str, int]:
    """The number of the journey that each definition id is one of."""
    numbers = _by_key(journeys)
    return {one: numbers[journey.key] for journey in journeys for one in journey.definition_ids}


def _question(window: Window, journeys: list[Journey]) -> dict[str, Any]:
    start, end = window.asked
    return history_question(sorted(_numbers(journeys)), ENTRY_ACTIVITIES, start=start, end=end)
