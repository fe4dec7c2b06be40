"""Coordination: where many workers share one pace and one token (shared.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import unquote, urlsplit

__all__ = ("CoordinationPolicy",)

_FORM: Final = re.compile(
    r"(?:rediss?://(?:[^@/?#]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?(?:/\d{0,5})?"
    r"|unix://(?:[^@/?#]*@)?/[^@?#]+(?:\?db=\d{1,5})?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationPolicy:
    """What many workers share: one pace and one token."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    url: str | None = field(default=None, repr=False)  # it may hold a password
    """The Redis or Valkey on which many workers share one pace and one token, such as
    "redis://127.0.0.1:6379/0"; rediss:// for TLS, a password best as JOURNEY_COORDINATION__URL.
    Absent: this process paces itself alone."""

    def __post_init__(self) -> None:
        if self.url is None:
            return

        if not self.url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("url must begin with redis://, rediss:// or unix://")

        # Not a word of it in the message: what is odd about it may be its password.
        found = _FORM.fullmatch(self.url)
        if found is None or int(found["port"] or 0) > 65_535:
            raise ValueError(
                "url must be like redis://user:password@host:6379/0 or unix:///socket?db=0; in a "
                "user or a password, what is neither letter nor digit is written as % and its "
                "number: / is %2F, @ is %40, # is %23, ? is %3F"
            )

    @property
    def password(self) -> str | None:
        """What must never be printed."""
        written = None if self.url is None else urlsplit(self.url).password
        return None if written is None else unquote(written)

    @property
    def label(self) -> str:
        """What messages call the server."""
        parts = urlsplit(self.url or "")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
