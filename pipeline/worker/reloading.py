"""Reloading: on SIGHUP a worker reads its config again, for its pace and its log level.

Everything else needs a new process, which goes on where this one stands: what was changed there is
named, so that nobody believes it holds.
"""

from __future__ import annotations

import signal
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import open_signal_receiver, to_thread

from ..config import Config, load
from ..errors import JourneyError
from ..events import ConfigReloaded, ReloadRefused
from ..watching.notices import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from anyio.abc import TaskStatus

    from ..events import Emit
    from ..watching.sight import Sight

__all__ = ("Reloader",)

PACE: Final = ("requests_per_second", "contacts_per_hour", "max_in_flight")


class Reloader:
    """A companion of the run (watching/sight.py) that obeys SIGHUP."""

    def __init__(self, path: Path, config: Config, *, emit: Emit) -> None:
        self._path = path
        self._config = config  # as it holds
        self._most_in_flight = config.delivery.max_in_flight  # a run has no more senders
        self._emit = emit

    async def __call__(self, sight: Sight, *, task_status: TaskStatus[None]) -> None:
        """Obey until cancelled."""
        with open_signal_receiver(signal.SIGHUP) as signals:
            task_status.started()
            async for _ in signals:
                try:
                    config = await to_thread.run_sync(partial(load, self._path))
                except JourneyError as error:
                    self._emit(ReloadRefused(detail=str(error)))
                except Exception as error:  # noqa: BLE001  # a file must not end a run that goes on
                    self._emit(ReloadRefused(detail=f"{self._path}: {type(error).__name__}"))
                else:
                    self._take(config, sight)

    def _take(self, config: Config, sight: Sight) -> None:
        former, self._config = self._config, config
        changed = set(_changed(former, config))
        taken: set[str] = set()
        pace = {
            name: getattr(config.delivery, name)
            for name in PACE
            if f"delivery.{name}" in changed and getattr(config.delivery, name) is not None
        }
        if pace.get("max_in_flight", 0) > self._most_in_flight:
            del pace["max_in_flight"]

        if pace:
            sight.ask(**pace)
            taken |= {f"delivery.{name}" for name in pace}

        if "worker.log_level" in changed:
            LOG.setLevel(config.worker.log_level.upper())
            taken.add("worker.log_level")

        self._emit(ConfigReloaded(taken=tuple(sorted(taken)), left=tuple(sorted(changed - taken))))


def _changed(former: Config, config: Config) -> Iterator[str]:
    """The keys that have another value now, as they are written."""
    for section in Config.model_fields:
        before, after = getattr(former, section), getattr(config, section)
        for each in fields(before):
            if getattr(before, each.name) != getattr(after, each.name):
                yield f"{section}.{each.name}"
