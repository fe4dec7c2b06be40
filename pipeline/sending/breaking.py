"""Breaking: what the errors of a network mean, in one table."""

from __future__ import annotations

import os
from typing import Final

import aiohttp
from yarl import URL

from .reply import Breakage, printable

__all__ = ("breakage_of", "detail_of")

_BREAKAGES: Final[tuple[tuple[type[BaseException], Breakage], ...]] = (
    # The first that fits counts: aiohttp's classes are nested.
    (aiohttp.ConnectionTimeoutError, Breakage.CONNECT_TIMEOUT),
    (aiohttp.ClientConnectorCertificateError, Breakage.CERTIFICATE),
    (aiohttp.ServerFingerprintMismatch, Breakage.CERTIFICATE),
    (aiohttp.ClientConnectorDNSError, Breakage.DNS),
    (aiohttp.ClientSSLError, Breakage.TLS),
    (aiohttp.ClientConnectorError, Breakage.REFUSED),
    (TimeoutError, Breakage.TIMEOUT),
    (aiohttp.ClientResponseError, Breakage.MALFORMED),
)


def breakage_of(error: BaseException) -> Breakage:
    """What broke, by what aiohttp raised."""
    return next((kind for known, kind in _BREAKAGES if isinstance(error, known)), Breakage.LOST)


def detail_of(error: BaseException, *, url: str) -> str:
    """The same for a person; a URL's path and query are left out."""
    kind = breakage_of(error)
    place = URL(url, encoded=True).authority
    match kind:
        case Breakage.DNS:
            return f"no host named {place} can be found"
        case Breakage.TIMEOUT:
            return f"no answer from {place} in time"
        case Breakage.CONNECT_TIMEOUT:
            return f"no connection to {place} in time"
        case Breakage.REFUSED if isinstance(error, aiohttp.ClientConnectorError):
            why = os.strerror(error.errno) if error.errno else str(error.os_error)
            return f"no connection to {place} ({printable(why)})"
        case _:
            return f"{place}: {printable(str(error)) or type(error).__name__}"
