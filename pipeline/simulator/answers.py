"""The answers Marketing Cloud gives, body for body as they were documented or recorded.

Three shapes of error exist: the REST error `{message, errorcode, documentation}`, the same with
other words from the old token route, and the OAuth error of the new token route. What no source
tells (408, 413, 415, 502, 504) uses the REST shape with the status as its code: our choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = (
    "BAD_CLIENT",
    "BAD_CLIENT_V2",
    "FORBIDDEN",
    "HTML_PAGE",
    "NOT_AUTHORIZED",
    "NOT_ELIGIBLE",
    "NOT_FOUND",
    "NOT_FOUND_OLD",
    "Answer",
    "StreamedAnswer",
    "json_answer",
    "of_status",
    "refusal",
    "saying_of",
)

_DOCUMENTATION: Final = (
    "https://developer.salesforce.com/docs/atlas.en-us.mc-apis.meta/mc-apis/error-handling.htm"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, before anybody spoils it."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedAnswer(Answer):
    """An answer whose body is `pages`, made while they are sent."""

    pages: Iterator[bytes]


def json_answer(status: int, content: object) -> Answer:
    """An answer whose body is `content` as JSON."""
    return Answer(status=status, body=orjson.dumps(content))


def refusal(
    status: int,
    errorcode: int,
    *,
    message: str,
    documentation: str = _DOCUMENTATION,
    extra: Mapping[str, Any] | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """The REST error body `{message, errorcode, documentation}`, and what `extra` adds to it."""
    content = {"message": message, "errorcode": errorcode, **(extra or {})}
    content["documentation"] = documentation
    return Answer(status=status, body=orjson.dumps(content), headers=headers)


NOT_AUTHORIZED: Final = refusal(
    401,
    0,
    message="Not Authorized",
    headers=(("WWW-Authenticate", 'Bearer realm="marketingcloudapis.com", error="invalid_token"'),),
)
"""A token that is missing, unknown, ended, or of the wrong kind."""

FORBIDDEN: Final = refusal(403, 20002, message="Insufficient privileges to complete this action.")
NOT_FOUND: Final = refusal(404, 404, message="Not Found")
NOT_FOUND_OLD: Final = refusal(
    404,
    404,
    message="Not Found",
    documentation="https://code.docs.exacttarget.com/rest/errors/404",
)
"""What the old token route says to a GET."""

BAD_CLIENT: Final = refusal(401, 1, message="Unauthorized", documentation="")
NOT_ELIGIBLE: Final = refusal(
    401,
    10007,
    message="This integration is not eligible to use the legacy /v1/requestToken endpoint. "
    "Use the /v2/token endpoint.",
    documentation="",
)
"""Credentials of an enhanced package on the old route; the status was never recorded."""

BAD_CLIENT_V2: Final = json_answer(
    401,
    {
        "error": "invalid_client",
        "error_description": "Client authentication failed. Make sure that the client ID and "
        "client secret are valid and that the package is installed and enabled.",
        "error_uri": "https://developer.salesforce.com/docs",
    },
)

HTML_PAGE: Final = (
    b"<!DOCTYPE html><html><head><title>Proxy</title></head>"
    b"<body><h1>Your request could not be served</h1></body></html>"
)

_SAYINGS: Final[Mapping[int, tuple[int, str]]] = {
    400: (10000, "Bad Request"),
    401: (0, "Not Authorized"),
    403: (20002, "Insufficient privileges to complete this action."),
    404: (404, "Not Found"),
    408: (408, "Request Timeout"),
    413: (413, "Request Entity Too Large"),
    415: (415, "Unsupported Media Type"),
    500: (0, "Internal Server Error"),
    502: (502, "Bad Gateway"),
    503: (50300, "Service Unavailable"),
    504: (504, "Gateway Timeout"),
}

_CODES: Final[Mapping[int, str]] = {
    10005: "A value of the member is not valid",
    10006: "Unable to save rows for data extension ID",
    30000: "Deadlock victim. Rerun the transaction.",
    30003: "The event definition key was not found.",
    50100: "Rate limit exceeded",
    50200: "Your requests are temporarily blocked.",
    50300: "Service Unavailable",
}


def saying_of(errorcode: int) -> str:
    """The words that go with an errorcode."""
    return _CODES.get(errorcode, "Error")


def of_status(status: int, *, errorcode: int | None = None) -> Answer:
    """The answer a fault of this status gives.

    `errorcode` chooses another body: 400 with 10006 is the transient "Unable to save rows…".
    """
    if status == 401 and errorcode is None:
        return NOT_AUTHORIZED

    usual, saying = _SAYINGS.get(status, (status, "Error"))
    code = usual if errorcode is None else errorcode
    message = saying if errorcode is None else _CODES.get(code, saying)
    documentation = "" if status == 500 else _DOCUMENTATION
    return refusal(status, code, message=message, documentation=documentation)
