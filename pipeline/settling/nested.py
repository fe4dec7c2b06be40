"""Nested: a run directory that lies in another one's `previous/`, named as run.directory itself.

Who begins a run there asks the one above as well: what was there before may be removed, and known
there alone. And the one above is told before another run is begun in the place of one that it has
put aside, so that it knows both. It is locked meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .contents import INJECTED_NAME, PREVIOUS
from .injected import Injected
from .known import look
from .lock import locked
from .store import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..intake.recognised import Beginnings
    from .identity import Identity
    from .known import Known

__all__ = ("earlier", "give_place")


def earlier(directory: Path, wanted: Identity, beginnings: Beginnings) -> Iterator[Known]:
    """The runs that `Injected.like` finds; of the one above, those that it finds there too, and the
    one that is there now. Raises RunDirectoryError."""
    yield from Injected(directory).like(wanted, beginnings)
    above = _above(directory.resolve())
    if above is not None:
        with locked(above):
            if (above / FILE_NAME).exists():
                yield look(above)

            yield from earlier(above, wanted, beginnings)


def give_place(known: Known) -> None:
    """Another run is about to be begun in the directory of this one. Raises RunDirectoryError."""
    place = known.directory.resolve()
    above = _above(place)
    if above is not None and above == place.parent.parent:
        with locked(above):
            Injected(above).begin_anew(replace(known, directory=place))


def _above(place: Path) -> Path | None:
    """The nearest run directory in whose `previous/` this one lies."""
    while place.parent.name == PREVIOUS:
        place = place.parent.parent
        if any((place / name).exists() for name in (INJECTED_NAME, FILE_NAME)):
            return place

    return None
