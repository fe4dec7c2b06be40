"""SSH: a login that asynchronous calls can be made over by those who are not asynchronous.

One event loop in a thread of its own keeps the connections of this process, so that a server's
questions are answered while nobody reads. A connection that breaks is made again, and what was
asked over it is asked again; one that nobody used for a while is closed.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import SourceError
from .extras import need

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ("Login", "Session", "disconnect", "session_of")

T = TypeVar("T")

PAUSES: Final = {True: (0.2, 0.5, 1, 2, 4, 8, 15, 30, 30, 30), False: (0.2, 0.5, 1)}
"""Seconds before each new try: while reading, while looking."""

IDLE_SECONDS: Final = 15
_CONNECT_SECONDS: Final = 20
_ANSWER_SECONDS: Final = 90
_KEEPALIVE_SECONDS: Final = 15
_KNOWN_HOSTS: Final = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who logs in where, and how the server is known for what it is."""

    host: str
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)  # or the passphrase of `key_file`
    key_file: str | None = None
    known_hosts: str | None = None

    @property
    def place(self) -> str:
        """user@host:port, as far as they are given."""
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{user}{host}{f':{self.port}' if self.port else ''}"

    def options(self) -> dict[str, Any]:
        """What is given to asyncssh. Host keys are always checked, whatever ssh's config says."""
        files = (self.known_hosts,) if self.known_hosts else _KNOWN_HOSTS
        present = [str(path) for path in map(_expanded, files) if path.is_file()]
        options: dict[str, Any] = {
            "host": self.host,
            "known_hosts": present or b"",
            "connect_timeout": _CONNECT_SECONDS,
            "login_timeout": _CONNECT_SECONDS,
            "keepalive_interval": _KEEPALIVE_SECONDS,
        }
        given: dict[str, Any] = {"port": self.port, "username": self.user}
        if self.key_file:
            given["client_keys"] = [str(_expanded(self.key_file))]
            given["passphrase"] = self.password
        else:
            given["password"] = self.password

        return options | {name: value for name, value in given.items() if value is not None}


def _expanded(path: str) -> Path:
    return Path(path).expanduser()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="ssh", daemon=True).start()
    return loop


_sessions: dict[Login, Session] = {}


def session_of(login: Login, *, what: str) -> Session:
    """This process's session of a login. SourceError where the library is not installed."""
    need("asyncssh", extra="sftp", what=what)
    return _sessions.setdefault(login, Session(login))


def disconnect() -> None:
    """Close every connection; each is made again where it is needed."""
    for session in _sessions.values():
        asyncio.run_coroutine_threadsafe(session.close(), _loop()).result()


class Session:
    """A login's SFTP client, connected while it is used."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connecting = asyncio.Lock()
        self._connection: Any = None
        self._client: Any = None
        self._idle: asyncio.TimerHandle | None = None
        self._busy = 0

    def call(self, act: Callable[[Any], Awaitable[T]], *, what: str, patient: bool) -> T:
        """Wait for what `act` makes of an SFTP client; call it again where the line breaks.

        Raises SourceError where the server refuses, or was asked in vain for too long.
        """
        broken: BaseException | None = None
        for pause in (0, *PAUSES[patient]):
            time.sleep(pause)
            try:
                result: T = asyncio.run_coroutine_threadsafe(self._once(act), _loop()).result()
            except (OSError, ValueError, _ssh().Error) as error:
                if sentence := self._refusal(error):
                    raise SourceError(f"{what} cannot be read: {sentence}") from None

                broken = error
            else:
                return result

        raise SourceError(
            f"{what} cannot be read: {self._login.place} does not answer, or breaks off "
            f"({_told(broken)}). "
            + (
                "Everything before was read; `run` goes on there."
                if patient
                else "Check [source] url."
            )
        ) from broken

    async def _once(self, act: Callable[[Any], Awaitable[T]]) -> T:
        self._busy += 1
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await act(await self._connected())
        except (OSError, _ssh().DisconnectError, _ssh().SFTPConnectionLost):
            await self.close()
            raise
        finally:
            self._busy -= 1
            self._rest()

    async def _connected(self) -> Any:
        async with self._connecting:
            if self._client is None:
                self._connection = await _ssh().connect(**self._login.options())
                self._client = await self._connection.start_sftp_client()

            return self._client

    def _rest(self) -> None:
        """Close the connection when nobody has used it for a while."""
        if self._idle is not None:
            self._idle.cancel()

        self._idle = _loop().call_later(IDLE_SECONDS, self._leave)

    def _leave(self) -> None:
        if not self._busy and self._connection is not None:
            self._connection.close()
            self._connection = self._client = None

    async def close(self) -> None:
        """Close the connection at once."""
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.abort()
            with suppress(OSError, _ssh().Error):
                await connection.wait_closed()

    def _refusal(self, error: BaseException) -> str | None:
        """What the server, or a file of ours, refuses for good; None where the line broke."""
        ssh, login = _ssh(), self._login
        match error:
            case ssh.HostKeyNotVerifiable():
                file = login.known_hosts or _KNOWN_HOSTS[0]
                port = f"-p {login.port} " if login.port else ""
                return (
                    f"the key of {login.host} is not in {file}, or is another one there. Nothing "
                    "was told to it. Ask its owner for the key's fingerprint, and if it is right: "
                    f"ssh-keyscan {port}{login.host} >> {file}"
                )
            case ssh.PermissionDenied():
                return (
                    f"{login.place} refuses the login. Check the user in [source] url, and set "
                    "JOURNEY_SOURCE__PASSWORD, or [source] key_file"
                )
            case ssh.SFTPPermissionDenied():
                return f"{login.place} does not let this user read it"
            case FileNotFoundError() | PermissionError() | ValueError():
                return f"[source] key_file cannot be used: {_told(error)}"

        return None


def _told(error: BaseException | None) -> str:
    return str(error) or type(error).__name__


def _ssh() -> Any:
    return need("asyncssh", extra="sftp", what="SFTP")
