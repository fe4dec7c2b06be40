"""The sender: takes a batch through its attempts until its outcome is known.

    wait (backoff, token, pace)      may be left when the run stops: the batch is unprocessed
    ledger.dispatched                durable before the first byte leaves
    fence.holds                      or nothing is sent, and what is not ours is let go
    post                             never left by a stop
    ledger.returned                  durable before the next wait, when it was certainly not taken

A batch that is refused for what is in it is halved until the contact at fault stands alone. One
that is answered contact by contact is taken apart: each contact has its own outcome, and only those
that were told to come again do.

What was never dispatched, or was returned, is sent by the next run. What is dispatched and has no
outcome is unknown: that is what a cancellation in the middle of a POST leaves behind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from ..errors import CredentialsError, HaltError, UnavailableError
from ..events import BatchSplit
from .logbook import Logbook
from .outcome import Accepted, Rejected, Settlement
from .policy import OnUnknown
from .retry import backoff
from .trip import Trip
from .verdict import (
    Ambiguous,
    Fatal,
    Judged,
    Refused,
    RenewToken,
    Taken,
    TryLater,
    Withheld,
    by_verdict,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..packing.batch import Batch
    from .clock import Clock
    from .links import Links
    from .pacing import Pacing
    from .policy import DeliveryPolicy
    from .probation import Probation
    from .token import TokenKeeper
    from .verdict import Verdict

__all__ = ("Sender",)


class Sender:
    """Sends batches; any number of tasks may share one. `post` is a courier's.

    Made inside the event loop.
    """

    def __init__(
        self,
        policy: DeliveryPolicy,
        *,
        post: Callable[[Batch, str], Awaitable[Verdict]],
        keeper: TokenKeeper,
        pace: Pacing,
        probation: Probation,
        links: Links,
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._post = post
        self._keeper = keeper
        self._pace = pace
        self._probation = probation
        self._links = links
        self._logbook = Logbook(links)
        self._clock = clock
        self._stopped = links.scope()  # never entered: it is there to be asked

    async def send(self, batch: Batch) -> None:
        """Send `batch`, and the halves it may break into, and settle what came of it.

        Returns early, with the rest unprocessed, when the run stops while the batch waits.

        Raises:
            HaltError: Sending again cannot mend it. What is not settled stays unprocessed.
        """
        pending = [self._trip(batch)]
        while pending:
            trip = pending.pop()
            try:
                pending.extend(reversed(await self._carry(trip)))
            except HaltError:
                for each in (trip, *pending):
                    await self._leave(each)

                raise

    def _trip(self, batch: Batch) -> Trip:
        return Trip(batch=batch, accepted_before=self._probation.accepted)

    async def _carry(self, trip: Trip) -> tuple[Trip, ...]:
        """Take one batch to its outcome; returns the trips of what takes its place."""
        while (verdict := await self._verdict(trip)) is not None:
            match verdict:
                case Taken():
                    await self._accept(trip, verdict)
                    return ()
                case Refused():
                    return await self._refuse(trip, verdict)
                case Judged():
                    return await self._take_apart(trip, verdict)
                case RenewToken():
                    await self._renew(trip, verdict)
                case TryLater() | Ambiguous():
                    if not await self._again(trip, verdict):
                        return ()
                case Withheld():
                    return await self._logbook.let_go(trip)
                case Fatal():
                    raise verdict.error
                case _:
                    assert_never(verdict)

        await self._leave(trip)
        return ()

    async def _verdict(self, trip: Trip) -> Verdict | Withheld | None:
        """What is said of the batch, asking where it is not known yet; None when the run stops."""
        if (told := trip.told) is not None:
            trip.told = None
            return told

        if not self._links.fence.holds(trip.batch):  # what is not sent waits for no pace
            return Withheld()

        if (token := await self._admit(trip)) is None:
            return None

        trip.token = token
        return await self._attempt(trip, token)

    async def _admit(self, trip: Trip) -> str | None:
        """Wait until the batch may go, and with which token; None when the run stops."""
        may_go = not (trip.delay or self._stopped.cancel_called)
        if may_go and (token := self._keeper.current()) is not None:
            trip.permit = self._pace.take(len(trip.batch))
            if trip.permit is not None:
                return token  # without the cost of a scope, which counts at full speed

        with self._links.scope() as scope:
            if trip.delay:
                await self._pace.spread()
                await self._clock.sleep(trip.delay)

            await self._keeper.token()  # first, so that no permits pile up while there is none
            trip.permit = await self._pace.wait(len(trip.batch))
            token = await self._keeper.token()

        return None if scope.cancel_called else token

    async def _attempt(self, trip: Trip, token: str) -> Verdict | Withheld:
        """Send the batch once, and tell the pace how that went."""
        verdict: Verdict | None = None
        try:
            await self._logbook.dispatch(trip)
            if (permit := trip.permit) is not None:
                if permit.gate is not None:
                    await permit.gate.acquire()

                permit.went_at = self._clock.now()

            if not self._links.fence.holds(trip.batch):
                return Withheld()

            verdict = await self._post(trip.batch, token)
        finally:
            self._hand_back(trip, verdict)

        return verdict

    def _hand_back(self, trip: Trip, verdict: Verdict | None = None) -> None:
        permit, trip.permit = trip.permit, None
        if permit is not None:
            self._pace.came_back(permit, verdict)

    async def _accept(self, trip: Trip, verdict: Taken) -> None:
        released = self._probation.accept()
        await self._logbook.settle(trip, Accepted(event_instance_id=verdict.event_instance_id))
        for settlement in released:
            await self._links.settle(settlement)

    async def _take_apart(self, trip: Trip, verdict: Judged) -> tuple[Trip, ...]:
        """Each contact goes on by its own verdict; those that were taken first, whatever comes."""
        parts = [
            replace(
                trip,
                batch=self._links.pick(trip.batch, indices),
                told=told,
                apart=True,
                in_company=verdict.takes_some,
            )
            for told, indices in by_verdict(verdict)
        ]
        await self._links.ledger.judged(trip.batch, [part.batch for part in parts], trip.attempt)
        trip.out, trip.doubt = False, None
        return tuple(parts)

    async def _refuse(self, trip: Trip, verdict: Refused) -> tuple[Trip, ...]:
        batch = trip.batch
        if len(batch) > 1:
            halves = self._links.halve(batch)
            await self._links.ledger.split(batch, halves)
            trip.out = False
            split = BatchSplit(batch_id=batch.batch_id, contacts=len(batch), detail=verdict.detail)
            self._links.emit(split)
            return tuple(map(self._trip, halves))

        outcome = Rejected(reason=verdict.reason, detail=verdict.detail)
        if trip.in_company or trip.doubt is not None:
            await self._logbook.settle(trip, outcome)
            return ()

        await self._logbook.give_back(trip)  # as long as it is on probation it is unprocessed
        settlement = Settlement(batch=batch, outcome=outcome, attempt=trip.attempt)
        for each in self._probation.refuse(settlement, alike=verdict.alike):
            await self._links.settle(each)

        return ()

    async def _renew(self, trip: Trip, verdict: RenewToken) -> None:
        if trip.renewed and self._keeper.fresh(trip.token):
            raise CredentialsError(
                f"Marketing Cloud refuses a fresh token ({verdict.detail}). Look at account."
                "client_id: whether its package may use journey.endpoint, and whether another "
                "program, or a worker without coordination.url, asks for tokens with the same one"
            )

        await self._logbook.give_back(trip)
        self._links.emit(trip.failed("token_refused", verdict.detail, delay=0.0))
        trip.renewed, trip.delay = True, 0.0
        with self._links.scope():
            await self._keeper.renew(trip.token)

    async def _again(self, trip: Trip, verdict: TryLater | Ambiguous) -> bool:
        """Prepare the next attempt; False when there is none, and the batch is settled."""
        if isinstance(verdict, Ambiguous):
            trip.doubt = verdict
            if self._policy.on_unknown == OnUnknown.HOLD:
                await self._logbook.doubt(trip, verdict)
                return False

        others_go = self._probation.accepted > trip.accepted_before
        # In an outage that begins in mid-run no attempt counts: how long it is decides.
        counts = others_go or trip.doubt is not None or not self._pace.outage()
        spent = counts and trip.tries >= self._policy.max_attempts
        if spent or (self._pace.hopeless() and not others_go):
            await self._exhausted(trip, verdict, others_go=others_go)
            return False

        after = verdict.retry_after if isinstance(verdict, TryLater) else None
        delay = backoff(trip.tries, retry_after=after, chance=self._links.chance)
        delay = max(delay, self._pace.retry_seconds())
        trip.tries += counts
        await self._logbook.give_back(trip)
        self._links.emit(trip.failed(verdict.reason, verdict.detail, delay=delay))
        # Whether others get through is judged by the last wait alone: in an outage that begins in
        # mid-run, answers to what was under way come late and prove nothing.
        if not (trip.apart and isinstance(verdict, TryLater) and verdict.alone):
            trip.accepted_before = self._probation.accepted

        trip.attempt += 1
        trip.delay, trip.renewed, trip.in_company = delay, False, False
        return True

    async def _exhausted(
        self, trip: Trip, verdict: TryLater | Ambiguous, *, others_go: bool
    ) -> None:
        if trip.doubt is not None:
            await self._logbook.doubt(trip, trip.doubt)
        elif others_go:
            detail = f"not taken in {trip.attempt} attempts, the last: {verdict.detail}"
            await self._logbook.settle(trip, Rejected(reason="attempts_exhausted", detail=detail))
        else:
            raise UnavailableError(
                f"Nothing gets through: {trip.attempt} attempts were made for a batch, and "
                f"no other was accepted meanwhile; the last: {verdict.detail}"
            )

    async def _leave(self, trip: Trip) -> None:
        """Leave the batch as it is: unprocessed, or unknown where an attempt is in doubt."""
        self._hand_back(trip)
        if trip.doubt is not None:
            await self._logbook.doubt(trip, trip.doubt)
        else:
            await self._logbook.give_back(trip)
