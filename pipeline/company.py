"""Company: who is beside a run, as its config wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .intake.extras import need
from .watching.vitals import Vitals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import Config
    from .emitter import Emitter
    from .watching.sight import Companion

__all__ = ("company_of",)


def company_of(config: Config, emitter: Emitter) -> list[Companion]:
    """The companions of a run, subscribed to what it reports.

    Raises SourceError where one needs a library that is not installed.
    """
    return list(_companions(config, emitter))


def _companions(config: Config, emitter: Emitter) -> Iterator[Companion]:
    address = config.worker.address
    if address is not None:
        need("prometheus_client", extra="worker", what="worker.listen")
        from .watching.serving import Server

        vitals = Vitals()
        emitter.subscribe(vitals.note)
        yield Server(address, vitals, emit=emitter.emit)
