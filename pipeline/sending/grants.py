"""What the answers to a token request mean: Marketing Cloud's two token routes.

The secret travels in the request, and a server may echo what it was sent: every text made here has
it blotted out, and no text holds the body of an answer of success.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..errors import CredentialsError, EndpointError, HaltError
from .account import AuthVersion
from .answers import Said, parse
from .reply import Breakage, Broken, Reply, blotted
from .verdict import Fatal, Granted, TryLater

if TYPE_CHECKING:
    from datetime import datetime

    from .account import Account

__all__ = ("read_grant",)

UNSAID_SECONDS: Final = 1079.0
"""How long a token is taken to live that does not say: as long as the shorter kind."""


def read_grant(
    reply: Reply | Broken, *, account: Account, secret: str, now: datetime
) -> Granted | TryLater | Fatal:
    """A token, a reason to ask again, or an error that names the setting to look at."""
    if isinstance(reply, Broken):
        return _no_answer(reply, account=account)

    if 200 <= reply.status < 300:
        return _grant(reply, account=account)

    # Blotted before it is read: a cut text could end within the secret.
    safe = replace(reply, body=blotted(reply.body, secret))
    said = Said.of(safe, now=now)
    if said.status in {408, 429} or said.status >= 500:
        return TryLater(reason="no_token", detail=said.detail, retry_after=said.retry_after)

    return Fatal(error=_refusal(said, text=safe.excerpt(), account=account))


def _no_answer(broken: Broken, *, account: Account) -> TryLater | Fatal:
    if broken.breakage is Breakage.CERTIFICATE:
        text = f"The token server's certificate was refused ({broken.detail})."
        return Fatal(error=EndpointError(f"{text} Look at {_place(account)}"))

    hint = f": look at {_place(account)}" if broken.breakage is Breakage.DNS else ""
    return TryLater(reason=broken.breakage.value, detail=broken.detail + hint)


def _grant(reply: Reply, *, account: Account) -> Granted | Fatal:
    content = parse(reply.body)
    fields = content if isinstance(content, dict) else {}
    v1 = account.auth == AuthVersion.V1
    token = fields.get("accessToken" if v1 else "access_token")
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]{1,16384}", token):
        return Fatal(
            error=EndpointError(
                f"The token route answers with status {reply.status}, but with no token. Look at "
                f"{_place(account)} and account.auth"
            )
        )

    return Granted(
        token=token,
        lifetime_seconds=_lifetime(fields.get("expiresIn" if v1 else "expires_in")),
        rest_base=account.trusted(fields.get("rest_instance_url")),
    )


def _lifetime(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) else UNSAID_SECONDS
    except ValueError:
        return UNSAID_SECONDS

    return seconds if math.isfinite(seconds) and seconds > 0 else UNSAID_SECONDS


def _place(account: Account) -> str:
    return "account.auth_url" if account.subdomain is None else "account.subdomain"


def _refusal(said: Said, *, text: str, account: Account) -> HaltError:
    why = f"({said.detail})"
    if said.code == 10007 or "not eligible to use the legacy" in text:
        return CredentialsError(
            f"These credentials belong to an enhanced package, and account.auth says v1 {why}. "
            "batchcontactevents needs a legacy package; for async-events or events set "
            "account.auth to v2"
        )

    if re.search(r"\bIP address\b|allow-?list|white-?list", text, re.IGNORECASE):
        return CredentialsError(
            f"Marketing Cloud does not let this machine's address in {why}. Add it to the "
            "account's allow list (Setup, Security), or run where account.client_id may be used"
        )

    if said.status in {400, 401, 403}:
        return CredentialsError(
            f"Marketing Cloud refuses the credentials {why}. Look at account.client_id and "
            f"account.client_secret, whether they belong to this {_place(account)}, and whether "
            f"their package is of the kind that account.auth says ({account.auth})"
        )

    return EndpointError(f"There is no token route {why}. Look at {_place(account)}")
