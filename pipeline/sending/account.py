"""The account: who asks, and where (section `[account]`)."""

from __future__ import annotations

import logging
import re
import stat
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path  # noqa: TC003  # pydantic reads the annotations
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import SecretStr  # noqa: TC002  # as above; it is masked in repr

from ..errors import ConfigError
from .loopback import is_loopback

__all__ = ("Account", "AuthVersion")

_MARKETING_CLOUD = re.compile(
    r"https://[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.rest\.marketingcloudapis\.com",
    re.IGNORECASE,
)
_SECRET_BYTES = 4096  # a client secret has about 24 characters
_log = logging.getLogger(__name__)


class AuthVersion(StrEnum):
    """Which kind of installed package the credentials belong to."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Credentials, and the two hosts of a tenant. No part of a secret is in its repr."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    auth: AuthVersion = AuthVersion.V1
    """"v1": legacy package, /v1/requestToken, which batchcontactevents needs. "v2": enhanced
    package, /v2/token."""

    subdomain: str | None = None
    """The tenant's subdomain (28 characters, begins with mc): gives both URLs."""

    auth_url: str | None = None
    """Where tokens are asked for, instead of the subdomain. https, or http on loopback."""

    rest_url: str | None = None
    """Where contacts are sent, instead of the subdomain. https, or http on loopback."""

    client_id: str = field(default="", repr=False)
    """Client id of the installed package; best from JOURNEY_ACCOUNT__CLIENT_ID."""

    client_secret: SecretStr | None = field(default=None, repr=False)
    """Its secret, from JOURNEY_ACCOUNT__CLIENT_SECRET; in the config for rehearsals only. Comes
    before client_secret_file."""

    client_secret_file: Path | None = None
    """A file that holds the secret and nothing else."""

    account_id: str | None = None
    """The business unit's MID; v2 only, optional."""

    scope: str | None = None
    """Permissions to ask for, separated by blanks; v2 only. Absent: all the package has."""

    def __post_init__(self) -> None:
        if self.auth not in tuple(AuthVersion):
            raise ValueError(f'auth must be "v1" or "v2", not {self.auth!r}')

        urls = (self.auth_url, self.rest_url)
        if self.subdomain is None and None in urls:
            raise ValueError("name the subdomain, or both auth_url and rest_url")

        if self.subdomain is not None and urls != (None, None):
            raise ValueError("name the subdomain, or auth_url and rest_url, not both")

        if self.subdomain is not None and not re.fullmatch(r"[A-Za-z0-9-]{1,63}", self.subdomain):
            raise ValueError(
                f"subdomain may hold letters, digits and hyphens only, not {self.subdomain!r}"
            )

        for name in ("auth_url", "rest_url"):
            if (url := getattr(self, name)) is not None:
                _check_url(name, url)

    @property
    def auth_base(self) -> str:
        """Where tokens are asked for, without a slash at the end."""
        return self._base(self.auth_url, "auth")

    @property
    def rest_base(self) -> str:
        """Where everything else is asked for, without a slash at the end."""
        return self._base(self.rest_url, "rest")

    def trusted(self, told: object) -> str | None:
        """The base of a REST host that a token came with, if the token may travel there.

        A Marketing Cloud host, and only instead of the subdomain's: an address that the config
        spells out is the user's decision. Everything else is None, and told to nobody.
        """
        text = told.rstrip("/") if isinstance(told, str) else ""
        known = self.subdomain is not None and _MARKETING_CLOUD.fullmatch(text)
        return text.lower() if known else None

    def _base(self, url: str | None, role: str) -> str:
        if url is not None:
            return url.rstrip("/")

        return f"https://{self.subdomain}.{role}.marketingcloudapis.com"

    def secret(self) -> str:
        """The client secret, read anew from its file each time. Blocks for the reading.

        Raises:
            ConfigError: There is none, or the file cannot be used.
        """
        if self.client_secret is not None and self.client_secret.get_secret_value():
            return self.client_secret.get_secret_value()

        if self.client_secret_file is None:
            raise ConfigError(
                "account.client_secret is missing: set JOURNEY_ACCOUNT__CLIENT_SECRET or "
                "account.client_secret_file"
            )

        return _read_secret(self.client_secret_file)

    def require(self) -> None:
        """Raise ConfigError unless client id and secret are there. Blocks as `secret` does."""
        self.identity()
        self.secret()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be printed, as far as the config itself holds it."""
        return (self.client_secret.get_secret_value(),) if self.client_secret else ()

    def identity(self) -> str:
        """The client id.

        Raises:
            ConfigError: There is none.
        """
        if not self.client_id:
            raise ConfigError(
                "account.client_id is missing: set JOURNEY_ACCOUNT__CLIENT_ID or account.client_id"
            )

        return self.client_id


def _check_url(name: str, url: str) -> None:
    """The token travels there: nothing but TLS, or this machine itself, will do."""
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(f"{name} is not a URL: it holds a blank, a backslash or worse")

    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{name} is not a URL: {error}") from None

    if parts.scheme not in {"https", "http"} or not host:
        raise ValueError(f"{name} must begin with https:// and name a host")

    if "@" in parts.netloc:
        raise ValueError(f"{name} must not hold a user or a password")

    if "?" in url or "#" in url:
        raise ValueError(f"{name} must not hold a query or a fragment")

    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError(f"{name} must be https: plain http is for this machine alone")


def _read_secret(path: Path) -> str:
    try:
        if path.stat().st_mode & stat.S_IRWXO:
            _log.warning("account.client_secret_file %s is open to everybody: chmod 600", path)

        with path.open("rb") as file:
            text = file.read(_SECRET_BYTES + 1).decode("utf-8")
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigError(f"account.client_secret_file {path} cannot be read: {why}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"account.client_secret_file {path} does not hold text") from None

    if not (secret := text.strip()):
        raise ConfigError(f"account.client_secret_file {path} is empty")

    if len(secret) > _SECRET_BYTES or not secret.isprintable():
        raise ConfigError(
            f"account.client_secret_file {path} must hold the secret alone, on one line"
        )

    return secret
