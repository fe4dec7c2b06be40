"""Enqueued: how far a source was put on a queue, in a file that a later process goes on by.

`enqueued/<name>.json` in the run directory: what is put (the sources by their content), where,
how many contacts a message holds, and up to which record, counted over all sources. It is written
anew behind each group of messages, and replaced whole. Beside it, `<name>.rejected.ndjson` has the
records that could not be read, which are on no queue.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import orjson

from .errors import AlreadyInjectedError, RunDirectoryError
from .settling.contacts import as_json
from .settling.schema import translated

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .intake.source import Fingerprint, Rejection

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
    times: int = 1
    """How often all of it was begun; part of every message's identity."""
    last: int = 0
    messages: int = 0
    contacts: int = 0
    rejected: int = 0
    complete: bool = False

    @classmethod
    def of(cls, fingerprints: Iterable[Fingerprint], *, queue: str, each: int) -> Self:
        """A record of nothing yet."""
        sources = [[one.name, one.size, one.digest, one.reading] for one in fingerprints]
        known = orjson.dumps([queue, sorted(source[1:] for source in sources)])
        name = hashlib.blake2b(known, digest_size=8).hexdigest()
        return cls(name=name, queue=queue, sources=sources, each=each)

    def found(self, directory: Path, *, again: bool) -> Self:
        """What an earlier process wrote, to go on by; this one where there is nothing.

        Raises AlreadyInjectedError where all is on the queue already, unless `again`.
        """
        path = self._path(directory)
        try:
            with translated(path):
                known = replace(self, **orjson.loads(path.read_bytes()))
        except RunDirectoryError:
            if path.exists():
                raise

            return self

        if again:
            return replace(self, times=known.times + 1)

        if known.complete:
            raise AlreadyInjectedError(
                f"all of it is on {self.queue} already: {known.contacts:,} contacts in "
                f"{known.messages:,} messages. --again puts them there once more"
            )

        return known

    @property
    def key(self) -> str:
        """What the messages' identities begin with."""
        return self.name if self.times == 1 else f"{self.name}.{self.times}"

    def write(self, directory: Path) -> None:
        """Replace the file; durable when this returns."""
        path = self._path(directory)
        draft = path.with_suffix(".new")
        with translated(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            descriptor = os.open(draft, flags, 0o600)
            try:
                os.write(descriptor, orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

            draft.replace(path)

    def forget_rejected(self, directory: Path) -> None:
        """They are told of again, from the first."""
        path = self._path(directory).with_suffix(".rejected.ndjson")
        with translated(path):
            path.unlink(missing_ok=True)

    def reject(self, directory: Path, rejections: Iterable[Rejection]) -> None:
        """Append records that cannot be put on a queue."""
        path = self._path(directory).with_suffix(".rejected.ndjson")
        lines = [_line(one) for one in rejections]
        with translated(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            descriptor = os.open(path, flags, 0o600)
            try:
                os.write(descriptor, b"".join(lines))
            finally:
                os.close(descriptor)

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
