"""A line that breaks: a TCP proxy on loopback that cuts its first connections in mid-answer."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Thread
from typing import Self

__all__ = ("BreakingProxy",)


class BreakingProxy:
    """`with BreakingProxy(port, cuts=[100_000, 0]) as proxy`: connect to `proxy.port`.

    Connection i is ended once `cuts[i]` bytes have come back from the server; those behind the last
    are left alone.
    """

    def __init__(self, port: int, *, cuts: list[int]) -> None:
        self._port = port
        self._cuts = cuts
        self._sockets: list[socket.socket] = []
        self.port = 0
        self.connections = 0
        self.open = 0
        self.broken = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

        for each in self._sockets:
            each.close()

    def cut(self) -> None:
        """End all connections there are."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [client, server]
                left = self._cuts.pop(0) if self._cuts else None
                self.connections += 1
                self.open += 1
                for target, arguments in (
                    (self._ask, (client, server)),
                    (self._answer, (server, client, left)),
                ):
                    self._threads.append(Thread(target=target, args=arguments))
                    self._threads[-1].start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)

            server.shutdown(socket.SHUT_WR)

        self.open -= 1

    def _answer(self, server: socket.socket, client: socket.socket, left: int | None) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if left is not None and len(data) > left:
                    client.sendall(data[:left])
                    self.broken += 1
                    client.shutdown(socket.SHUT_RDWR)
                    server.shutdown(socket.SHUT_RDWR)
                    return

                client.sendall(data)
                left = None if left is None else left - len(data)

            client.shutdown(socket.SHUT_WR)
