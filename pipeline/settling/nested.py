"""Nested: a run directory that lies in another one's `previous/`, named as run.directory itself.

Who begins a run there asks the one above as well: what was there before may be removed, and known
there alone. And the one above is told before another run is begun in the place of one that it has
put aside, so that it knows both.

It is locked from then on until the run has begun: who asks above afterwards finds it. No lock is
waited for, so two who hold what the other one wants are both refused.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from .contents import INJECTED_NAME, PREVIOUS
from .injected import Injected
from .known import look
from .lock import locked
from .store import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..intake.holdings import Holdings
    from .identity import Identity
    from .known import Known

__all__ = ("Above",)


class Above:
    """The run directories above one, those that were asked locked until the end of `with`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._locked: set[Path] = set()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def earlier(self, wanted: Identity, holdings: Holdings) -> Iterator[Known]:
        """The runs that `Injected.like` finds; of those above, what it finds there too, and the
        one that is there now. Raises RunDirectoryError."""
        yield from Injected(self._directory).like(wanted, holdings)
        held = {self._directory.resolve()}
        above = _above(self._directory.resolve())
        while above is not None:
            self._lock(above)
            if (above / FILE_NAME).exists():
                yield look(above)

            yield from Injected(above).like(wanted, holdings, held=held)
            held.add(above)
            above = _above(above)

    def give_place(self, known: Known) -> None:
        """Another run is about to be begun in the directory, which is that of `known`.

        Raises RunDirectoryError.
        """
        place = known.directory.resolve()
        above = _above(place)
        if above is not None and above == place.parent.parent:
            self._lock(above)
            Injected(above).begin_anew(replace(known, directory=place))

    def _lock(self, above: Path) -> None:
        if above not in self._locked:
            self._stack.enter_context(locked(above))
            self._locked.add(above)

    def __repr__(self) -> str:
        return f"<Above {self._directory}, {len(self._locked)} locked>"


def _above(place: Path) -> Path | None:
    """The nearest run directory in whose `previous/` this one lies."""
    while place.parent.name == PREVIOUS:
        place = place.parent.parent
        if any((place / name).exists() for name in (INJECTED_NAME, FILE_NAME)):
            return place

    return None
