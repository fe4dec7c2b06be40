"""The wire under a connection: whether anything of a request can have reached the other side.

A server that drops an idle connection at the very moment it is used again answers a request with
the connection's end. The end itself tells what the server had: the segment that carries it (FIN)
acknowledges every byte that had come until then. If that is none of this request, the server had
ended its side before it could have read any of it, and who has ended his side can neither answer
nor act on what comes after.

That holds for an end in good order alone. A reset proves nothing: bytes that were read may not
have been acknowledged yet when it was sent.

Linux counts acknowledged bytes (TCP_INFO, since 4.2). Elsewhere nothing is claimed.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from typing import Self

__all__ = ("Wire", "in_good_order")

_ACKED_AT: Final = 120
"""Where `tcpi_bytes_acked`, 64 bits, lies in Linux's `struct tcp_info`."""


class Wire:
    """What was acknowledged on a connection before a request, to be held against afterwards.

    Make it before the request's first byte is written, and close it: it holds a descriptor of its
    own, since the connection's is gone as soon as the connection is lost.
    """

    def __init__(self, descriptor: int, acked: int) -> None:
        self._descriptor = descriptor
        self._before = acked

    @classmethod
    def under(cls, transport: BaseTransport) -> Self | None:
        """The wire under `transport`, or None where the system does not tell."""
        plug = transport.get_extra_info("socket")
        if sys.platform != "linux" or plug is None or plug.fileno() < 0:
            return None

        if (acked := _acked(plug)) is None:
            return None

        return cls(os.dup(plug.fileno()), acked)

    def untouched(self) -> bool:
        """Whether the other side has acknowledged nothing since."""
        with socket.socket(fileno=os.dup(self._descriptor)) as plug:
            return _acked(plug) == self._before

    def close(self) -> None:
        """Let go of the descriptor; closing again does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def in_good_order(error: BaseException) -> bool:
    """Whether a connection was lost because the other side had ended it, and not by a reset."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return True

    # A write after the other side's end, which it answered with a reset; one without an end before
    # it is ECONNRESET.
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _acked(plug: socket.socket) -> int | None:
    try:
        told = plug.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + 8)
    except OSError:
        return None

    return struct.unpack_from("=Q", told, _ACKED_AT)[0] if len(told) >= _ACKED_AT + 8 else None
