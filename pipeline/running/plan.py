"""The plan: all that a run needs and that can be known before anything is sent.

Making a plan finds the sources, recognises their content, reads their headers and holds the
mapping against them. It blocks on files, near or far, and never asks Marketing Cloud.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import MappingError, SourceError, UsageError
from ..intake.holdings import SourceHoldings
from ..intake.locate import locate
from ..intake.origin import PathOrigin
from ..intake.queues.place import is_queue
from ..intake.ranges import Ranges
from ..intake.source import START
from ..mapping.encoding import Encoding, Reading
from ..mapping.mapper import Mapper
from ..mapping.rules import Duplicates
from ..settling.identity import Identity, differences_of, rest_host
from ..settling.recalled import RecalledSource
from ..settling.store import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import Config
    from ..intake.origin import Origin
    from ..intake.queues.source import QueueSource
    from ..intake.source import FileSource, Fingerprint
    from ..mapping.target import Target
    from ..packing.payload import Envelope
    from ..settling.opening import Replay

__all__ = ("Plan",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be read, how it is mapped, and whereto."""

    config: Config
    sources: tuple[FileSource, ...]
    fingerprints: tuple[Fingerprint, ...]
    envelope: Envelope

    @classmethod
    def of(cls, config: Config) -> Plan:
        """Look at the sources. Raises UsageError for whatever would make a run pointless."""
        plan = cls.before_mapping(config)
        plan.hold_against(None)
        return plan

    @classmethod
    def before_mapping(cls, config: Config) -> Plan:
        """The same, the mapping not yet held against the sources."""
        sources = tuple(locate(config.source))
        if is_queue(config.source.url) and config.mapping.duplicates is not Duplicates.KEEP:
            raise UsageError(
                f'mapping.duplicates = "{config.mapping.duplicates}" reads a source to its end '
                'before it sends anything, and a queue has none: set it to "keep"'
            )

        return cls(
            config=config,
            sources=sources,
            fingerprints=tuple(source.fingerprint() for source in sources),
            envelope=config.journey.envelope,
        )

    @classmethod
    def recalling(cls, config: Config, known: tuple[Fingerprint, ...]) -> Plan:
        """The plan of a retry of sources that cannot be read again: what the journal holds."""
        path = Path(config.run.directory) / FILE_NAME
        return cls(
            config=config,
            sources=tuple(RecalledSource(path=path, known=each) for each in known),
            fingerprints=known,
            envelope=config.journey.envelope,
        )

    @property
    def queue(self) -> QueueSource | None:
        """The queue that is taken from, if it is one."""
        if self.recalled or not is_queue(self.config.source.url):
            return None

        (source,) = self.sources
        return cast("QueueSource", source)

    @property
    def recalled(self) -> bool:
        """Whether the sources are what the journal holds of them."""
        return any(isinstance(source, RecalledSource) for source in self.sources)

    def holdings(self, *, stopped: Callable[[], bool] = lambda: False) -> SourceHoldings:
        """What the sources hold, for whoever must recognise them; read when it is asked for.

        `stopped` is asked meanwhile.
        """
        origins = zip(self._origins(), self.fingerprints, strict=True)
        return SourceHoldings(origins, stopped=stopped)

    def changes(self) -> list[str]:
        """What happened to the sources since the plan was made, a sentence each."""
        changed = []
        for origin, known in zip(self._origins(), self.fingerprints, strict=True):
            if not isinstance(origin, PathOrigin):
                continue

            try:
                now = origin.now(known.name)
            except SourceError:  # whoever has put it there may take it away again
                changed.append(f"{known.name} is not there any more")
            else:
                changed += differences_of(replace(known, reading=""), now)

        return changed

    def _origins(self) -> list[Origin | None]:
        return [getattr(source, "origin", None) for source in self.sources]

    def hold_against(self, target: Target | None) -> None:
        """Raise MappingError where the mapping does not fit the sources' columns or `target`."""
        mapper = self.mapper(target)
        for source in self.sources:
            columns = source.columns()
            try:
                mapper.prepare(columns)
            except MappingError as error:
                if columns == ():
                    raise UsageError(
                        f"{source.name} is empty: it has no header. Check [source] url"
                    ) from None

                if len(self.sources) == 1:
                    raise

                raise MappingError(f"{source.name}: {error}") from None

    @property
    def identity(self) -> Identity:
        """By what the run is recognised when it is continued."""
        return Identity(
            event_definition_key=self.config.journey.event_definition_key,
            rest_host=rest_host(self.config.account.rest_base),
            sources=self.fingerprints,
        )

    @property
    def size_bytes(self) -> int | None:
        """What all sources hold, as stored; None where one cannot tell."""
        sizes = [fingerprint.size for fingerprint in self.fingerprints]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def max_contact_bytes(self) -> int:
        """The longest contact that fits a payload of its own."""
        return self.config.batch.max_bytes - self.envelope.overhead_bytes - 1

    def mapper(self, target: Target | None = None) -> Mapper:
        """The mapper of this plan, its contacts held against `target` if there is one."""
        return Mapper(
            self.config.mapping,
            shape=self.config.journey.shape,
            target=target,
            max_contact_bytes=self.max_contact_bytes,
        )

    def encoding(
        self,
        *,
        target: Target | None = None,
        replay: Replay | None = None,
        limit: int | None = None,
    ) -> Encoding:
        """What the encoder is told: everything, or what is not done or is wanted by `replay`."""
        whole = self.size_bytes
        readings = (
            _reading(source, replay, weight=(fingerprint.size or 0) / whole if whole else None)
            for source, fingerprint in zip(self.sources, self.fingerprints, strict=True)
        )
        return Encoding(
            readings=tuple(reading for reading in readings if reading.last != 0),
            mapping=self.config.mapping,
            shape=self.config.journey.shape,
            target=target,
            max_contact_bytes=self.max_contact_bytes,
            limit=limit,
        )


def _reading(source: FileSource, replay: Replay | None, *, weight: float | None) -> Reading:
    if replay is None:
        return Reading(source=source, after=Ranges(), weight=weight)

    return Reading(
        source=source,
        # A copy: it is read in a thread while the checkpoint's own goes on growing.
        after=Ranges(replay.done.get(source.name, ())),
        start=replay.starts.get(source.name, START),
        last=None if replay.retry is None else replay.retry.last(source.name),
        weight=weight,
    )
