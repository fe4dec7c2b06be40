"""Steering: a task beside the run obeys `pace`, `pause` and `resume`, and tells how it stands.

It lives as long as the process. What is ordered while a run still opens its journal holds once it
sends. Where a folder is watched that is beside all its runs and between them: what is ordered then
holds for the file that comes next.

It also sees to it that nobody waits at the end for what will not come: where a run is drained while
somebody has paused it, or outside its window, what it has taken and not sent is given up.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio import to_thread

from ..events import LimitChanged, PaceChanged
from ..sending.clock import Clock
from ..sending.limits import Limit
from ..sending.pace import Pace
from ..settling.live import RUN, WORKER, LiveFiles

if TYPE_CHECKING:
    from pathlib import Path

    from ..events import Emit, Event
    from ..sending.policy import DeliveryPolicy
    from ..watching.sight import Sight
    from .stop import Stop

__all__ = ("idle_pace", "steer")

LOOK_SECONDS: Final = 0.25
BEGINNING_SECONDS: Final = 0.05
LOOKS_A_TELLING: Final = 4
"""Where nothing has changed it is told how the run stands once a second."""

ENDLESS: Final = frozenset({Limit.PAUSED, Limit.WINDOW})
"""What no drain waits for: it ends when somebody says so, or hours from now."""


def idle_pace(delivery: DeliveryPolicy, sight: Sight, *, emit: Emit) -> Pace:
    """A pace by which nothing goes, to be asked while no run has begun. What changes it is told
    where it is the one in sight."""

    def told(event: Event) -> None:
        if isinstance(event, PaceChanged) and sight.pace is pace:
            emit(event)

    pace = Pace(delivery, clock=Clock(), emit=told)
    return pace


async def steer(directory: Path, *, sight: Sight, stop: Stop, emit: Emit) -> None:
    """Obey orders and tell how the pace in sight stands, until cancelled.

    What is ordered is asked of the process, for the runs that follow this one too.
    """
    files: LiveFiles | None = None  # a process that is refused has none
    limit: Limit | None = None
    doing: tuple[bool, bool] | None = None  # whether it waits for files, opens its journal
    looks = 0
    try:
        while True:
            if stop.drained and limit in ENDLESS:  # told a look ago: who paused it knows
                stop.give_up()

            if sight.pace is None:  # nothing is begun
                await anyio.sleep(BEGINNING_SECONDS)
                continue

            files = files or LiveFiles(directory, RUN if sight.idle is None else WORKER)
            order = await to_thread.run_sync(files.order)
            if order is not None:
                _obey(order, sight)

            standing = sight.pace.standing()
            changed = standing.limit is not limit and not sight.opening
            if changed:
                limit = standing.limit
                emit(LimitChanged(limit=limit.value, since=standing.since))

            changed = changed or doing != (sight.waiting, sight.opening)
            waiting, opening = doing = sight.waiting, sight.opening
            if changed or order is not None or looks % LOOKS_A_TELLING == 0:
                tell = partial(files.tell, standing, waiting=waiting, opening=opening)
                await to_thread.run_sync(tell)

            looks += 1
            await anyio.sleep(LOOK_SECONDS)
    finally:
        if files is not None:
            files.close()

        if limit not in {None, Limit.SOURCE}:
            # Nothing limits a run that has ended: so it is told until the next file's begins.
            emit(LimitChanged(limit=Limit.SOURCE.value, since=datetime.now(UTC)))


def _obey(order: dict[str, Any], sight: Sight) -> None:
    """Do what is asked; whoever wrote it, what makes no sense is left alone."""
    rate, contacts = order.get("requests_per_second"), order.get("contacts_per_hour")
    in_flight, paused = order.get("max_in_flight"), order.get("paused")
    sight.ask(
        requests_per_second=_positive(rate),
        contacts_per_hour=_positive(contacts),
        max_in_flight=in_flight if type(in_flight) is int and in_flight > 0 else None,
        paused=paused if isinstance(paused, bool) else None,
    )


def _positive(found: object) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None

    return float(found) if 0 < found < math.inf else None
