"""Crossing: objects from one process to another, their long runs of bytes as they stand.

A message is

    head     how many bytes follow, how many of them are the pickle, how many buffers there are
    sizes    of the buffers, 8 bytes each
    pickle   protocol 5, without its buffers (PickleBuffer)
    buffers  one after the other

A whole message is received by one call, into the one place it stays at, while the interpreter is
others' to use: what a `multiprocessing` connection receives is gathered piece by piece, and copied
more often than it is looked at afterwards.
"""

from __future__ import annotations

import pickle
import select
import socket
import struct
from array import array
from typing import Any, Final

__all__ = ("Crossing",)

_HEAD: Final = struct.Struct("=QQQ")


class Crossing:
    """One end of a connected socket, which is closed when the other end is found gone.

    At the latest that is with the last reference to this.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._receiving = False

    @classmethod
    def pair(cls) -> tuple[Crossing, socket.socket]:
        """This end, and the one to give away."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def send(self, message: Any) -> None:
        """Send; waits while there is no room. Raises BrokenPipeError if the other end is gone."""
        buffers: list[pickle.PickleBuffer] = []
        packed = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        sizes = array("Q", map(len, views))
        following = len(sizes) * sizes.itemsize + len(packed) + sum(sizes)
        head = _HEAD.pack(following, len(packed), len(sizes))
        try:
            self._end.sendall(b"".join((head, sizes, packed)))
            for view in views:
                self._end.sendall(view)
        except OSError:
            self._end.close()
            raise

    def receive(self) -> Any:
        """Wait for the next message. Raises EOFError once the other end is gone."""
        self._receiving = True
        try:
            following, packed, count = _HEAD.unpack(self._exactly(_HEAD.size))
            message = self._exactly(following)
        except (EOFError, OSError):
            self._end.close()
            raise
        finally:
            self._receiving = False

        sizes = array("Q")
        begin = count * sizes.itemsize
        sizes.frombytes(message[:begin])
        buffers = []
        end = begin + packed
        for size in sizes:
            buffers.append(message[end : end + size])
            end += size

        return pickle.loads(message[begin : begin + packed], buffers=buffers)  # noqa: S301  # ours

    def waits(self) -> bool:
        """Whether there is something to receive, be it the end."""
        if self._end.fileno() < 0:
            return True

        poll = select.poll()
        poll.register(self._end, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close this end, the other one being gone. A thread in `receive` does so itself."""
        if not self._receiving:
            self._end.close()

    def __del__(self) -> None:
        self._end.close()

    def _exactly(self, size: int) -> memoryview:
        view = memoryview(bytearray(size))
        place = 0
        while place < size:
            came = self._end.recv_into(view[place:], 0, socket.MSG_WAITALL)
            if not came:
                raise EOFError

            place += came

        return view
