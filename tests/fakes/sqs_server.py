"""moto's SQS, one call at a time.

moto serves each request in a thread of its own, and its queues are lists that two threads may put
back one after the other: then a message that was deleted is there again, or one that was put there
is gone, and two who ask at once are given the same one.

For each message that it gives out it counts all that are there, a dozen times, to learn how long
the queue keeps one: with two thousand there it gave out one in three seconds. Here it asks the
queue, and the clock without taking the date apart.
"""

from __future__ import annotations

import sys
import time
from functools import wraps
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from moto.server import main
from moto.sqs import models
from moto.sqs.models import SQSBackend

if TYPE_CHECKING:
    from collections.abc import Callable

ASK_SECONDS: Final = 0.02
"""So often one who waits looks whether there is a message."""

_TURN = RLock()


def in_turn(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same, while nobody else does anything."""

    @wraps(work)
    def taken(*arguments: Any, **named: Any) -> Any:
        with _TURN:
            return work(*arguments, **named)

    return taken


def patiently(receive: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but that others have their turn while it waits for a message."""

    @wraps(receive)
    def received(
        backend: SQSBackend, queue: str, count: int, wait_seconds: int, *rest: Any
    ) -> list[Any]:
        end = time.monotonic() + wait_seconds
        while True:
            with _TURN:
                messages: list[Any] = receive(backend, queue, count, 0, *rest)

            if messages or time.monotonic() >= end:
                return messages

            time.sleep(ASK_SECONDS)

    return received


def is_kept(backend: SQSBackend, queue: str, message: Any) -> bool:
    """Whether the queue keeps a message still."""
    seconds = backend.get_queue(queue).message_retention_period  # type: ignore[attr-defined]
    kept: bool = message.sent_timestamp / 1000 + seconds > time.time()
    return kept


def serve(port: str) -> None:
    """Serve until killed."""
    changing = (
        *("send_message", "send_message_batch", "delete_message", "delete_message_batch"),
        *("change_message_visibility", "change_message_visibility_batch", "get_queue_attributes"),
    )
    for name in changing:
        setattr(SQSBackend, name, in_turn(getattr(SQSBackend, name)))

    SQSBackend.is_message_valid_based_on_retention_period = is_kept  # type: ignore[assignment]
    vars(models).update(unix_time=time.time, unix_time_millis=lambda: time.time() * 1000)
    SQSBackend.receive_message = patiently(SQSBackend.receive_message)  # type: ignore[method-assign]
    main(["-H", "127.0.0.1", "-p", port])


if __name__ == "__main__":
    serve(sys.argv[1])
