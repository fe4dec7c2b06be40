"""SFTP: files on a server one logs in to."""

from __future__ import annotations

import stat
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from ..errors import SourceError
from .extras import need
from .remote import RemoteFile, changed
from .ssh import Login, session_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .source import SourcePolicy

__all__ = ("SftpStore", "sftp_of")

_HOME: Final = "/~/"


def sftp_of(policy: SourcePolicy) -> tuple[SftpStore, str]:
    """The store that sftp://user@host:port/path names, and the path: absolute, or below ~."""
    try:
        parts = urlsplit(policy.url)
        login = Login(
            host=parts.hostname or "",
            port=parts.port,
            user=None if parts.username is None else unquote(parts.username),
            password=policy.password,
            key_file=policy.key_file,
            known_hosts=policy.known_hosts,
        )
    except ValueError as error:
        raise SourceError(f"[source] url is no address: {error}") from None

    # What stands behind ? and # belongs to the path: both may be in a file's name or a pattern.
    path = unquote(policy.url.split("/", 3)[3] if policy.url.count("/") > 2 else "")
    if not login.host:
        raise SourceError("[source] url names no host: write sftp://user@host/path")

    return SftpStore(login), path.removeprefix("~/") if path[:2] == "~/" else f"/{path}"


class SftpStore:
    """What one login sees. Paths are absolute, or relative to its home."""

    __slots__ = ("_login",)

    def __init__(self, login: Login) -> None:
        self._login = login

    def url(self, path: str) -> str:
        return f"sftp://{self._login.place}{path if path[:1] == '/' else _HOME + path}"

    def find(self, path: str) -> RemoteFile | None:
        found: RemoteFile | None = self._call(partial(_find, path=path), path, patient=False)
        return found

    def below(self, folder: str, *, deep: bool) -> list[RemoteFile]:
        look = partial(_below, folder=folder, deep=deep)
        found: list[RemoteFile] = self._call(look, folder, patient=False)
        return found

    def fetch(self, file: RemoteFile, begin: int, end: int) -> bytes:
        fetch = partial(_fetch, file=file, begin=begin, end=end)
        data: bytes | None = self._call(fetch, file.path, patient=True)
        if data is None:
            raise changed(self.url(file.path))

        return data

    def _call(self, act: Callable[[Any], Awaitable[Any]], path: str, *, patient: bool) -> Any:
        url = self.url(path)
        return session_of(self._login, what=url).call(act, what=url, patient=patient)


async def _find(client: Any, *, path: str) -> RemoteFile | None:
    try:
        return _file(path, await client.stat(path))
    except _missing():
        return None


async def _below(client: Any, *, folder: str, deep: bool) -> list[RemoteFile]:
    found, folders = [], [folder]
    while folders:
        parent = folders.pop()
        try:
            entries = [entry async for entry in client.scandir(parent or ".")]
        except _missing():
            continue

        for entry in entries:
            path, mode = f"{parent}{entry.filename}", entry.attrs.permissions or 0
            if entry.filename in (".", ".."):
                continue

            if stat.S_ISLNK(mode):
                found.append(await _find(client, path=path))
            elif stat.S_ISDIR(mode):
                folders += [f"{path}/"] if deep else []
            else:
                found.append(_file(path, entry.attrs))

    return [file for file in found if file is not None]


async def _fetch(client: Any, *, file: RemoteFile, begin: int, end: int) -> bytes | None:
    """Bytes of a file, from beginning to end of the reading the one that was found; else None."""
    try:
        async with client.open(file.path, "rb") as handle:
            data: bytes = await handle.read(end - begin, begin)
            attributes = await handle.stat()
    except _missing():
        return None

    return data if _file(file.path, attributes) == file else None


def _file(path: str, attributes: Any) -> RemoteFile | None:
    """None for what is no regular file."""
    mode = attributes.permissions
    if mode is not None and stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return None

    return RemoteFile(path=path, size=attributes.size or 0, version=str(attributes.mtime))


def _missing() -> tuple[type[Exception], ...]:
    ssh = need("asyncssh", extra="sftp", what="SFTP")
    return (ssh.SFTPNoSuchFile, ssh.SFTPNoSuchPath, ssh.SFTPNotADirectory)
