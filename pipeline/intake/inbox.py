"""The inbox: a folder into which others put files; they are taken when complete, then moved.

A file is complete when its size and its time of change have stayed as they are for some seconds of
ours, or at once where an empty file beside it, called like it and `.done`, says so. What is still
being written under another name is no file yet: hidden ones, and those that end in `.part`, `.tmp`,
`.filepart` or `.crdownload`. So whoever can should write elsewhere and rename.

What was taken lies in `done/` or `failed/` inside the folder afterwards. A name that is there
already gets a number: nothing is overwritten. Only what was taken is moved: a file that was
replaced or has grown since is another one, complete in its turn.

Told the time, so that tests need not wait. Blocks on files.
"""

from __future__ import annotations

import fcntl
import math
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import SourceError
from .locate import is_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import SourcePolicy

__all__ = ("Inbox", "Place")

MARK: Final = ".done"
UNDER_WAY: Final = (".part", ".tmp", ".filepart", ".crdownload")


class Place(StrEnum):
    """Where a file lies once it was taken: the name of a folder inside the inbox."""

    DONE = "done"  # each of its contacts has its outcome
    FAILED = "failed"  # it cannot be read, or must not be sent; nothing of it was


@dataclass(frozen=True, slots=True)
class _Looks:
    """By what a file is told from what lies there later."""

    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> _Looks:
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was seen, and since when it has looked like that."""

    looks: _Looks
    since: float


class Inbox:
    """One folder. `waiting` is how many files lay in it at the last look, complete or not; `links`
    are the names under which something lay there that is none, but leads to one."""

    def __init__(self, folder: Path, *, quiet_seconds: float) -> None:
        self._folder = folder
        self._quiet_seconds = quiet_seconds
        self._seen: dict[str, _Seen] = {}
        self.links: frozenset[str] = frozenset()

    @classmethod
    def of(cls, policy: SourcePolicy) -> Inbox:
        """The folder that a config names."""
        return cls(Path(policy.url).expanduser(), quiet_seconds=policy.quiet_seconds)

    def holds_files(self) -> bool:
        """Whether anything lies there that will be taken. Raises as `prepare` does."""
        self.prepare()
        self._look(0.0)
        return bool(self._seen)

    @property
    def waiting(self) -> int:
        """How many files lay there at the last look."""
        return len(self._seen)

    def lying(self) -> set[str]:
        """The names of the files that lie there now, complete or not. What `complete` has seen
        stays. Raises SourceError where the folder cannot be read.
        """
        try:
            with os.scandir(self._folder) as entries:
                return {entry.name for entry in entries if _is_ours(entry)}
        except OSError as error:
            raise self._unreadable(error) from None

    def prepare(self) -> None:
        """Make the folders inside. Raises SourceError where this cannot be."""
        if not self._folder.is_dir():
            raise SourceError(
                f"{self._folder} is no folder: source.watch needs one. Check [source] url"
            )

        try:
            for place in Place:
                (self._folder / place).mkdir(exist_ok=True)
        except OSError as error:
            raise SourceError(
                f"{self._folder} cannot be written ({error.strerror}): files are moved inside it "
                "when they are settled"
            ) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only process of this machine that takes from the folder; `prepare` came before.

        Two would send the same file, each in a run directory of its own. Raises SourceError where
        another one is at it.
        """
        try:
            descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(error) from None

        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(
                f"{self._folder} is watched by another process, and two would send its files "
                "twice: let that end or stop it, or give each a folder of its own"
            ) from None
        except OSError as error:
            raise SourceError(
                f"{self._folder} cannot be locked ({error.strerror}), so that another process "
                "might send its files too: watch a folder on another file system"
            ) from None

    def complete(self, now: float) -> Path | None:
        """The next file that is complete, by name; None where there is none yet.

        Raises SourceError where the folder cannot be read, which may pass.
        """
        try:
            self._look(now)
        except OSError as error:
            raise self._unreadable(error) from None

        for name in sorted(self._seen):
            path = self._folder / name
            quiet = now - self._seen[name].since >= self._quiet_seconds
            if quiet or Path(f"{path}{MARK}").exists():
                return path

        return None

    def find(self, name: str) -> Path | None:
        """The file of this name, complete or not, if it lies there."""
        path = self._folder / name
        if not path.is_file() or path.is_symlink():
            return None

        self._seen[name] = _Seen(_Looks.of(path.lstat()), math.inf)
        return path

    def kept(self, name: str) -> list[Path]:
        """Files that may be one that was taken under that name: waiting still, or in done/.

        Those that are called so come first. Raises SourceError where the folder cannot be read.
        """
        stem = name.partition(".")[0]
        found: list[Path] = []
        for folder in (self._folder, self._folder / Place.DONE):
            try:
                with os.scandir(folder) as entries:
                    found += [Path(entry.path) for entry in entries if _is_ours(entry)]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._unreadable(error) from None

        return sorted(found, key=lambda path: (not path.name.startswith(stem), path))

    def changed(self, path: Path) -> bool:
        """Whether something else lies there, or nothing, than `complete` or `find` gave."""
        seen = self._seen.get(path.name)
        return seen is None or seen.looks != _looks(path)

    def put(self, path: Path, place: Place) -> Path | None:
        """Move what `complete` or `find` gave, without its mark; returns where it lies now.

        None where that does not lie there any more, as it was then: what does stays.
        Raises SourceError where it cannot be moved: it would be looked at for ever.
        """
        taken, now = self._seen.pop(path.name, None), _looks(path)
        mark = Path(f"{path}{MARK}")
        if taken is None or now != taken.looks:
            _drop_older(mark, now)
            return None

        # First the mark: left behind, it would call the next file of this name complete.
        with suppress(OSError):
            mark.unlink(missing_ok=True)

        target = next(each for each in _names(self._folder / place, path) if not each.exists())
        try:
            path.rename(target)
        except OSError as error:
            raise SourceError(
                f"{path} is settled and cannot be moved to {target}: {error.strerror}"
            ) from None

        return target

    def _look(self, now: float) -> None:
        """Note what lies there, and what has changed since the last look."""
        seen: dict[str, _Seen] = {}
        links: set[str] = set()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not _is_ours(entry):
                    if entry.is_symlink() and _is_called_so(entry.name):
                        links.add(entry.name)

                    continue

                with suppress(FileNotFoundError):  # somebody has just moved it
                    looks = _Looks.of(entry.stat(follow_symlinks=False))
                    known = self._seen.get(entry.name)
                    same = known is not None and looks == known.looks
                    seen[entry.name] = known if known and same else _Seen(looks, now)

        self._seen, self.links = seen, frozenset(links)

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self._folder} cannot be read: {error.strerror}")

    def __repr__(self) -> str:
        return f"<Inbox {self._folder}, {self.waiting} waiting>"


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether this may be a file to take, by its name and its kind; a link is never followed."""
    return _is_called_so(entry.name) and entry.is_file(follow_symlinks=False)


def _is_called_so(name: str) -> bool:
    """Whether a file to take may have this name."""
    name = name.lower()
    return is_data(name) and not name.startswith(".") and not name.endswith(UNDER_WAY)


def _looks(path: Path) -> _Looks | None:
    try:
        return _Looks.of(path.lstat())
    except OSError:
        return None


def _drop_older(mark: Path, looks: _Looks | None) -> None:
    """Take away a mark that was put before the file looked like this: it speaks of another."""
    with suppress(OSError):
        if looks is None or mark.lstat().st_mtime_ns < looks.changed:
            mark.unlink()


def _names(folder: Path, path: Path) -> Iterator[Path]:
    """The name it has, then others."""
    yield folder / path.name
    number = 2
    while True:
        yield folder / f"{path.stem}.{number}{path.suffix}"
        number += 1
