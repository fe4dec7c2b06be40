"""The dry run: everything a run does but send. Nothing is written, and the run directory is left
alone. Where credentials are given, contacts are held against the event's fields as in a run, and
of contacts that share a key those are left out that a run would leave out.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ..errors import JourneyError
from ..events import ChunkRead, FieldsUnreadable
from ..packing.batch import Trigger
from ..packing.batcher import Batcher
from ..running.outlook import outlook_of
from ..running.plan import Plan
from ..running.sharing import open_account
from ..running.sifting import Sifter
from ..sending.clock import Clock
from ..settling.doubles import Doubles
from ..settling.duplicates import Scratch
from ..watching.summary import counted, shared_keys

if TYPE_CHECKING:
    from ..config import Config
    from ..events import Emit
    from ..intake.source import Rejection
    from ..mapping.contacts import Contacts
    from ..mapping.target import Target
    from ..packing.batch import Batch

__all__ = ("Rehearsal", "rehearse")


@dataclass(slots=True, kw_only=True)
class Rehearsal:
    """What a run would come to, in records, batches and bytes of payload."""

    endpoint: str
    contacts: int = 0
    batches: int = 0
    payload_bytes: int = 0
    seconds: float = 0.0
    duplicates: int = 0
    """Contacts that share their key with an earlier one."""
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Rejection] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """Records that would not be sent."""
        return self.reasons.total()

    def count(self, contacts: Contacts) -> None:
        """A chunk was mapped."""
        self.contacts += len(contacts)
        self.reasons.update(each.reason for each in contacts.rejected)
        for each in contacts.rejected:
            self.examples.setdefault(each.reason, each)

    def seal(self, batches: list[Batch]) -> None:
        """Batches were sealed."""
        self.batches += len(batches)
        self.payload_bytes += sum(len(batch.payload) for batch in batches)

    def lines(self) -> list[str]:
        """For people: the counts, and the reasons with an example each."""
        lines = [
            f"dry run: nothing was sent, {self.seconds:,.1f} s",
            (
                f"  {counted(self.contacts, 'contact')} in {counted(self.batches, 'request')}, "
                f"{self.payload_bytes / 1e6:,.1f} MB"
            ),
            f"  {counted(self.rejected, 'record')} would be rejected",
        ]
        if self.duplicates:
            lines.append(shared_keys(self.duplicates))

        for reason, number in self.reasons.most_common():
            each = self.examples[reason]
            where = f"{each.source}, record {each.position}"
            lines.append(f"    {number:,} {reason}, first at {where}: {each.detail}")

        return lines

    def as_summary(self) -> dict[str, Any]:
        """In the shape of summary.json: what would be sent stands under `unprocessed`."""
        rate = (self.contacts + self.rejected) / self.seconds if self.seconds else 0.0
        return {
            "run_id": None,
            "state": "completed",
            "dry_run": True,
            "endpoint": self.endpoint,
            "read": self.contacts + self.rejected,
            "accepted": 0,
            "rejected": self.rejected,
            "unknown": 0,
            "unprocessed": self.contacts,
            "batches": self.batches,
            "requests": 0,
            "retries": 0,
            "tokens": 0,
            "payload_bytes": self.payload_bytes,
            **({"duplicates": self.duplicates} if self.duplicates else {}),
            "seconds": round(self.seconds, 3),
            "contacts_per_second": round(rate, 1),
        }


async def rehearse(config: Config, *, limit: int | None, emit: Emit) -> Rehearsal:
    """Read, map, check and pack the whole source. Raises UsageError as a run would."""
    began = time.monotonic()
    plan = await to_thread.run_sync(Plan.of, config, abandon_on_cancel=True)
    target = await _target(plan, emit=emit)
    if target is not None:
        plan.hold_against(target)

    rehearsal = Rehearsal(endpoint=config.journey.endpoint)
    batcher = Batcher(config.batch, envelope=plan.envelope, next_id=count(1).__next__)
    names = [fingerprint.name for fingerprint in plan.fingerprints]
    with Scratch(names) as scratch, Doubles() as doubles:
        async with Sifter(plan, None, journal=scratch, emit=emit) as sifter:
            await sifter.prepare(target)
            async with sifter.open(plan.encoding(target=target, limit=limit)) as encoder:
                while (contacts := await encoder.next()) is not None:
                    rehearsal.count(contacts)
                    await to_thread.run_sync(doubles.add, _keys(contacts))
                    rehearsal.seal(batcher.add(contacts, now=0.0))
                    emit(_read(contacts))

        rehearsal.duplicates = await to_thread.run_sync(doubles.count)

    rehearsal.seal(batcher.flush(Trigger.DRAIN))
    rehearsal.seconds = time.monotonic() - began
    return rehearsal


def _keys(contacts: Contacts) -> list[str]:
    """The keys of all, be they sent or not."""
    rejected = (each.contact_key for each in contacts.rejected)
    return [*contacts.keys, *(key for key in rejected if key is not None)]


def _read(contacts: Contacts) -> ChunkRead:
    return ChunkRead(
        source=contacts.source,
        records=len(contacts) + len(contacts.rejected),
        rejected=len(contacts.rejected),
        share=contacts.share,
    )


async def _target(plan: Plan, *, emit: Emit) -> Target | None:
    config, clock = plan.config, Clock()
    if not (config.journey.check_fields and config.account.client_id):
        return None

    async with open_account(config, clock=clock, emit=emit) as (client, keeper):
        try:
            outlook = await outlook_of(
                plan, client, keeper=keeper, emit=emit, clock=clock, counted=False
            )
        except JourneyError as error:
            emit(FieldsUnreadable(detail=str(error)))
            return None

    return outlook.target
