"""Sharing: the pace and the token of many workers, as far as the config has them shared."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from ..sending.client import open_client
from ..sending.patience import ATTEMPTS
from ..sending.token import keeper_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..config import Config
    from ..events import Emit
    from ..sending.client import Client
    from ..sending.clock import Clock
    from ..sending.shared import Shared
    from ..sending.token import TokenKeeper

__all__ = ("open_account", "shared_by")


def shared_by(config: Config, *, clock: Clock, emit: Emit) -> Shared | None:
    """What this process shares with other workers; None where it works for itself."""
    if config.coordination.url is None:
        return None

    from ..sending.shared import Shared  # most work for themselves

    return Shared(
        config.coordination,
        config.account,
        patience_seconds=config.delivery.max_outage_seconds,
        clock=clock,
        emit=emit,
    )


@asynccontextmanager
async def open_account(
    config: Config, *, clock: Clock, emit: Emit, attempts: int = ATTEMPTS
) -> AsyncIterator[tuple[Client, TokenKeeper]]:
    """A client, and the keeper of the account's token; nothing is asked yet."""
    shared = shared_by(config, clock=clock, emit=emit)
    async with shared or nullcontext(), open_client(config.delivery, clock=clock) as client:
        yield (
            client,
            keeper_of(
                config.account, client, emit=emit, clock=clock, attempts=attempts, shared=shared
            ),
        )
