"""The inquiry: one round of questions, by the best way there is, and the answer to be judged.

By journey history, where it is to be had; else by a sample of contacts that are looked for in the
journeys as they are now. The journeys must be told in any case: rows and memberships name them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ..errors import EndpointError, PermissionDeniedError
from ..sending.keys import alike
from ..settling.summary import iso
from .later import explain, told_of_later
from .reasons import entered_before, likely, paused
from .reconciliation import ENTERED, Finding
from .sample import inside, spread
from .sayings import Sayings
from .window import SKEW_SECONDS, Horizon, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..sending.entries import Entries
    from ..sending.journeys import Journey
    from ..sending.lookup import Lookup
    from ..sending.statuses import LaterStatus, Statuses
    from .docket import Docket
    from .verifier import Asked, Verifier

__all__ = ("Answer", "Inquiry")

CLOCK_SECONDS = 60.0
"""A clock that differs by more is told of."""

PAUSED = (
    "a journey that listens is paused, and whoever waits there is said to enter once it is "
    "resumed: until then nobody who is unknown is certainly absent"
)
LATER_SECONDS = 3_600.0
"""Events of so long before the run are asked about too: clocks differ."""


@dataclass(slots=True, kw_only=True)
class Answer:
    """What was found, by number of claim, and what an absence in it proves."""

    findings: bytearray
    sayings: Sayings
    journeys: Sequence[Journey]
    horizon: Horizon | None = None
    asked: Asked | None = None
    notes: list[str] = field(default_factory=list)
    sampled: int = 0
    seen: int = 0

    def standing(self, settled_ours: float) -> Standing:
        """What it proves that a contact settled then is not told of."""
        if self.asked is None or self.horizon is None:
            return Standing.NO_HISTORY

        if not self.journeys:
            return Standing.NO_JOURNEY

        return self.asked.standing(settled_ours)

    def decided_in(self, settled_ours: float) -> float:
        """In how many seconds its absence will prove something."""
        if self.asked is None:
            return 0.0

        last = self.asked.reconciled.last_entry
        return self.asked.horizon.decided_in(settled_ours, last_entry=last)

    def told(self) -> dict[str, Any]:
        """The whole, for the journal."""
        told: dict[str, Any] = {
            "by": "history" if self.asked else "sample",
            "journeys": [
                {
                    "name": journey.name,
                    "version": journey.version,
                    "status": journey.said_status,
                    "entry_mode": journey.said_entry_mode,
                }
                for journey in self.journeys
            ],
        }
        if self.asked is not None:
            horizon = self.asked.horizon
            return told | {
                "complete_until": iso(horizon.until),
                "behind_seconds": horizon.behind_seconds,
                "rows": self.asked.rows,
            }

        return told | {"sampled": self.sampled, "seen": self.seen}


class Inquiry:
    """Asks about the contacts on a docket whose claims are in the verifier's evidence."""

    def __init__(
        self,
        lookup: Lookup,
        entries: Entries,
        verifier: Verifier,
        *,
        statuses: Statuses | None,
        event_definition_key: str,
    ) -> None:
        self._lookup = lookup
        self._entries = entries
        self._verifier = verifier
        self._statuses = statuses
        self._key = event_definition_key

    async def answer(
        self, docket: Docket, *, began: float, margin_seconds: float, sample: int, whole: bool
    ) -> Answer:
        """Ask by history, or by a sample where that is not to be had.

        What is queued is asked first: what leaves the queue meanwhile was in it. `whole`: see
        `Verifier.ask`.

        Raises:
            HaltError: Neither can be had, or the journeys are not told.
        """
        later, notes = await self._later(began)
        answer = await self._answer(
            docket, began=began, margin_seconds=margin_seconds, sample=sample, whole=whole
        )
        if later is not None:
            sayings = answer.sayings
            errors = await to_thread.run_sync(
                partial(explain, docket, answer.findings, later, messages=len(sayings.messages))
            )
            answer.sayings = replace(sayings, errors=errors)
            notes += told_of_later(later)

        if answer.horizon is not None:
            until = began + answer.horizon.ahead_seconds - SKEW_SECONDS
            await self._look_earlier(
                docket, answer.findings, journeys=list(answer.journeys), until=until
            )

        answer.notes += notes
        return answer

    async def _later(self, began: float) -> tuple[LaterStatus | None, list[str]]:
        """What became of queued events; None, and why, where that is not to be had."""
        if self._statuses is None:
            return None, []

        since = datetime.fromtimestamp(began - LATER_SECONDS, UTC)
        try:
            return await self._statuses.later(self._key, since=since), []
        except (PermissionDeniedError, EndpointError) as error:
            return None, [f"what became of queued events is not to be had: {error}"]

    async def _answer(
        self, docket: Docket, *, began: float, margin_seconds: float, sample: int, whole: bool
    ) -> Answer:
        try:
            horizon = await self._verifier.horizon(margin_seconds=margin_seconds)
        except (PermissionDeniedError, EndpointError) as error:
            return await self._by_sample(docket, await self._journeys(), sample, why=str(error))

        journeys = await self._journeys()
        try:
            asked = await self._verifier.ask(
                docket, horizon, journeys=journeys, began=began, whole=whole
            )
        except (PermissionDeniedError, EndpointError) as error:
            return await self._by_sample(docket, journeys, sample, why=str(error))

        return Answer(
            findings=asked.reconciled.findings,
            sayings=Sayings(
                absent=likely(journeys),
                before=entered_before(journeys),
                messages=asked.messages,
                waiting=paused(journeys),
            ),
            journeys=journeys,
            horizon=asked.horizon,
            asked=asked,
            notes=[*_notes(asked), *([PAUSED] if paused(journeys) else [])],
        )

    async def stored(self) -> int | None:
        """How many rows the event's data extension has; None where events leave none.

        Raises:
            HaltError: It cannot be told.
        """
        definition = await self._lookup.event_definition(self._key)
        if definition.get("disableDEDataLogging") is True:
            return None

        return await self._entries.stored(definition)

    async def _journeys(self) -> list[Journey]:
        return await self._lookup.journeys(self._key)

    async def _look_earlier(
        self, docket: Docket, findings: bytearray, *, journeys: list[Journey], until: float
    ) -> None:
        """Mark those of the absent that entered before the run."""
        wanted = self._verifier.some_absent(findings[: docket.accepted])
        if not wanted:
            return

        keys = dict(await to_thread.run_sync(lambda: list(docket.keys_of(set(wanted)))))
        earlier = await self._verifier.earlier(keys.values(), journeys, until=until)
        for number, key in keys.items():
            if alike(key) in earlier:
                findings[number] = Finding.BEFORE

    async def _by_sample(
        self, docket: Docket, journeys: list[Journey], sample: int, *, why: str
    ) -> Answer:
        numbers = set(spread(docket.accepted, sample))
        keys = dict(await to_thread.run_sync(lambda: list(docket.keys_of(numbers))))
        found = await inside(list(keys.values()), journeys, self._entries)
        findings = bytearray([Finding.ABSENT]) * docket.size
        for number, key in keys.items():
            if alike(key) in found:
                findings[number] = ENTERED

        seen = len(keys) - sum(findings[number] != ENTERED for number in keys)
        told = (
            f"{seen:,} of {len(keys):,} contacts that were looked for are in the journey now; "
            "of the others, and of all who were not looked for, nothing is known"
        )
        return Answer(
            findings=findings,
            sayings=Sayings(absent="", before="", messages=[""], entered="in_journey_now"),
            journeys=journeys,
            notes=[f"journey history is not to be had: {why}", told],
            sampled=len(keys),
            seen=seen,
        )


def _notes(asked: Asked) -> list[str]:
    """What is to be told of the way to the answer."""
    notes = []
    horizon = asked.horizon
    if (apart := abs(horizon.ahead_seconds)) > CLOCK_SECONDS:
        notes.append(
            f"this machine's clock and Marketing Cloud's differ by {apart:,.0f} s; that was "
            "allowed for, if it was so during the run as well"
        )

    if horizon.behind_seconds is None:
        notes.append("Marketing Cloud did not say how late its history is: nobody is missing yet")

    if not horizon.complete:
        notes.append("fewer rows came than were announced: nobody is missing yet")

    if asked.odd_statuses:
        shown = ", ".join(asked.odd_statuses[:5])
        notes.append(f"history has entries with a status that is not known: {shown}")

    return notes
