"""Budget: how many contacts may fail before the run stops itself.

Sans-IO. Rejected and unknown contacts are failures alike. A count is a count; a share such as
"5%" is held against the contacts settled so far, and says nothing before a thousand are.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ("Budget",)

MEANINGFUL = 1_000
"""Contacts settled before a share means something: 1 bad of the first 10 is not yet 10 %."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """`count` failures, or `share` (0 to 1) of what is settled, are allowed; None: any number."""

    count: int | None = None
    share: float | None = None
    settled: int = 0
    failed: int = 0

    @classmethod
    def parse(cls, max_errors: str | int | None, *, settled: int = 0, failed: int = 0) -> Budget:
        """Read `delivery.max_errors`: None, a count, or a percentage as text ("5%", "0.5%").

        `settled` and `failed` are what earlier legs of the run had. Raises ValueError.
        """
        if max_errors is None:
            return cls(settled=settled, failed=failed)

        text = str(max_errors).strip()
        try:
            if text.endswith("%"):
                return cls(share=_share(text), settled=settled, failed=failed)

            return cls(count=_count(text), settled=settled, failed=failed)
        except ValueError as error:
            raise ValueError(
                f'max_errors: {max_errors!r} is neither a count of contacts nor a share like "5%"'
            ) from error

    def add(self, *, settled: int, failed: int) -> None:
        """`settled` more contacts have an outcome; of these, `failed` are rejected or unknown."""
        self.settled += settled
        self.failed += failed

    def overdrawn(self, *, final: bool = False) -> str | None:
        """Why the run must stop, as a sentence, or None. `final`: the source has ended."""
        spent = f"{self.failed:,} of {self.settled:,} contacts are rejected or unknown"
        if self.count is not None and self.failed > self.count:
            return f"{spent}; max_errors allows {self.count:,}"

        if self.share is None or not (final or self.settled >= MEANINGFUL):
            return None

        if self.failed > self.share * self.settled:
            return f"{spent}; max_errors allows {self.share * 100:g} %"

        return None


def _share(text: str) -> float:
    percent = float(text.removesuffix("%"))
    if not 0 <= percent <= 100:
        raise ValueError(text)

    return percent / 100


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)

    return count
