"""An office that grants tokens, for keepers to ask."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from pipeline.sending.verdict import Granted

__all__ = ("Office",)


@dataclass
class Office:
    """Grants t1, t2, …; `gate` keeps askers waiting, `errors` are raised first."""

    lifetime_seconds: float = 3600.0
    asked: int = 0
    gate: anyio.Event | None = None
    errors: list[Exception] = field(default_factory=list)

    async def __call__(self) -> Granted:
        self.asked += 1
        number = self.asked
        await anyio.lowlevel.checkpoint()
        if self.gate is not None:
            await self.gate.wait()

        if self.errors:
            raise self.errors.pop(0)

        return Granted(token=f"t{number}", lifetime_seconds=self.lifetime_seconds)
