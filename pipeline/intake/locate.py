"""Locate: from the URL in the config to the sources it stands for."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from dataclasses import replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ..errors import SourceError
from .archive import ENDING, members_of
from .formats import ENDINGS, format_of, source_of
from .origin import PathOrigin, StdinOrigin
from .queues.place import is_queue
from .source import Format

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePath

    from .origin import Origin
    from .remote import Store
    from .source import FileSource, SourcePolicy

__all__ = ("is_data", "is_remote", "locate", "shown")

_STORES: Final = {
    "s3": ("objects", "objects_of"),
    "gs": ("objects", "objects_of"),
    "az": ("objects", "objects_of"),
    "sftp": ("sftp", "sftp_of"),
}
"""Scheme -> the module of its store, imported when one is wanted, and what makes it."""

_NO_DATA: Final = f"holds no file ending in {ENDINGS} or {ENDING} (.gz and .zst allowed)"


def locate(policy: SourcePolicy) -> list[FileSource]:
    """Find what `policy.url` stands for, in the order of the names.

    Raises SourceError where there is nothing, or something that cannot be read.
    """
    if policy.url == "-":
        policy = replace(policy, format=policy.format or Format.CSV)
        return [source_of("stdin", StdinOrigin(), policy)]

    if is_queue(policy.url):
        from .queues.source import QueueSource

        return [QueueSource.of(policy)]

    places = _remote(policy) if _is_far(policy.url) else _on_this_machine(policy.url)
    sources: list[FileSource] = []
    for name, (_, origin) in zip(_names([path for path, _ in places]), places, strict=True):
        sources += _sources(name, origin, policy)

    return sources


def is_remote(url: str) -> bool:
    """Whether a URL names files that lie on another machine, or a queue."""
    return _is_far(url) or is_queue(url)


def _is_far(url: str) -> bool:
    return _scheme(url) in _STORES


def _sources(name: str, origin: Origin, policy: SourcePolicy) -> list[FileSource]:
    """The source that a file is, or those that lie in an archive."""
    if (told := shown(name)) != name:
        raise SourceError(
            f"{told}: the file's name is not UTF-8, and outcomes carry it. Rename it."
        )

    if not name.lower().endswith(ENDING):
        return [source_of(name, origin, policy)]

    members = members_of(origin, lambda member: policy.format or format_of(member))
    if not members:
        raise SourceError(f"{origin.label} holds no file ending in {ENDINGS}. Check [source] url.")

    return [source_of(f"{name}/{member.name}", member, policy) for member in members]


def _remote(policy: SourcePolicy) -> list[tuple[PurePath, Origin]]:
    """The files that a URL names on another machine."""
    from .remote import RemoteOrigin, matching

    store, place = _store(policy)
    files, is_folder = matching(store, place)
    if not files:
        raise SourceError(f"{store.url(place)} is not there. Check [source] url.")

    if is_folder:
        files = [file for file in files if is_data(file.path) and not _is_hidden(file.path)]
        if not files:
            raise SourceError(f"{store.url(place)} {_NO_DATA}. Check [source] url.")

    return [(PurePosixPath("/", file.path), RemoteOrigin(store, file)) for file in files]


def _store(policy: SourcePolicy) -> tuple[Store, str]:
    module, maker = _STORES[_scheme(policy.url)]
    found: tuple[Store, str] = getattr(import_module(f"{__package__}.{module}"), maker)(policy)
    return found


def _scheme(url: str) -> str:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    return match[1].lower() if match else ""


def _on_this_machine(url: str) -> list[tuple[PurePath, Origin]]:
    return [(path.absolute(), PathOrigin(path)) for path in _paths(_local(url))]


def _local(url: str) -> str:
    """The path that `url` names on this machine, or the pattern."""
    scheme = _scheme(url)
    if not scheme:
        return str(Path(url).expanduser())

    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise SourceError(f"{url} names another machine: write file:///path instead")

        return unquote(parts.path)

    shown = re.sub(r"//[^/@]*@", "//…@", url)
    raise SourceError(
        f'{shown}: "{scheme}" is no kind of source. [source] url takes a path, a glob, a '
        "directory, file://, s3://, gs://, az://, sftp://, a queue (redis://, nats://, kafka://, "
        'sqs://, amqp://), or "-" for standard input.'
    )


def _paths(place: str) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        paths = [
            each
            for each in sorted(path.iterdir())
            if each.is_file() and not _is_hidden(each.name) and is_data(each.name)
        ]
        nothing = f"{place} {_NO_DATA}"
    elif path.exists() or not glob.has_magic(place):
        paths, nothing = [path], ""
    else:
        found = (Path(each) for each in glob.iglob(place, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
        paths = sorted({each for each in found if not each.is_dir()})
        nothing = f"nothing matches {place}"

    if not paths:
        raise SourceError(f"{nothing}. Check [source] url; it is taken from {Path.cwd()}.")

    for each in paths:
        _check_readable(each)

    return paths


def _check_readable(path: Path) -> None:
    """Raises SourceError unless `path` is a file that can be opened as often as one likes."""
    if path.exists() and not path.is_file():
        raise SourceError(
            f'{path} is no regular file. Pipe it in instead, with [source] url = "-".'
        )

    PathOrigin(path).open().close()


def shown(name: str) -> str:
    """A file's name as it can be told: what is not UTF-8 in it as `\\xe9`."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def is_data(name: str) -> bool:
    """Whether a file of this name is taken from a folder."""
    return format_of(name) is not None or name.lower().endswith(ENDING)


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")


def _names(paths: Sequence[PurePath]) -> list[str]:
    """The base names of absolute paths; where one occurs twice, the path below what all share."""
    times = Counter(path.name for path in paths)
    parent = os.path.commonpath([path.parent for path in paths])
    return [
        path.name if times[path.name] == 1 else path.relative_to(parent).as_posix()
        for path in paths
    ]
