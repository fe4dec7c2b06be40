"""What an answer means for the batch that was sent: a member each, a sentence for each.

`answers.py` reads Marketing Cloud's answers into these; the sender acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import HaltError

__all__ = (
    "Ambiguous",
    "Fatal",
    "Granted",
    "Judged",
    "OneVerdict",
    "Refused",
    "RenewToken",
    "Taken",
    "TryLater",
    "Verdict",
    "Withheld",
    "by_verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Marketing Cloud received the batch."""

    event_instance_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewToken:
    """The token was refused: the batch was not looked at."""

    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The batch was refused for what is in it: some contact of it is at fault.

    `alike` is the same for refusals of the same kind, whatever they say of the single contact.
    """

    reason: str
    detail: str
    alike: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TryLater:
    """The batch was not taken, and nothing is wrong with it.

    `retry_after` is what the server asked for, in seconds; `holds_all` that it means every sender;
    `alone` that it was said of the contact, by an answer that has a verdict for each.
    """

    reason: str
    detail: str
    retry_after: float | None = None
    holds_all: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """The body was under way and no verdict came back: the batch may have been taken."""

    reason: str
    detail: str


OneVerdict = Taken | Refused | TryLater
"""What may be said of a single contact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The contacts of the batch have verdicts of their own, which stand in its order."""

    verdicts: tuple[OneVerdict, ...]

    @property
    def takes_some(self) -> bool:
        """Whether some were taken: then the request is right, and who is refused is at fault."""
        return any(isinstance(verdict, Taken) for verdict in self.verdicts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fatal:
    """Whatever is sent will be refused until somebody mends what `error` names."""

    error: HaltError


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Nothing was sent, for some of the contacts may be another worker's by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """A token, and how long it lives. `rest_base` is the host it is for, where that is told."""

    token: str = field(repr=False)
    lifetime_seconds: float
    rest_base: str | None = None


def by_verdict(judged: Judged) -> list[tuple[OneVerdict, list[int]]]:
    """Gather the contacts that share a verdict: those taken first, each refused one on its own."""
    together: dict[OneVerdict, list[int]] = {}
    alone: list[tuple[OneVerdict, list[int]]] = []
    for index, verdict in enumerate(judged.verdicts):
        if isinstance(verdict, Refused):
            alone.append((verdict, [index]))
        else:
            together.setdefault(verdict, []).append(index)

    return sorted([*together.items(), *alone], key=lambda part: _ORDER.index(type(part[0])))


_ORDER = (Taken, Refused, TryLater)

Verdict = Taken | RenewToken | Refused | TryLater | Ambiguous | Judged | Fatal
