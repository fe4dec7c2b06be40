"""The address: the REST host that the token is good for, or else the configured one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .account import Account
    from .token import TokenKeeper

__all__ = ("Address", "Addressed")


class Addressed(Protocol):
    """Whoever knows where REST requests go."""

    @property
    def rest_base(self) -> str:
        """The URL's beginning, without a slash at the end."""


class Address:
    """Where REST requests go, once there is a token: it may name another host of the tenant.

    That it is one of Marketing Cloud's was seen to when the token was read (`grants.py`).
    """

    def __init__(self, account: Account, keeper: TokenKeeper) -> None:
        self._account = account
        self._keeper = keeper

    @property
    def rest_base(self) -> str:
        """The URL's beginning, without a slash at the end."""
        return self._keeper.rest_base or self._account.rest_base

    def __repr__(self) -> str:
        return f"<Address {self.rest_base}>"
