"""Real servers of files, each in a process of its own on a free port of loopback."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.request import ProxyHandler, Request, build_opener

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("PASSWORD", "USER", "S3Server", "ServerProcess", "SftpServer")

USER = "marketing"
PASSWORD = "s3cret-of-the-login"
_REPOSITORY = Path(__file__).resolve().parents[2]


class ServerProcess:
    """A process that says on which port it serves."""

    def __init__(self, *command: str, says: str) -> None:
        self._command = [sys.executable, "-u", *command]
        self._says = re.compile(says)
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=_REPOSITORY,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := self._says.search(line):
                self.port = int(found[1])
                return self

        raise RuntimeError(f"{self._command} ended with {self._process.wait()}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()

    def pause(self, *, seconds: float) -> None:
        """Let it answer nobody for a while."""
        self._process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)


class S3Server(ServerProcess):
    """moto's S3, with a bucket anyone may read."""

    def __init__(self) -> None:
        super().__init__(
            "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", says=r"http://127\.0\.0\.1:(\d+)"
        )
        # Loopback is never behind a proxy, whatever the environment says.
        self._opener = build_opener(ProxyHandler({}))

    def put(self, path: str, content: bytes = b"") -> None:
        """Store an object under bucket/key, or make the bucket."""
        url = f"http://127.0.0.1:{self.port}/{path}"
        headers = {"x-amz-acl": "public-read", "Content-Type": "application/octet-stream"}
        request = Request(url, data=content, headers=headers, method="PUT")
        self._opener.open(request, timeout=10).close()


class SftpServer(ServerProcess):
    """asyncssh's SFTP server: `folder` is what its user sees from / on."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        module = "tests.fakes.sftp_server"
        super().__init__("-m", module, str(folder), str(port), says=r"^serving on (\d+)")
        self._folder = folder

    @property
    def key_line(self) -> str:
        """The server's public key, as known_hosts has it behind the host."""
        return (self._folder.parent / "host_key.pub").read_text().strip()
