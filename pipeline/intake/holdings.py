"""Holdings: what sources hold, found out when somebody asks, for it costs reading.

    not compressed, here or on another machine
        some reads of 64 KiB, one for each doubling of its size, the shorter ones in one
    compressed here, or in an archive here
        one pass over all of it; another one where beginnings are asked for that were not before
    compressed on another machine, standard input, a queue, Parquet
        what it is uncompressed is not known, for it would have to be fetched twice: it is compared
        as it is stored

A pass is made before a run begins, never to go on with one that is stored as it was. Its memory is
flat.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from ..errors import InterruptedRunError, SourceError
from .opening import is_compressed, open_stored
from .origin import Growing
from .plain import RUNG_BYTES, Gauge, Plain, header_of, rungs_of
from .recognised import HEAD_BYTES, read_up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from .origin import Origin
    from .recognised import Content
    from .source import Fingerprint

__all__ = ("UNASKED", "Holdings", "SourceHoldings")

_PIECE_BYTES: Final = 256 * 1024


class Holdings(Protocol):
    """What some sources hold; every method may read them, and raises SourceError where it cannot,
    and InterruptedRunError where it is not to be waited for."""

    def plains(self) -> Sequence[Plain | None]:
        """What each of them is uncompressed, in their order; None where that is not known."""

    def beginnings(self, sizes: Iterable[int]) -> Iterable[Content]:
        """What they were when they had so many bytes, stored or uncompressed, if something was
        appended since."""


class _Unasked:
    def plains(self) -> Sequence[Plain | None]:
        return ()

    def beginnings(self, _: Iterable[int]) -> Iterable[Content]:
        return ()


UNASKED: Final[Holdings] = _Unasked()
"""Those of sources that nobody can ask."""


class SourceHoldings:
    """Those of a plan's sources, of which some have no origin. What was found out is kept.

    `stopped` is asked while much is read.
    """

    def __init__(
        self,
        sources: Iterable[tuple[Origin | None, Fingerprint]],
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._each = [_holding(*source, stopped) for source in sources]

    def plains(self) -> Sequence[Plain | None]:
        return [each.plain() for each in self._each]

    def beginnings(self, sizes: Iterable[int]) -> Iterator[Content]:
        asked = frozenset(sizes)
        for each in self._each:
            yield from each.beginnings(asked)


def _holding(
    origin: Origin | None, fingerprint: Fingerprint, stopped: Callable[[], bool]
) -> _Stored:
    unknown = _Stored(origin)
    if origin is None or not fingerprint.is_text or (origin.is_distant and not unknown.may_grow):
        return unknown

    return (_Far if origin.is_distant else _Near)(origin, fingerprint, stopped)


class _Stored:
    """A source that is known as it is stored alone."""

    def __init__(self, origin: object) -> None:
        self._growing = origin if isinstance(origin, Growing) else None

    @property
    def may_grow(self) -> bool:
        return self._growing is not None

    def plain(self) -> Plain | None:
        return None

    def beginnings(self, sizes: frozenset[int]) -> Iterator[Content]:
        if self._growing is not None and sizes:
            yield from self._growing.beginnings(sizes)


class _Far(_Stored):
    """One that may be known uncompressed, if it is stored so."""

    def __init__(
        self, origin: Origin, fingerprint: Fingerprint, stopped: Callable[[], bool]
    ) -> None:
        super().__init__(origin)
        self._origin = origin
        self._fingerprint = fingerprint
        self._stopped = stopped
        self._plain: Plain | None = None

    def plain(self) -> Plain | None:
        if self._plain is None and not self._is_packed:
            self._plain = self._as_stored()

        return self._plain

    @cached_property
    def _is_packed(self) -> bool:
        """Whether it is compressed, or lies in an archive."""
        return not self.may_grow or is_compressed(self._origin)

    def _as_stored(self) -> Plain:
        size, digest = self._fingerprint.size or 0, self._fingerprint.digest
        rungs = rungs_of(size)
        found = {**dict(_Stored.beginnings(self, frozenset(rungs))), size: digest}
        known = tuple(found[rung] for rung in rungs if rung in found)
        return Plain(size=size, digest=digest, rungs=known, header=self._header(size))

    def _header(self, size: int) -> int:
        """The length of the first line, where there may be a rung inside it."""
        if not RUNG_BYTES <= size < 2 * HEAD_BYTES:
            return 0

        with self._origin.preview() as raw:
            return header_of(read_up_to(raw, HEAD_BYTES))


class _Near(_Far):
    """One that is read through where it is compressed."""

    _gauge: Gauge | None = None
    _is_whole = False
    _asked: frozenset[int] = frozenset()

    def plain(self) -> Plain | None:
        if self._plain is None:
            self._plain = self._unpacked() if self._is_packed else self._as_stored()

        return self._plain

    def _unpacked(self) -> Plain:
        return replace(self._measured().plain, whole=self._is_whole)

    def beginnings(self, sizes: frozenset[int]) -> Iterator[Content]:
        yield from super().beginnings(sizes)
        if sizes and self._is_packed:
            gauge = self._measured(sizes)
            found = ((size, gauge.beginning(size)) for size in sorted(sizes) if size < gauge.size)
            yield from ((size, digest) for size, digest in found if digest is not None)

    def _measured(self, sizes: frozenset[int] = frozenset()) -> Gauge:
        """It, read through, for the sake of these beginnings as well."""
        gauge = self._gauge
        if gauge is not None:
            size = gauge.size
            sizes = frozenset(each for each in sizes if HEAD_BYTES < each < size) - self._asked

        if gauge is None or sizes:
            self._asked |= sizes
            gauge = self._gauge = self._read_through(Gauge(self._asked))

        return gauge

    def _read_through(self, gauge: Gauge) -> Gauge:
        # What is damaged is read as far as it can be, and told of when it is sent.
        with open_stored(self._origin, preview=False) as stream, suppress(SourceError):
            while piece := stream.read(_PIECE_BYTES):
                gauge.feed(piece)
                if self._stopped():
                    raise InterruptedRunError("interrupted before anything was sent")

            self._is_whole = True

        return gauge
