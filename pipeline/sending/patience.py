"""Patience with passing trouble, for the requests that may simply be repeated: tokens and look-ups.

Batches have a loop of their own (`sender.py`), which journals each attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import stamina

from ..errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ("PassingError", "patiently")

ATTEMPTS = 8
"""With the waits between them, about a minute; `check` asks less often."""

FIRST_SECONDS = 0.5
MAX_SECONDS = 30.0

T = TypeVar("T")


class PassingError(Exception):
    """Trouble that may be over at the next attempt. Its text holds no secret: it is logged."""

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


def _wait(error: Exception) -> bool | float:
    if not isinstance(error, PassingError):
        return False

    return error.retry_after or True


async def patiently(
    ask: Callable[[], Awaitable[T]], *, subject: str, attempts: int = ATTEMPTS
) -> T:
    """Ask until there is an answer; a server's Retry-After is kept to.

    Raises:
        UnavailableError: The trouble did not pass. `subject` says what could not be had.
    """
    try:
        async for attempt in stamina.retry_context(
            on=_wait,
            attempts=attempts,
            timeout=None,
            wait_initial=FIRST_SECONDS,
            wait_max=MAX_SECONDS,
            wait_jitter=FIRST_SECONDS,
        ):
            with attempt:
                return await ask()
    except PassingError as error:
        raise UnavailableError(
            f"{subject} could not be had in {attempts} attempts: {error}. Look at "
            "[account], and at the network between here and Marketing Cloud"
        ) from None

    raise AssertionError("stamina ends with a result or an exception")
