"""Locate: from the URL in the config to the sources it stands for."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ..errors import SourceError
from .archive import ENDING, members_of
from .formats import ENDINGS, format_of, source_of
from .origin import PathOrigin, StdinOrigin
from .source import Format

if TYPE_CHECKING:
    from .origin import Origin
    from .source import FileSource, SourcePolicy

__all__ = ("locate",)

# What other URLs stand for. A kind that can be read moves from here into `locate`.
_NOT_YET: Final = {
    "s3": "objects in Amazon S3",
    "gs": "objects in Google Cloud Storage",
    "sftp": "files on an SFTP server",
    "redis": "a Redis stream",
    "nats": "a NATS JetStream consumer",
    "amqp": "a RabbitMQ queue",
    "kafka": "a Kafka topic",
    "sqs": "an Amazon SQS queue",
}


def locate(policy: SourcePolicy) -> list[FileSource]:
    """Find what `policy.url` stands for, in the order of the names.

    Raises SourceError where there is nothing, or something that cannot be read.
    """
    if policy.url == "-":
        policy = replace(policy, format=policy.format or Format.CSV)
        return [source_of("stdin", StdinOrigin(), policy)]

    paths = _paths(_local(policy.url))
    sources: list[FileSource] = []
    for name, path in zip(_names(paths), paths, strict=True):
        sources += _sources(name, PathOrigin(path), policy)

    return sources


def _sources(name: str, origin: Origin, policy: SourcePolicy) -> list[FileSource]:
    """The source that a file is, or those that lie in an archive."""
    if not name.lower().endswith(ENDING):
        return [source_of(name, origin, policy)]

    members = members_of(origin, lambda member: policy.format or format_of(member))
    if not members:
        raise SourceError(f"{origin.label} holds no file ending in {ENDINGS}. Check [source] url.")

    return [source_of(f"{name}/{member.name}", member, policy) for member in members]


def _local(url: str) -> str:
    """The path that `url` names on this machine, or the pattern."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    if match is None:
        return str(Path(url).expanduser())

    scheme = match[1].lower()
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise SourceError(f"{url} names another machine: write file:///path instead")

        return unquote(parts.path)

    if scheme in _NOT_YET:
        raise SourceError(
            f"{url} names {_NOT_YET[scheme]}: this version reads files and standard input. "
            'Bring the data to a file, or pipe it in with [source] url = "-".'
        )

    raise SourceError(
        f'{url}: "{scheme}" is no kind of source. [source] url takes a path, a glob, a directory, '
        'file:// or "-" for standard input.'
    )


def _paths(place: str) -> list[Path]:
    path = Path(place)
    if path.is_dir():
        paths = [
            each
            for each in sorted(path.iterdir())
            if each.is_file() and not each.name.startswith(".") and _is_data(each.name)
        ]
        nothing = f"{place} holds no file ending in {ENDINGS} or {ENDING} (.gz and .zst allowed)"
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


def _is_data(name: str) -> bool:
    return format_of(name) is not None or name.lower().endswith(ENDING)


def _names(paths: list[Path]) -> list[str]:
    """The base names; where one occurs twice, the path below the directory all lie in."""
    times = Counter(path.name for path in paths)
    absolute = [path.absolute() for path in paths]
    parent = os.path.commonpath([path.parent for path in absolute])
    return [
        path.name if times[path.name] == 1 else path.relative_to(parent).as_posix()
        for path in absolute
    ]
