"""Company: who is beside a run, as its config wants it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..intake.extras import need
from ..watching.pulse import Pulse
from ..watching.systemd import Notifier
from ..watching.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..config import Config
    from ..events.emitter import Emitter
    from ..watching.sight import Companion

__all__ = ("company_of",)


def company_of(config: Config, emitter: Emitter, *, path: Path) -> list[Companion]:
    """The companions of a run whose config is the file at `path`, subscribed to its events.

    Raises SourceError where one needs a library that is not installed.
    """
    vitals = Vitals()
    emitter.subscribe(vitals.note)
    return list(_companions(config, emitter, vitals=vitals, path=path))


def _companions(
    config: Config, emitter: Emitter, *, vitals: Vitals, path: Path
) -> Iterator[Companion]:
    pulse = Pulse(vitals)
    yield pulse

    address = config.worker.address
    if address is not None:
        need("prometheus_client", extra="worker", what="worker.listen")
        from ..watching.serving import Server

        yield Server(address, vitals, pulse=pulse, emit=emitter.emit)

    notifier = Notifier.of(os.environ, vitals)
    if notifier is not None:
        yield notifier

    # Others end as ever with the terminal that is closed. A worker reads its config then, also one
    # begun with `nohup`, which has SIGHUP ignored: who sends it that wants it obeyed.
    if address is not None or notifier is not None:
        from .reloading import Reloader

        yield Reloader(path, config, emit=emitter.emit)
