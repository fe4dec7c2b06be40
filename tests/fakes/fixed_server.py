"""A server in a thread that reads a request and answers every one with the same bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ("FixedServer",)


class FixedServer:
    """`with FixedServer(b"HTTP/1.1 …") as server`: for commands in processes of their own."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        with suppress(OSError):  # the socket was shut down: the end
            while True:
                connection, _ = self._socket.accept()
                with connection, suppress(ConnectionError):
                    connection.recv(65536)
                    connection.sendall(self._answer)
