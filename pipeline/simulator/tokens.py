"""Tokens of both kinds: who gets one, how long it lasts, what ends it.

The old kind (v1) is 24 opaque characters and lasts an hour; a new one ends the one before, as
Salesforce's knowledge base warns (whether that also holds for two requests from one address is
not known: `coexist` tells). The new kind (v2) is a JWT that carries 24 such characters, lasts 1079
seconds, and leaves its elders alone. The experimental endpoint takes v1 only, unless told.
"""

from __future__ import annotations

import base64
import secrets
import string
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import orjson

__all__ = ("Package", "TokenPolicy", "Tokens")

_ALPHABET: Final = string.ascii_letters + string.digits
_REFRESH_SECONDS: Final = 700 * 86_400
_GRACE_SECONDS: Final = 300


class Package(StrEnum):
    """Which installed package the credentials belong to, and so which token routes answer."""

    LEGACY = "legacy"
    ENHANCED = "enhanced"
    BOTH = "both"  # no such package exists; handy for rehearsals


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """The one account the simulator knows, and how its tokens live."""

    client_id: str
    client_secret: str
    package: Package = Package.BOTH
    seconds: float = 3600
    """Life of a v1 token; Marketing Cloud's own is 3600 and cannot be changed."""
    seconds_v2: float = 1079
    coexist: bool = False
    """True: a new v1 token leaves the former one alive."""

    def __repr__(self) -> str:
        return f"TokenPolicy(client_id={self.client_id!r}, client_secret='***', …)"


class Tokens:
    """The tokens that are alive."""

    def __init__(self, policy: TokenPolicy) -> None:
        self.policy = policy
        self.issued = 0
        self.revoked = 0
        self._ends_v1: dict[str, float] = {}
        self._ends_v2: dict[str, float] = {}
        self._ends_refresh: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Tokens v1={len(self._ends_v1)} v2={len(self._ends_v2)} issued={self.issued}>"

    def knows(self, client_id: object, client_secret: object) -> bool:
        """Whether these are the account's credentials."""
        return client_id == self.policy.client_id and client_secret == self.policy.client_secret

    def issue(self, now: float) -> str:
        """A new v1 token."""
        if not self.policy.coexist:
            self._ends_v1.clear()

        token = _opaque()
        self._ends_v1[token] = now + self.policy.seconds
        self.issued += 1
        return token

    def issue_v2(self, now: float) -> str:
        """A new v2 token."""
        token = _jwt(self.policy.client_id)
        self._ends_v2 = {old: end for old, end in self._ends_v2.items() if end > now}
        self._ends_v2[token] = now + self.policy.seconds_v2
        self.issued += 1
        return token

    def issue_refresh(self, now: float) -> str:
        """A refresh token, which lives for up to 700 days."""
        token = _opaque()
        self._ends_refresh[token] = now + _REFRESH_SECONDS
        return token

    def refreshes(self, token: object, now: float) -> bool:
        """Whether a refresh token is good; its first use ends it, after five minutes of grace."""
        end = self._ends_refresh.get(token, now) if isinstance(token, str) else now
        if end <= now:
            return False

        self._ends_refresh[str(token)] = min(end, now + _GRACE_SECONDS)
        return True

    def legacy(self) -> str:
        """A token for the oldest interfaces, which opens nothing here."""
        return _opaque()

    def good(self, token: str, now: float) -> bool:
        """Whether a token of the old kind is alive."""
        return self._ends_v1.get(token, now) > now

    def good_v2(self, token: str, now: float) -> bool:
        """Whether a token of the new kind is alive."""
        return self._ends_v2.get(token, now) > now

    def revoke(self) -> None:
        """End every token there is."""
        self._ends_v1.clear()
        self._ends_v2.clear()
        self._ends_refresh.clear()
        self.revoked += 1


def _opaque() -> str:
    """24 characters, of the system's randomness: a restarted simulator knows none of them."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(24))


def _jwt(client_id: str) -> str:
    """Header and payload as recorded; the signature is noise."""
    header = {"alg": "HS256", "kid": "4", "ver": "1", "typ": "JWT"}
    payload = {
        "access_token": _opaque(),
        "client_id": client_id,
        "eid": 7281698,
        "stack_key": "S7",
        "platform_version": 2,
        "client_type": "ServerToServer",
    }
    parts = (orjson.dumps(header), orjson.dumps(payload), secrets.token_bytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
