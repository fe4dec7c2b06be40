"""What comes back from an HTTP request: an answer, or none and how far the body got.

The second is what the outcome of a batch turns on. As long as the first byte of its body has not
been written, or the connection's end shows that none of it had come, the server cannot have taken
it; from then on nobody can know but the server.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("Breakage", "Broken", "Reply", "blotted", "printable")

EXCERPT_CHARACTERS = 200
BROKEN_OFF = 6
"""So much of a secret at the end of a text is taken for the beginning of it."""


class Breakage(StrEnum):
    """Why no answer came."""

    REFUSED = "connection_refused"  # nobody listens, or the network has no way there
    DNS = "host_not_found"
    CERTIFICATE = "certificate_refused"  # the server is not who it says
    TLS = "tls_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    TIMEOUT = "timeout"
    LOST = "connection_lost"  # reset, or closed without an answer
    MALFORMED = "malformed_answer"  # what came is not HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer. `headers` are looked up in any case; `whole` is False for a cut body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)  # the answer to a token request holds the token
    seconds: float = 0.0
    whole: bool = True

    def excerpt(self) -> str:
        """The beginning of the body, fit to stand in a message."""
        return printable(self.body[: 8 * EXCERPT_CHARACTERS].decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """No answer came. `body_started`: the body was under way, and the server may have it."""

    breakage: Breakage
    detail: str
    body_started: bool
    seconds: float = 0.0


def blotted(text: bytes, secret: str) -> bytes:
    """`text` without `secret`, as it was sent or as JSON, URLs and base64 write it.

    A server, or a proxy that explains itself, may give back what it was sent.
    """
    if not secret:
        return text

    forms, beginnings = _forms(secret)
    for form in forms:
        text = text.replace(form, b"***")

    if not text.endswith(beginnings):
        return text

    # Where the text breaks off, so may the secret.
    end = next(filter(text.endswith, beginnings))
    return text.removesuffix(end) + b"***"


@lru_cache(maxsize=4)  # each answer is looked through for the same token
def _forms(secret: str) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The secret as it may be written, and what it may begin with, the longest first."""
    raw = secret.encode()
    in_json = orjson.dumps(secret)[1:-1]
    forms = {raw, in_json, in_json.replace(b"/", b"\\/"), quote(secret, safe="").encode()}
    longest_first = sorted({*forms, b64encode(raw).rstrip(b"=")}, key=len, reverse=True)
    beginnings = (raw[:length] for length in range(len(raw) - 1, BROKEN_OFF - 1, -1))
    return tuple(longest_first), tuple(beginnings)


def printable(text: str, limit: int = EXCERPT_CHARACTERS) -> str:
    """`text` on one line, without what a terminal could take for a command, and cut."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
