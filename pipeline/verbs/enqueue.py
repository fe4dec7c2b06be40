"""Enqueue: a source's records on a queue, for any number of workers; what `enqueue` does.

What a message holds is told in `cutting.py`: it depends on the sources alone, and so does its
identity.

What is put is written down before the first message, and how far it came behind each group of them
(`enqueued.py`); the queue itself knows it where it can (Redis: exactly, NATS: by the last message).
So a process that is killed loses nothing; where the queue cannot tell, the last group may be put
there twice, with the same identities: a worker that gets both sends one.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import anyio
from anyio import CancelScope, to_thread

from ..errors import UsageError
from ..events import QueueLost, QueueRegained
from ..intake.queues.backoff import backoff_seconds
from ..intake.queues.message import QueueLostError
from ..intake.queues.outlet import largest, outlet_of
from ..intake.queues.place import is_queue, place_of
from ..running.plan import Plan
from ..settling.lock import locked
from ..settling.schema import translated
from .cutting import cut
from .enqueued import DIRECTORY, Enqueued

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Config
    from ..events import Emit
    from ..intake.queues.outlet import Outgoing, Outlet
    from ..intake.queues.place import Place
    from .cutting import Group

__all__ = ("enqueue",)

PASSWORD: Final = "JOURNEY_QUEUE_PASSWORD"  # noqa: S105  # the variable's name
TOLD_EVERY: Final = 10


async def enqueue(
    config: Config,
    url: str,
    *,
    each: int,
    again: bool,
    emit: Emit,
    tell: Callable[[Enqueued], None],
) -> Enqueued:
    """Put all records on the queue at `url`; `tell` is told how far it is, behind each group.

    Raises UsageError where nothing can be begun, and where the source breaks off.
    """
    place = _place(config, url)
    plan = await to_thread.run_sync(Plan.of, config, abandon_on_cancel=True)
    if plan.queue is not None:
        raise UsageError("[source] url is a queue itself: `enqueue` takes from files")

    directory = Path(config.run.directory) / DIRECTORY
    with translated(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    with locked(directory):
        begun = Enqueued.of(plan.fingerprints, queue=place.label, each=each)
        find = partial(begun.found, directory, again=again, holdings=plan.holdings())
        found = await to_thread.run_sync(find, abandon_on_cancel=True)
        outlet = outlet_of(place)
        try:
            return await _Enqueuing(outlet, place, directory=directory, emit=emit).work(
                plan, found, tell=tell
            )
        finally:
            with CancelScope(shield=True):
                await outlet.close()


def _place(config: Config, url: str) -> Place:
    if not is_queue(url):
        raise UsageError(
            f"{url.partition('://')[0]} is no queue: write redis://, nats://, kafka://, sqs:// or "
            "amqp://"
        )

    password = os.environ.get(PASSWORD) or config.source.password
    try:
        place = place_of(replace(config.source, url=url, format=None, password=password))
    except ValueError as error:  # a password in the URL
        raise UsageError(str(error).replace("JOURNEY_SOURCE__PASSWORD", PASSWORD)) from None

    return replace(place, password_from=PASSWORD)


class _Enqueuing:
    def __init__(self, outlet: Outlet, place: Place, *, directory: Path, emit: Emit) -> None:
        self._outlet = outlet
        self._place = place
        self._directory = directory
        self._emit = emit
        self._open = False
        self._begun = False
        self._passed = 0
        self._tries = 0
        self._since = 0.0
        self._chance = Random()

    async def work(
        self, plan: Plan, record: Enqueued, *, tell: Callable[[Enqueued], None]
    ) -> Enqueued:
        # All is read again, and counted again: what is put already is passed over.
        known = max(record.last, await self._opened(record.key))
        self._regain()
        record = replace(record, messages=0, contacts=0, rejected=0)
        await to_thread.run_sync(record.forget_rejected, self._directory)
        cutting = cut(plan, key=record.key, each=record.each, largest=largest(self._place))
        while (group := await to_thread.run_sync(next, cutting, None)) is not None:
            left = self._left(group, known, each=record.each)
            if left and not self._begun:
                self._begun = True
                await to_thread.run_sync(record.write, self._directory)

            await self._put(record.key, left)
            record = replace(
                record,
                last=max(known, record.last, group.last),
                messages=record.messages + len(group.messages),
                contacts=record.contacts + sum(each.contacts for each in group.messages),
                rejected=record.rejected + len(group.rejected),
            )
            if group.rejected:
                reject = partial(record.reject, self._directory, group.rejected)
                await to_thread.run_sync(reject)

            if group.last > known:
                await to_thread.run_sync(record.write, self._directory)

            tell(record)

        record = replace(record, complete=True)
        await to_thread.run_sync(record.write, self._directory)
        return record

    def _left(self, group: Group, known: int, *, each: int) -> list[Outgoing]:
        """Those messages of a group that are behind record `known`.

        Raises UsageError where one would be so in part: it was cut in another way then.
        """
        self._passed = max(
            [self._passed, *(one.last for one in group.messages if one.last <= known)]
        )
        left = [one for one in group.messages if one.last > known]
        if left and self._passed < known:
            raise UsageError(
                f"{self._place.label} has all of it up to record {known:,}, and with {each} "
                "contacts a message none ends there: some would be there twice. Give "
                "--contacts-per-message as it was"
            )

        return left

    async def _put(self, key: str, messages: list[Outgoing]) -> None:
        """Put messages; where the queue goes away in the middle, those that it may not have again.

        Where it can be asked what it has, it is.
        """
        while messages:
            try:
                if not self._open:
                    known = await self._opened(key)
                    messages = [each for each in messages if each.last > known]

                if messages:
                    await self._outlet.put(key, messages)
            except QueueLostError as error:
                self._open = False
                messages = [each for each in messages if each.identity not in error.confirmed]
                await self._wait(str(error))
            else:
                break

        self._regain()

    async def _opened(self, key: str) -> int:
        """Open the outlet, however long that takes; up to which record it has everything."""
        while True:
            try:
                known = await self._outlet.open(key)
            except QueueLostError as error:
                await self._wait(str(error))
            else:
                self._open = True
                return known

    async def _wait(self, detail: str) -> None:
        """Wait before the queue is tried again, the longer the more often it has failed.

        What is wrong is told at once, and now and then while it lasts: opening it may go well each
        time, and putting never.
        """
        self._tries += 1
        if self._tries == 1:
            self._since = anyio.current_time()

        if self._tries % TOLD_EVERY == 1:
            self._emit(QueueLost(queue=self._place.label, detail=detail))

        await anyio.sleep(backoff_seconds(self._tries, self._chance))

    def _regain(self) -> None:
        if self._tries:
            seconds = anyio.current_time() - self._since
            self._emit(QueueRegained(queue=self._place.label, seconds=seconds))
            self._tries = 0
