"""The verification: asks who of a run's contacts entered, and writes the verdicts down.

    lock the run ─▶ ask (verifier.py) ─▶ verdicts into the journal, in one transaction ─▶ again,
                                         while something is pending and there is time to wait

A run that is going on is left alone. One that was broken off is verified as far as it is settled.
Killed at any moment, the journal holds the verdicts of the last question that was answered whole.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from ..errors import EndpointError, PermissionDeniedError
from ..running.sharing import open_account
from ..sending.address import Address
from ..sending.asking import Asker
from ..sending.clock import Clock
from ..sending.endpoint import PROFILES
from ..sending.entries import Entries
from ..sending.lookup import Lookup
from ..sending.patience import ATTEMPTS
from ..sending.statuses import Statuses
from ..settling.accepted import left_out
from ..settling.beginning import read_beginning
from ..settling.directory import RunDirectory
from ..settling.identity import rest_host
from ..settling.rows import read_run
from ..settling.verdicts import write_verification
from ..verifying.crosscheck import disagreements
from ..verifying.docket import Docket, Judged
from ..verifying.evidence import evidence_in
from ..verifying.inquiry import Inquiry
from ..verifying.verifier import Verifier
from ..verifying.window import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Config
    from ..settling.store import JournalStore
    from ..settling.summary import Summary
    from ..verifying.evidence import Evidence
    from ..verifying.inquiry import Answer

__all__ = ("Verified", "VerifyOptions", "verify")

SOONEST_SECONDS = 1.0
LATEST_SECONDS = 300.0
"""Between two questions, at the least and at the most: history may become fresher than it said."""

QUEUED_SECONDS = 30.0
"""And while events are queued, which may go on for any time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What a verification is asked beyond its config."""

    wait_seconds: float = 0.0
    """How long to go on asking while something is pending that time may decide."""

    margin_seconds: float = 900.0
    """How long after it was sent a contact may enter: before that nobody is missing."""

    sample: int = 500
    """How many contacts are looked for where journey history is not to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """How a verification ended: the run's books, and what was found of the whole."""

    summary: Summary
    told: dict[str, Any]

    @property
    def gone(self) -> int:
        """Contacts that certainly did not enter."""
        return int((self.summary.missing or 0) + self.told["unknown"]["absent"])

    @property
    def exit_code(self) -> int:
        """0: everybody entered."""
        unknown = self.told["unknown"]
        open_ones = unknown["absent"] + unknown["undecided"]
        return 1 if self.summary.missing or self.summary.pending or open_ones else 0


async def verify(
    config: Config, options: VerifyOptions, *, tell: Callable[[str], None]
) -> Verified:
    """Ask who entered; `tell` is given lines of progress.

    Raises:
        UsageError: There is no run, it is going on, or it is not that of this config.
        HaltError: Marketing Cloud tells nothing; the journal stands as it was.
    """
    await to_thread.run_sync(config.account.require)
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(RunDirectory(config.run.directory))
        store = await to_thread.run_sync(
            partial(
                directory.reopen,
                event_definition_key=config.journey.event_definition_key,
                host=rest_host(config.account.rest_base),
            )
        )
        evidence = stack.enter_context(evidence_in(directory.path))
        clock = Clock()
        office = open_account(config, clock=clock, emit=lambda _: None)
        client, keeper = await stack.enter_async_context(office)
        await keeper.token()
        asker = Asker(client=client, keeper=keeper, clock=clock)
        lookup = Lookup(config.account, client=client, keeper=keeper, clock=clock)
        address = Address(config.account, keeper)
        entries = Entries(address, asker)
        verifier = Verifier(entries, evidence=evidence, clock=clock, tell=tell, attempts=ATTEMPTS)
        status_path = PROFILES[read_run(store.connection).endpoint].status_path
        inquiry = Inquiry(
            lookup,
            entries,
            verifier,
            statuses=Statuses(address, status_path, asker) if status_path else None,
            event_definition_key=config.journey.event_definition_key,
        )
        verification = _Verification(store, evidence, inquiry, options=options, clock=clock)
        verified = await verification.work(tell)
        await to_thread.run_sync(verified.summary.write, directory.path / "summary.json")
        return verified


class _Verification:
    """The questions, until nothing is pending or the time is over."""

    def __init__(
        self,
        store: JournalStore,
        evidence: Evidence,
        inquiry: Inquiry,
        *,
        options: VerifyOptions,
        clock: Clock,
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._inquiry = inquiry
        self._options = options
        self._clock = clock
        self._entered = 0  # contacts that were unknown, in all questions

    async def work(self, tell: Callable[[str], None]) -> Verified:
        """Ask, and ask again, about what was not complete before; in the end about all."""
        end = self._clock.now() + self._options.wait_seconds
        whole = True
        while True:
            verified, again = await self._once(whole=whole)
            now = self._clock.now()
            if again is None or now >= end:
                return verified if whole or not verified.gone else (await self._once(whole=True))[0]

            whole = False
            pause = min(max(again, SOONEST_SECONDS), LATEST_SECONDS, end - now)
            pending = verified.summary.pending or verified.told["unknown"]["undecided"]
            tell(f"{pending:,} contacts pending; asked again in {pause:,.0f} s")
            await anyio.sleep(pause)

    async def _once(self, *, whole: bool) -> tuple[Verified, float | None]:
        """Ask once and write the verdicts down; in how many seconds more may be known."""
        began = read_run(self._store.connection).started_at
        docket = Docket(self._store.connection)
        await to_thread.run_sync(self._enter, docket)
        answer = await self._inquiry.answer(
            docket,
            began=began,
            margin_seconds=self._options.margin_seconds,
            sample=self._options.sample,
            whole=whole,
        )
        judged = Judged()
        notes = await self._notes(answer, docket)
        verified = await to_thread.run_sync(
            partial(self._write, docket, answer, judged=judged, notes=notes)
        )
        waits = judged.waits_for
        again = None if waits is None else answer.decided_in(waits)
        return verified, max(again or 0.0, QUEUED_SECONDS) if judged.queued else again

    def _enter(self, docket: Docket) -> None:
        self._evidence.forget_claims()
        with self._evidence.whole():
            docket.enter(self._evidence)

    async def _notes(self, answer: Answer, docket: Docket) -> list[str]:
        """What does not fit together, a sentence each."""
        missed = await to_thread.run_sync(left_out, self._store.connection)
        notes = [*answer.notes, *(f"not asked about: {each}" for each in missed)]
        try:
            stored = await self._inquiry.stored()
        except (PermissionDeniedError, EndpointError) as error:
            stored = None
            notes.append(f"the rows of the event's data extension could not be counted: {error}")

        notes += disagreements(
            answer,
            beginning=read_beginning(self._store.connection),
            stored=stored,
            accepted=docket.accepted + sum(each.contacts for each in missed),
            complete=answer.standing(docket.last_settled) is Standing.MISSING,
        )
        (under_way,) = self._store.connection.execute(
            "SELECT coalesce(sum(contacts), 0) FROM batch"
            " WHERE batch_id NOT IN (SELECT batch_id FROM settlement)"
        ).fetchone()
        if under_way:
            notes.append(
                f"{under_way:,} contacts were under way when the run broke off: `run` settles "
                "them, and then they can be verified"
            )

        return notes

    def _write(
        self, docket: Docket, answer: Answer, *, judged: Judged, notes: list[str]
    ) -> Verified:
        store = self._store
        verdicts = docket.verdicts(
            answer.findings, answer.standing, sayings=answer.sayings, judged=judged
        )

        def told() -> dict[str, Any]:
            counted = _counted(judged)
            counted["unknown"]["entered"] += self._entered
            return {**answer.told(), **counted, "notes": notes}

        with store.transaction():
            write_verification(
                store, verdicts, told=told, entered=judged.entered, absent=judged.absent
            )

        store.rewrite_outdated()
        with store.transaction():
            summary = store.summary()

        verified = Verified(summary=summary, told=told())
        self._entered += len(judged.entered)
        return verified


def _counted(judged: Judged) -> dict[str, Any]:
    """The verdicts in numbers, each reason with what is said of it."""
    reasons = [
        {
            "outcome": outcome,
            "reason": reason,
            "contacts": count,
            "detail": judged.details.get(reason, ""),
        }
        for (outcome, reason), count in judged.counts.most_common()
        if outcome != "entered"
    ]
    unknown = {
        "entered": len(judged.entered),
        "absent": len(judged.absent),
        "undecided": judged.undecided,
    }
    return {"reasons": reasons, "unknown": unknown}
