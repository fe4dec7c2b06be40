"""Orders: how something is asked of a run that is going on, or of a worker that waits for files.

Who gives orders holds a lock on the directory meanwhile: they are obeyed one after the other. What
was not obeyed yet is written again with what is asked next, so nothing that was asked is lost.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..errors import RunDirectoryError
from .live import live_of, read_told
from .lock import holder
from .whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from .live import Live

__all__ = ("command",)

LOOK_SECONDS: Final = 0.05
OBEYED_WITHIN_SECONDS: Final = 10.0
TOLD_WITHIN_SECONDS: Final = 2.0
"""A run tells how it stands as soon as the directory is its own, if the machine lets it."""


def command(directory: Path, asked: Mapping[str, Any]) -> Live:
    """Ask something of the run that works in `directory`; returns how it stands once it obeys.

    Raises:
        RunDirectoryError: No run is going on there, or it does not obey.
    """
    with _alone(directory):
        obeys = None
        while obeys is None:
            live = _at_work(directory)
            if live is None:
                raise RunDirectoryError(_nobody(directory))

            obeys = _obeyed(directory, live, number=_give(directory, live, asked))

        return obeys


def _at_work(directory: Path) -> Live | None:
    """Who is to be steered. A process that has only just locked the directory is waited for: where
    it is a run, that is meant, and not the worker that waits beside it."""
    deadline = time.monotonic() + TOLD_WITHIN_SECONDS
    while True:
        live, process = live_of(directory), holder(directory)
        told = process is None or (live is not None and live.process == process)
        if told or time.monotonic() >= deadline:
            return live

        time.sleep(LOOK_SECONDS)


def _nobody(directory: Path) -> str:
    """Why there is nothing to steer."""
    process = holder(directory)
    if process is None:
        return f"no run is going on in {directory}: there is nothing to steer"

    return (
        f"process {process} works in {directory} and cannot be steered: it verifies, or has only "
        "just begun. Try again in a moment"
    )


def _give(directory: Path, live: Live, asked: Mapping[str, Any]) -> int:
    """Write an order, those that were not obeyed yet with it; returns its number."""
    former = read_told(directory / live.seat.orders)
    number = former.get("number")
    if former.get("session") != live.session or not isinstance(number, int):
        former, number = {}, 0

    if number <= live.obeyed:
        former, number = {}, live.obeyed

    order = {**former, **asked, "session": live.session, "number": number + 1}
    try:
        write_whole(directory / live.seat.orders, orjson.dumps(order))
    except OSError as error:
        raise RunDirectoryError(f"{directory} cannot be written: {error.strerror}") from None

    return number + 1


def _obeyed(directory: Path, live: Live, *, number: int) -> Live | None:
    """Wait until the run has obeyed; returns how it stands then. None where another one is at work
    by then, beside a worker that waits: it is what was meant."""
    deadline = time.monotonic() + OBEYED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        now = live_of(directory)
        if now is not None and live.waiting and now.seat is not live.seat:
            return None

        if now is None or now.session != live.session:
            raise RunDirectoryError(f"the run in {directory} has ended meanwhile")

        if now.obeyed >= number:
            return now

        time.sleep(LOOK_SECONDS)

    raise RunDirectoryError(
        f"the run in {directory} (process {live.process}) has not obeyed for "
        f"{OBEYED_WITHIN_SECONDS:.0f} s; it will as soon as it can"
    )


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One who gives orders at a time."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RunDirectoryError(f"no run is going on in {directory}: {error.strerror}") from None

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
