"""The two routes that hand out tokens: `/v1/requestToken` and `/v2/token`.

Documented for the old one: a refresh token for `accessType: offline`, that one may be sent instead
of asking anew, and a legacy token for `?legacy=1`. Our choice: what is said to a refresh token that
has ended (as to wrong credentials), and to one that comes with a `scope` (400, 10005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import orjson

from . import answers
from .answers import Answer, json_answer, refusal
from .tokens import Package

if TYPE_CHECKING:
    from .tokens import Tokens

__all__ = ("answer_v1", "answer_v2")

_SCOPES: Final = "journeys_read journeys_execute list_and_subscribers_read data_extensions_read"


def answer_v1(tokens: Tokens, body: bytes, *, now: float, legacy: bool = False) -> Answer:
    """POST /v1/requestToken with `clientId` and `clientSecret`, as JSON."""
    asked = _json(body)
    if asked is None:
        return refusal(400, 10004, message="Unable to parse JSON: it is malformed")

    if not tokens.knows(asked.get("clientId"), asked.get("clientSecret")):
        return answers.BAD_CLIENT

    if tokens.policy.package is Package.ENHANCED:
        return answers.NOT_ELIGIBLE

    refresh = asked.get("refreshToken")
    if refresh and asked.get("scope"):
        return refusal(400, 10005, message="scope cannot be used together with refreshToken")

    if refresh and not tokens.refreshes(refresh, now):
        return answers.BAD_CLIENT

    seconds = _number(tokens.policy.seconds)
    told: dict[str, Any] = {"accessToken": tokens.issue(now), "expiresIn": seconds}
    if refresh or asked.get("accessType") == "offline":
        told["refreshToken"] = tokens.issue_refresh(now)

    return json_answer(200, told | ({"legacyToken": tokens.legacy()} if legacy else {}))


def answer_v2(tokens: Tokens, body: bytes, *, now: float, content_type: str, host: str) -> Answer:
    """POST /v2/token with the client credentials grant, as JSON or as a form."""
    asked = _json(body) if "json" in content_type else dict(parse_qsl(body.decode("latin-1")))
    if asked is None:
        return refusal(400, 10004, message="Unable to parse JSON: it is malformed")

    if asked.get("grant_type") != "client_credentials":
        return json_answer(
            400,
            {
                "error": "unsupported_grant_type",
                "error_description": "The grant type is not supported.",
                "error_uri": "https://developer.salesforce.com/docs",
            },
        )

    known = tokens.knows(asked.get("client_id"), asked.get("client_secret"))
    if not known or tokens.policy.package is Package.LEGACY:
        return answers.BAD_CLIENT_V2

    return json_answer(
        200,
        {
            "access_token": tokens.issue_v2(now),
            "token_type": "Bearer",
            "expires_in": _number(tokens.policy.seconds_v2),
            "scope": asked.get("scope") or _SCOPES,
            "soap_instance_url": f"http://{host}/",
            "rest_instance_url": f"http://{host}/",
        },
    )


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None

    return asked if isinstance(asked, dict) else None


def _number(seconds: float) -> float:
    """Whole seconds travel as an integer, as Marketing Cloud's do."""
    return int(seconds) if float(seconds).is_integer() else seconds
