"""Remote files: stored bytes on another machine, read by ranges.

A store is patient with the line: a range that breaks off is fetched again. It is strict with the
file: each range must come from the version that was found when the run was planned, so that no run
reads half of one file and half of another.
"""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ..errors import SourceError
from .recognised import HEAD_BYTES, beginnings_of, digest_of
from .source import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from _typeshed import WriteableBuffer

    from .recognised import Content

__all__ = ("RemoteFile", "RemoteOrigin", "Store", "changed", "matching")

_FETCH_BYTES: Final = 8 * 1024 * 1024
"""A range, at most: large enough that the way to the store does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file as it was found; `version` is another one whenever its content is another."""

    path: str
    size: int
    version: str


class Store(Protocol):
    """Files on another machine. Picklable; connects where and when it is first asked.

    Every method raises SourceError where the store refuses, or was asked in vain for too long.
    """

    def url(self, path: str) -> str:
        """What messages call a file; there is no secret in it."""

    def find(self, path: str) -> RemoteFile | None:
        """Look a file up; None where there is none."""

    def below(self, folder: str, *, deep: bool) -> Iterable[RemoteFile]:
        """The files in a folder ("" is the topmost), those in the folders below it if `deep`."""

    def fetch(self, file: RemoteFile, begin: int, end: int) -> bytes:
        """Bytes `begin` to `end` of a file. Raises `changed` where it is not as it was found."""


def changed(url: str) -> SourceError:
    """What a store says of a file that is not the one it was."""
    return SourceError(
        f"{url} has changed or gone since the run began to read it. What was read of it before is "
        "settled and stays so. Put it back as it was, and `run` goes on; for the new content begin "
        "another run, in another [run] directory or with --again."
    )


class RemoteOrigin:
    """One file of a store, in the version it was found in."""

    __slots__ = ("_digest", "_file", "_store")

    def __init__(self, store: Store, file: RemoteFile) -> None:
        self._store = store
        self._file = file
        self._digest: str | None = None

    @property
    def label(self) -> str:
        return self._store.url(self._file.path)

    @property
    def size(self) -> int:
        return self._file.size

    @property
    def is_distant(self) -> bool:
        return True

    def open(self) -> io.RawIOBase:
        return _Remote(self._store, self._file)

    def preview(self) -> io.RawIOBase:
        return self.open()

    def idle(self) -> bool:
        return False

    def fingerprint(self, name: str) -> Fingerprint:
        if self._digest is None:  # once is enough: only this version can be read
            self._digest = self._digest_of(self.size)

        return Fingerprint(name=name, size=self.size, digest=self._digest)

    def beginnings(self, sizes: Iterable[int]) -> Iterator[Content]:
        """What it was when it had so many bytes, for each of the sizes that are less than it has
        now."""
        with self.open() as raw:
            yield from beginnings_of(raw, sizes)

    def _digest_of(self, size: int) -> str:
        with self.open() as raw:
            return digest_of(raw, size)

    def __repr__(self) -> str:
        return f"RemoteOrigin({self.label!r})"


class _Remote(io.RawIOBase):
    """An open remote file. What is read on and on is fetched in ever larger ranges."""

    def __init__(self, store: Store, file: RemoteFile) -> None:
        self._store = store
        self._file = file
        self._position = 0
        self._data = memoryview(b"")
        self._begin = 0  # where in the file `_data` begins
        self._ahead = HEAD_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        target = memoryview(buffer).cast("B")
        if not 0 <= self._position - self._begin < len(self._data):
            self._fetch(len(target))

        at = self._position - self._begin
        data = self._data[at : at + len(target)]
        target[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _fetch(self, wanted: int) -> None:
        goes_on = self._position == self._begin + len(self._data)
        self._ahead = min(2 * self._ahead, _FETCH_BYTES) if goes_on else HEAD_BYTES
        begin = self._position
        end = min(self._file.size, begin + max(self._ahead, min(wanted, _FETCH_BYTES)))
        data = self._store.fetch(self._file, begin, end) if begin < end else b""
        if len(data) < end - begin:
            raise changed(self._store.url(self._file.path))

        self._data, self._begin = memoryview(data), begin


def matching(store: Store, place: str) -> tuple[list[RemoteFile], bool]:
    """Find the files that a path, a pattern or a folder names, by name; and whether it is a folder.

    `**` in a pattern goes into folders, as it does on this machine.
    """
    if place and not place.endswith("/") and (file := store.find(place)):
        return [file], False

    if not glob.has_magic(place):
        folder = f"{place.rstrip('/')}/" if place.strip("/") else place
        return _sorted(store.below(folder, deep=False)), True

    fixed = re.split(r"[*?\[]", place, maxsplit=1)[0]
    folder = fixed[: fixed.rfind("/") + 1]
    pattern = place.split("/")
    files = store.below(folder, deep="/" in place.removeprefix(folder))
    return _sorted(file for file in files if _matches(file.path.split("/"), pattern)), False


def _sorted(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    return sorted(files, key=lambda file: file.path)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path fit those of a pattern, `**` any number of them."""
    if not pattern:
        return not parts

    if pattern[0] == "**":
        return any(_matches(parts[count:], pattern[1:]) for count in range(len(parts) + 1))

    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False

    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
