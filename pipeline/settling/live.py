"""Live files: how a run that is going on is looked at and steered from another process.

    live.json      written by the run, once a second and whenever something changes: its process and
                   its session, how it stands, and the number of the last order it has obeyed
    orders.json    written by whoever asks something of it: session, number, and what is asked

A worker that watches a folder tells and obeys between two files as well: it is `waiting` then, and
others may work on the last file's run. So it has files of its own, `watch-live.json` and
`watch-orders.json`, also while it sends a file. A run's are those of the process that holds
`run.lock`, a worker's those of the one that holds `watch.lock`; where there are both, the run is
what is looked at and steered.

Each is replaced as a whole, mode 0600, so a reader never sees half of one; none is synced to the
disk, for none means anything once the process is gone. A session is one process's work on a run:
orders for another one are not obeyed, so none outlives the process it was meant for. How they are
given is told in `orders.py`.

What is no plain file of a reasonable size is not read, and what cannot be understood is nothing.

A line of live.json, here in several:

    {"process": 4711, "session": "9f86d081884c7d65", "obeyed": 2,
     "waiting": false, "opening": false,
     "limit": "rate", "since": "2026-11-23T16:43:12.345Z", "until": null,
     "in_flight": 3, "max_in_flight": 16, "most_in_flight": 16,
     "requests_per_second": 5.0, "asked_per_second": 5.0, "contacts_per_hour": null}
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

import orjson

from ..sending.limits import Limit, Standing
from .lock import LOCK_NAME, WATCH_LOCK_NAME, holder
from .summary import iso
from .whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ("LIVE_NAMES", "RUN", "WORKER", "Live", "LiveFiles", "Seat", "live_of", "read_told")

STALE_SECONDS: Final = 30.0
"""A run that has told nothing for so long is hung, or is another process with its number."""

_MOST_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Who holds this lock tells and obeys by these files."""

    lock: str
    live: str
    orders: str


RUN: Final = Seat(lock=LOCK_NAME, live="live.json", orders="orders.json")
WORKER: Final = Seat(lock=WATCH_LOCK_NAME, live="watch-live.json", orders="watch-orders.json")
SEATS: Final = (RUN, WORKER)
"""The one whose process is asked before the other's."""

LIVE_NAMES: Final = tuple(name for seat in SEATS for name in (seat.live, seat.orders))


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a run that is going on tells of itself.

    `waiting`: it is a worker that waits for the next file, and no run of its own is going on.
    `opening`: it looks at its journal, and has not begun; what is asked holds once it does.
    """

    process: int
    session: str
    obeyed: int
    standing: Standing
    waiting: bool = False
    opening: bool = False
    seat: Seat = RUN

    @classmethod
    def of(cls, found: Mapping[str, Any], *, seat: Seat = RUN) -> Self | None:
        """None where it was not one of us who wrote that."""
        try:
            return cls(
                process=int(found["process"]),
                session=str(found["session"]),
                obeyed=int(found["obeyed"]),
                standing=_standing(found),
                waiting=found.get("waiting") is True,
                opening=found.get("opening") is True,
                seat=seat,
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def told(self) -> dict[str, Any]:
        """The process and how it stands, as JSON has it."""
        doing = {"waiting": self.waiting, "opening": self.opening}
        return {"process": self.process, **doing, **_told(self.standing)}


class LiveFiles:
    """The run's side. What cannot be read or written is left: the run goes on."""

    def __init__(self, directory: Path, seat: Seat = RUN) -> None:
        self._live = directory / seat.live
        self._orders = directory / seat.orders
        self._session = secrets.token_hex(8)
        self._obeyed = 0

    def order(self) -> dict[str, Any] | None:
        """What was asked and is not obeyed yet, if anything; it counts as obeyed from now on."""
        order = read_told(self._orders)
        number = order.get("number")
        if order.get("session") != self._session or not isinstance(number, int):
            return None

        if number <= self._obeyed:
            return None

        self._obeyed = number
        return order

    def tell(self, standing: Standing, *, waiting: bool = False, opening: bool = False) -> None:
        """Write how the run stands."""
        who = {"process": os.getpid(), "session": self._session, "obeyed": self._obeyed}
        told = {**who, "waiting": waiting, "opening": opening, **_told(standing)}
        with suppress(OSError):
            write_whole(self._live, orjson.dumps(told))

    def close(self) -> None:
        """The run has ended: what was told and asked of it means nothing any more.

        What another process has told since, or was asked of it, stays.
        """
        for path in (self._live, self._orders):
            if read_told(path).get("session") == self._session:
                with suppress(OSError):
                    path.unlink()


def live_of(directory: Path) -> Live | None:
    """What the run that works in `directory` tells of itself, or else the worker that waits there;
    None where neither does."""
    told = (_live_of(directory, seat) for seat in SEATS)
    return next((live for live in told if live is not None), None)


def _live_of(directory: Path, seat: Seat) -> Live | None:
    path = directory / seat.live
    live = Live.of(read_told(path), seat=seat)
    if live is None or live.process != holder(directory, seat.lock):
        return None

    try:
        silent = time.time() - path.stat().st_mtime
    except OSError:
        return None  # it has just ended

    return live if silent < STALE_SECONDS else None


def _told(standing: Standing) -> dict[str, Any]:
    return {
        name: iso(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in asdict(standing).items()
    }


def _standing(told: Mapping[str, Any]) -> Standing:
    return Standing(
        limit=Limit(told["limit"]),
        since=datetime.fromisoformat(told["since"]),
        until=None if told["until"] is None else datetime.fromisoformat(told["until"]),
        in_flight=int(told["in_flight"]),
        max_in_flight=int(told["max_in_flight"]),
        most_in_flight=int(told["most_in_flight"]),
        requests_per_second=_number(told["requests_per_second"]),
        asked_per_second=_number(told["asked_per_second"]),
        contacts_per_hour=_number(told["contacts_per_hour"]),
    )


def _number(told: object) -> float | None:
    return None if told is None else float(told)  # type: ignore[arg-type]  # refused if it is none


def read_told(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it is not there, not ours, or cannot be understood."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}

    try:
        known = os.fstat(descriptor)
        if not stat.S_ISREG(known.st_mode) or known.st_size > _MOST_BYTES:
            return {}

        found = orjson.loads(os.read(descriptor, _MOST_BYTES))
    except (OSError, orjson.JSONDecodeError):
        return {}
    finally:
        os.close(descriptor)

    return found if isinstance(found, dict) else {}
