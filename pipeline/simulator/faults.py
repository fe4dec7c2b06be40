"""A fault: what goes wrong, with which requests, and whether the contacts were taken first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ("Fault", "Kind", "Muddle", "RetryAfterForm", "Scope", "Stage")


class Scope(StrEnum):
    """The requests a fault concerns."""

    CONTACTS = "contacts"
    TOKEN = "token"  # noqa: S105  # the name of a kind of request
    LOOKUP = "lookup"
    HISTORY = "history"


class Kind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    REVOKE = "revoke"
    HTML = "html"
    EMPTY = "empty"
    GARBLED = "garbled"
    TRUNCATED = "truncated"
    CLOSE = "close"
    HANG = "hang"
    SLOW = "slow"
    MEMBERS = "members"
    MUDDLED = "muddled"


class Stage(StrEnum):
    """How far a request got before its connection ends."""

    BEFORE_BODY = "before_body"
    DURING_BODY = "during_body"
    AFTER_BODY = "after_body"


class RetryAfterForm(StrEnum):
    """Where the server says how long to wait."""

    HEADER = "header"  # seconds in the header, and in the body, as documented
    DATE = "date"  # an HTTP date in the header
    BODY = "body"  # `retryAfter` in the body alone


class Muddle(StrEnum):
    """How the verdicts of an answer contradict the request, or each other."""

    ORDER = "order"
    LENGTH = "length"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One line of the schedule. `first` and `last` are request numbers, both included."""

    spec: str
    kind: Kind
    status: int = 201
    scope: Scope = Scope.CONTACTS
    rate: float | None = None
    every: int | None = None
    at: frozenset[int] = frozenset()
    first: int = 1
    last: int | None = None
    times: int | None = None
    taken: float = 0.0
    retry_after: float | None = None
    form: RetryAfterForm = RetryAfterForm.HEADER
    errorcode: int | None = None
    stage: Stage = Stage.AFTER_BODY
    seconds: float = 0.0
    share: float = 0.1
    by: Muddle = Muddle.ORDER

    def __str__(self) -> str:
        return self.spec
