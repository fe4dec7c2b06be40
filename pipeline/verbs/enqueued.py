"""Enqueued: how far a source was put on a queue, in a file that a later process goes on by.

`enqueued/<name>.json` in the run directory: what is put (the sources by their content), where,
how many contacts a message holds, and up to which record, counted over all sources. It is written
before the first message is put, anew behind each group of them, and replaced whole. Beside it,
`<name>.rejected.ndjson` has the records that could not be put, which are on no queue.

What is the same uncompressed is the same: it is gone on with, or is there already.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import orjson

from ..errors import AlreadyInjectedError, InjectedInPartError, RunDirectoryError
from ..intake.source import Fingerprint
from ..settling.appending import append_lines
from ..settling.contacts import as_json
from ..settling.identity import begun_sizes, contents_of, cut_off, paired, told
from ..settling.plains import plain_of, values_of
from ..settling.schema import sync_directory, translated
from ..settling.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..intake.holdings import Holdings
    from ..intake.plain import Plain
    from ..intake.recognised import Content
    from ..intake.source import Rejection

__all__ = ("Enqueued",)

DIRECTORY = "enqueued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """A record of what is on a queue."""

    name: str
    queue: str
    sources: list[list[Any]]
    each: int
    """Contacts in a message."""
    plains: list[list[Any] | None] = field(default_factory=list)
    """What each source is uncompressed; none where an earlier program wrote the record."""
    salt: str = ""
    """Random where all of it was begun once more; part of every message's identity then."""
    last: int = 0
    messages: int = 0
    contacts: int = 0
    rejected: int = 0
    complete: bool = False

    @classmethod
    def of(cls, fingerprints: Iterable[Fingerprint], *, queue: str, each: int) -> Self:
        """A record of nothing yet."""
        sources = [[one.name, one.size, one.digest, one.reading] for one in fingerprints]
        # In their order, whatever they are called: records are counted over all of them.
        known = orjson.dumps([queue, [source[1:] for source in sources]])
        name = hashlib.blake2b(known, digest_size=8).hexdigest()
        return cls(name=name, queue=queue, sources=sources, each=each)

    def found(self, directory: Path, *, again: bool, holdings: Holdings) -> Self:
        """What an earlier process wrote, to go on by; this one where there is nothing.

        With `again`, what is complete is begun anew, and so is what nothing here tells of: the
        queue may know of an earlier time. What is not complete is gone on with in any case. Raises
        AlreadyInjectedError where all is on the queue already, or some of it is (`holdings` tells
        what the sources are uncompressed, and were before something was appended), unless `again`.
        """
        path = self._path(directory)
        known = self._read(path) if path.exists() else None
        if known is not None and not known.complete:
            return known

        if known is not None and not again:
            raise self._is_there(known)

        return self._told(holdings.plains()).beside(directory, again=again, holdings=holdings)

    def _told(self, plains: Iterable[Plain | None]) -> Self:
        """The same, with what the sources are uncompressed."""
        values = [None if each is None else list(values_of(each)) for each in plains]
        return replace(self, plains=values)

    def beside(self, directory: Path, *, again: bool, holdings: Holdings) -> Self:
        """The same as `found`, where no record is of what is stored now. This one is told what the
        sources are uncompressed."""
        records = [(path, self._read(path)) for path in sorted(directory.glob("*.json"))]
        here = [(path, known) for path, known in records if known.queue == self.queue]
        twins = [known for _, known in here if self._is(known)]
        for known in twins:
            if not known.complete:
                return known

        if again:
            return replace(self, salt=secrets.token_hex(4))

        if twins:
            self._refuse_damaged()
            raise self._is_there(twins[0])

        sources = [source for _, known in here for source in known.fingerprints]
        grown = set(holdings.beginnings(begun_sizes(sources, self.fingerprints)))
        for path, known in here:
            self._refuse_parts(path, known, grown)

        return self

    def _is(self, known: Self) -> bool:
        """Whether `known` is of the same records in the same order, however compressed."""
        old, new = known.fingerprints, self.fingerprints
        return len(old) == len(new) and all(
            paired([one], [other]) and one.reading == other.reading
            for one, other in zip(old, new, strict=True)
        )

    def _is_there(self, known: Self) -> AlreadyInjectedError:
        return AlreadyInjectedError(
            f"all of it is on {self.queue} already: {known.contacts:,} contacts in "
            f"{known.messages:,} messages. --again puts them there once more"
        )

    def _refuse_damaged(self) -> None:
        """Raise InjectedInPartError where there may be more in it than can be read."""
        for source in self.fingerprints:
            if source.plain is not None and not source.plain.whole:
                raise InjectedInPartError(
                    f"{source.name} is damaged or cut off, and all that can be read of it is on "
                    f"{self.queue} already: fetch it again"
                )

    def _refuse_parts(self, path: Path, known: Self, grown: set[Content]) -> None:
        """Raise InjectedInPartError where `known` tells that some of it is on the queue already."""
        if shared := paired(known.fingerprints, self.fingerprints):
            names = ", ".join(new.name for _, new in shared)
            raise InjectedInPartError(
                f"{names}: on {self.queue} already, or a part of it, but among other sources, in "
                f"another order, or read in another way ({path}). To put nobody there twice, go on "
                "with what it was put there with, or move it away; or use --again, which puts all "
                "of it there"
            )

        for source in known.fingerprints:
            if contents_of(source) & grown:
                raise InjectedInPartError(
                    f"{source.name} has grown since it was put on {self.queue} ({path}): those "
                    "whom it held then would be there once more. To put nobody there twice, put "
                    "what is new into a file of its own, or use --again, which puts all of it there"
                )

        for whole, part in cut_off(known.fingerprints, self.fingerprints):
            raise InjectedInPartError(
                f"{part.name} looks like the beginning of the {whole.name} that was put on "
                f"{self.queue} ({path}): an upload that was cut off, or an older version of it. "
                "Those whom it holds would be there once more. To put nobody there twice, leave it "
                "away; if it is another file all the same, --again puts all of it there"
            )

    @property
    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """What was put, the sources in the order they were read in."""
        sources = [
            Fingerprint(name=name, size=size, digest=digest, reading=reading)
            for name, size, digest, reading in self.sources
        ]
        plains = [None if each is None else plain_of(each) for each in self.plains]
        return told(sources, plains)

    def _read(self, path: Path) -> Self:
        with translated(path):
            content = path.read_bytes()

        try:
            return replace(self, **{"plains": [], **orjson.loads(content)})
        except (ValueError, TypeError):
            raise RunDirectoryError(
                f"{path} is not what `enqueue` writes: put it back as it was. Without it, what is "
                f"on {self.queue} already may be put there once more"
            ) from None

    @property
    def key(self) -> str:
        """What the messages' identities begin with."""
        return f"{self.name}.{self.salt}" if self.salt else self.name

    def write(self, directory: Path) -> None:
        """Replace the file; durable when this returns."""
        path = self._path(directory)
        content = orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)
        with translated(path):
            write_whole(path, content, synced=True)
            sync_directory(directory)

    def forget_rejected(self, directory: Path) -> None:
        """They are told of again, from the first."""
        path = self._path(directory).with_suffix(".rejected.ndjson")
        with translated(path):
            path.unlink(missing_ok=True)

    def reject(self, directory: Path, rejections: Iterable[Rejection]) -> None:
        """Append records that cannot be put on a queue."""
        path = self._path(directory).with_suffix(".rejected.ndjson")
        with translated(path):
            append_lines(path, b"".join(map(_line, rejections)))

    def _path(self, directory: Path) -> Path:
        return directory / f"{self.name}.json"


def _line(rejection: Rejection) -> bytes:
    return orjson.dumps(
        {
            "source": rejection.source,
            "position": rejection.position,
            "stage": rejection.stage,
            "reason": rejection.reason,
            "detail": rejection.detail,
            "record": orjson.Fragment(as_json(rejection.record)),
        },
        option=orjson.OPT_APPEND_NEWLINE,
    )
