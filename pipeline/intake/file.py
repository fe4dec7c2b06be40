"""File: what a file is as a source, in whatever format its records are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .blocks import Sizes
from .opening import peek

if TYPE_CHECKING:
    from .opening import Head
    from .origin import Origin
    from .source import SourcePolicy

__all__ = ("FileSource", "HeadedSource")


@dataclass(slots=True, kw_only=True, eq=False)
class FileSource:
    """A file (or stdin), its bytes wherever they come from. Picklable before `chunks`."""

    name: str
    origin: Origin
    policy: SourcePolicy
    sizes: Sizes = field(default_factory=Sizes)

    @property
    def is_distant(self) -> bool:
        """Whether the next record may be long in coming: it comes from elsewhere."""
        return self.origin.is_distant


@dataclass(slots=True, kw_only=True, eq=False)
class HeadedSource(FileSource):
    """One whose first bytes tell all that must be known before it is read."""

    _head: Head | None = field(default=None, init=False, repr=False)

    def _found_head(self) -> Head:
        if self._head is None:
            self._head = peek(self.origin, self.policy.encoding)

        return self._head
