"""The docket: every claim of a run, in the order of its number, and the verdict on each.

Claims are numbered through the accepted batches and then the unknown contacts; the batches alone
are kept in memory, so that a number leads back to its batch. What an absence proves is decided for
each batch, by when it was settled.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from ..sending.keys import alike
from ..settling.accepted import accepted_batches
from ..settling.spans import positions_of
from ..settling.verdicts import Verdict, unknown_claims
from .reconciliation import ENTERED, Finding
from .sayings import STILL_QUEUED
from .window import Standing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Iterator

    from ..settling.accepted import AcceptedBatch
    from ..settling.verdicts import UnknownClaim
    from .evidence import Evidence
    from .sayings import Sayings

__all__ = ("Docket", "Judged")


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch: the number of its first contact, how many it has, when it was settled."""

    batch_id: int
    first: int
    contacts: int
    at: float
    instance: str


@dataclass(slots=True, kw_only=True)
class Judged:
    """The verdicts in numbers, and what becomes of the unknown."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)  # (outcome, reason)
    details: dict[str, str] = field(default_factory=dict)  # of a missing one's reason
    entered: list[UnknownClaim] = field(default_factory=list)
    absent: list[UnknownClaim] = field(default_factory=list)
    undecided: int = 0
    """Unknown contacts that stay as they are."""
    waits_for: float | None = None
    """When the latest was settled of those that asking again later may decide (our clock)."""
    queued: int = 0
    """Contacts whose event is still queued: asking again may decide them at any time."""

    def total(self, outcome: str) -> int:
        """How many accepted contacts have this outcome."""
        return sum(count for (name, _), count in self.counts.items() if name == outcome)


class Docket:
    """The claims of a run. Made from its journal, which must not change meanwhile.

    Whatever goes through them raises RunDirectoryError where a file of a day is not as it was when
    they were numbered.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._held: list[_Held] = []
        self._unknown: list[UnknownClaim] = []
        self._settled: dict[str, bool] = {}  # which files of days the numbers are of
        self.accepted = 0

    @property
    def size(self) -> int:
        """How many claims there are."""
        return self.accepted + len(self._unknown)

    def keys_of(self, wanted: Container[int]) -> Iterator[tuple[int, str]]:
        """Yield (number, contact key) of the accepted claims that are wanted."""
        number = 0
        for batch in self._batches():
            keys = orjson.loads(batch.keys)
            for place, key in enumerate(keys, number):
                if place in wanted:
                    yield place, key

            number += len(keys)

    @property
    def last_settled(self) -> float:
        """When the last of the accepted contacts was settled (our clock)."""
        return max((held.at for held in self._held), default=0.0)

    def not_entered(self, findings: bytearray) -> Iterator[tuple[int, str, str]]:
        """Yield (number, event instance, contact key) of the claims that are not seen to enter.

        The event instance is in small letters, and empty where none was told.
        """
        batches = self._batches()
        for held, batch in zip(self._held, batches, strict=True):
            part = findings[held.first : held.first + held.contacts]
            if part.count(ENTERED) < len(part):
                for number, key in enumerate(orjson.loads(batch.keys), held.first):
                    if findings[number] != ENTERED:
                        yield number, held.instance, key

        for number, claim in enumerate(self._unknown, self.accepted):
            if findings[number] != ENTERED:
                yield number, "", claim.contact_key

    def enter(self, evidence: Evidence) -> None:
        """Number the claims, and hand them to `evidence`."""
        evidence.claim(self._numbered())

    def _batches(self) -> Iterator[AcceptedBatch]:
        """The same ones each time, so that a number leads to the same contact."""
        return accepted_batches(self._connection, settled=self._settled)

    def _numbered(self) -> Iterator[tuple[str, int]]:
        for batch in self._batches():
            keys = orjson.loads(batch.keys)
            instance = (batch.event_instance_id or "").lower()
            self._held.append(_Held(batch.batch_id, self.accepted, len(keys), batch.at, instance))
            yield from zip(
                map(alike, keys), range(self.accepted, self.accepted + len(keys)), strict=True
            )
            self.accepted += len(keys)

        for number, claim in enumerate(unknown_claims(self._connection), self.accepted):
            self._unknown.append(claim)
            yield alike(claim.contact_key), number

    def verdicts(
        self,
        findings: bytearray,
        standing: Callable[[float], Standing],
        *,
        sayings: Sayings,
        judged: Judged,
    ) -> Iterator[Verdict]:
        """Yield the verdicts on the accepted, and fill `judged`, with the unknown as well.

        `standing` says what an absence proves of a contact settled then.
        """
        before = self._seen_before()
        entered = ("entered", sayings.entered, "")
        batches = self._batches()
        for held, batch in zip(self._held, batches, strict=True):
            part = findings[held.first : held.first + held.contacts]
            places = list(positions_of(batch.spans))
            if part.count(ENTERED) == len(part):
                yield self._verdict(held, entered, places, judged=judged)
                continue

            proof = standing(held.at)
            groups: defaultdict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
            earlier = before(held.batch_id)
            for finding, place in zip(part, places, strict=True):
                kept = earlier.get(place) if finding else None
                groups[kept or sayings.outcome(finding, proof)].append(place)

            for why, some in groups.items():
                if why[0] == "pending" and proof.passing:
                    judged.waits_for = max(judged.waits_for or 0.0, held.at)

                yield self._verdict(held, why, some, judged=judged)

        self._judge_unknown(
            findings, standing, judged=judged, absent=None if sayings.waiting else Standing.MISSING
        )

    def _verdict(
        self,
        held: _Held,
        why: tuple[str, str, str],
        places: list[tuple[int, int]],
        *,
        judged: Judged,
    ) -> Verdict:
        outcome, reason, detail = why
        judged.counts[outcome, reason] += len(places)
        if reason == STILL_QUEUED:
            judged.queued += len(places)

        if outcome == "missing":
            judged.details.setdefault(reason, detail)

        return Verdict(
            batch_id=held.batch_id, outcome=outcome, reason=reason, detail=detail, places=places
        )

    def _seen_before(self) -> Callable[[int], dict[tuple[int, int], tuple[str, str, str]]]:
        """The places of a batch that an earlier verification saw enter: they stay entered."""
        known = {
            batch_id
            for (batch_id,) in self._connection.execute(
                "SELECT DISTINCT batch_id FROM verdict WHERE outcome = 'entered'"
            )
        }

        def of(batch_id: int) -> dict[tuple[int, int], tuple[str, str, str]]:
            if batch_id not in known:
                return {}

            rows = self._connection.execute(
                "SELECT reason, spans FROM verdict WHERE batch_id = ? AND outcome = 'entered'",
                (batch_id,),
            ).fetchall()
            return {
                place: ("entered", reason, "")
                for reason, spans in rows
                for place in positions_of(spans)
            }

        return of

    def _judge_unknown(
        self,
        findings: bytearray,
        standing: Callable[[float], Standing],
        *,
        judged: Judged,
        absent: Standing | None,
    ) -> None:
        for claim, finding in zip(self._unknown, findings[self.accepted :], strict=True):
            proof = standing(claim.at)
            gone = finding not in {Finding.UNDECIDED, Finding.ODD, Finding.QUEUED}
            if finding == Finding.ENTERED:
                judged.entered.append(claim)
            elif gone and proof is absent:
                judged.absent.append(claim)
            else:
                judged.undecided += 1
                judged.queued += finding == Finding.QUEUED
                if gone and proof.passing:
                    judged.waits_for = max(judged.waits_for or 0.0, claim.at)
