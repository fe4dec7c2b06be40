"""What Marketing Cloud's answers to a batch mean: the one table that reads them.

Pure, and told the wall clock's time. What is known of the answers comes from Salesforce's
documentation and from recorded or published traffic. No error body of `batchcontactevents` was
ever published, so an answer is read by its status first, and by its words only where the status
leaves more than one reading. Error texts name the setting to look at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, assert_never

import orjson

from ..errors import EndpointError, EventDefinitionError, PermissionDeniedError
from .reply import Breakage, Broken, Reply, printable
from .retry import http_date, parse_retry_after
from .verdict import Ambiguous, Fatal, Refused, RenewToken, Taken, TryLater, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

__all__ = (
    "Said",
    "classify",
    "clean_id",
    "folded",
    "parse",
    "passes",
    "read_instance",
    "unknown_definition",
    "whole_number",
)


def parse(body: bytes) -> Any:
    """JSON, or the object or text that JSON text holds once more; None where it is no JSON."""
    try:
        value = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return None

    if isinstance(value, str):
        try:
            inner = orjson.loads(value)
        except orjson.JSONDecodeError:
            return value

        return inner if isinstance(inner, dict | str) else value

    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer of refusal says, as far as it can be read."""

    status: int
    message: str  # whole, for reading
    detail: str  # cut and printable, for people
    code: int | None = None
    passing: bool = False
    retry_after: float | None = None

    @classmethod
    def of(cls, reply: Reply, *, now: datetime) -> Said:
        """Read `reply`. A date in it is held against the server's own clock where it tells it."""
        content = parse(reply.body)
        fields = content if isinstance(content, dict) else {}
        message = _text(fields.get("message") or fields.get("error_description"))
        code = whole_number(fields.get("errorcode"))
        moment = http_date(reply.headers.get("Date")) or now
        after = parse_retry_after(reply.headers.get("Retry-After"), now=moment)
        if after is None:
            after = parse_retry_after(fields.get("retryAfter"), now=moment)

        words = printable(message) if message else reply.excerpt()
        errorcode = f", errorcode {code}" if code is not None else ""
        return cls(
            status=reply.status,
            message=message,
            detail=f"status {reply.status}{errorcode}" + (f": {words}" if words else ""),
            code=code,
            passing=passes(message, code=code, additional=fields.get("additionalErrors")),
            retry_after=after,
        )

    @property
    def names_event_definition(self) -> bool:
        """Whether it says that the event definition is not there."""
        return self.code == 30003 or any(each.search(self.message) for each in _NO_DEFINITION)


_DEFINITION: Final = r"event\s*(?:definition|schema)(?:\s*key)?\b"
_NO_DEFINITION: Final = (
    re.compile(
        rf"{_DEFINITION}.{{0,250}}\b(?:not\s+(?:be\s+)?found|does\s*n[o']t\s+exist|unknown)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:no|unknown|invalid|(?:cannot|could\s+not|unable\s+to)\s+find)\b.{{0,30}}{_DEFINITION}",
        re.IGNORECASE,
    ),
)


def _text(value: object) -> str:
    return value[:4000] if isinstance(value, str) else ""


def folded(value: object) -> dict[str, Any]:
    """An object, its names in small letters; an empty one for anything else."""
    return {str(k).casefold(): v for k, v in value.items()} if isinstance(value, dict) else {}


def whole_number(value: object) -> int | None:
    """A number that may come as text; None for anything else."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def passes(message: str, *, code: int | None, additional: object) -> bool:
    """Two refusals that mend themselves: a busy data extension, and a deadlock."""
    busy = code == 10006 and message.startswith("Unable to save rows") and not additional
    return busy or message.rstrip().endswith("Rerun the transaction.")


def classify(
    reply: Reply | Broken, *, key: str, now: datetime, read: Callable[[Any], Verdict]
) -> Verdict:
    """What became of a batch, by the answer or by how far it got without one.

    `key` is the event definition's, for the message; `now` the wall clock's time; `read` knows
    where the endpoint's answer of success has its verdict.
    """
    match reply:
        case Broken():
            return _no_answer(reply)
        case Reply():
            return _answer(reply, key=key, now=now, read=read)
        case _:
            assert_never(reply)


def _answer(reply: Reply, *, key: str, now: datetime, read: Callable[[Any], Verdict]) -> Verdict:
    if 200 <= reply.status < 300:
        return _success(reply, read=read)

    if 300 <= reply.status < 400:
        return _redirect(reply)

    said = Said.of(reply, now=now)
    if reply.status < 200:  # no end of an exchange: nothing was said of the batch
        return Ambiguous(reason=f"unexpected_{reply.status}", detail=said.detail)

    if reply.status >= 500 and reply.status != 503:
        return Ambiguous(reason=f"server_error_{reply.status}", detail=said.detail)

    return _refusal(said, key=key)


def unknown_definition(said: Said, *, key: str) -> EventDefinitionError:
    """The error for an event definition that is not there."""
    return EventDefinitionError(
        f"Marketing Cloud does not know the event definition {key!r} ({said.detail}). Look at "
        "journey.event_definition_key: it is the entry event's key, not the journey's"
    )


def _refusal(said: Said, *, key: str) -> Verdict:
    status = said.status
    if status in {400, 404} and said.names_event_definition:
        return Fatal(error=unknown_definition(said, key=key))

    if status == 401:
        return RenewToken(detail=said.detail)

    later = "passing_400" if status == 400 and said.passing else _LATER.get(status)
    if later is not None:
        after = said.retry_after
        return TryLater(
            reason=later, detail=said.detail, retry_after=after, holds_all=status == 429
        )

    if status in {400, 413, 422}:
        reason = f"refused_{status}"
        code = "" if said.code is None else f" {said.code}"
        return Refused(reason=reason, detail=said.detail, alike=f"{reason}{code}")

    error, text = _HALTING.get(status, (EndpointError, _ODD))
    return Fatal(error=error(text.format(said.detail)))


_LATER: Final = {408: "request_timeout", 429: "rate_limited", 503: "unavailable"}
_FORBIDDEN: Final = (
    "Marketing Cloud does not permit this ({}). Look at the permissions of the installed package "
    "behind account.client_id: it needs Journeys (read, execute), and this machine's address on "
    "the allow list where there is one"
)
_GONE: Final = (
    "The endpoint is not there ({}). Look at account.rest_url or account.subdomain, and at "
    "journey.endpoint"
)
_ODD: Final = (
    "The endpoint refuses the request itself, whatever the contacts ({}). Look at "
    "journey.endpoint and account.rest_url"
)


_HALTING: Final = {403: (PermissionDeniedError, _FORBIDDEN), 404: (EndpointError, _GONE)}


_PAGE: Final = re.compile(rb"\s{0,100}<(?:!doctype\s{1,9})?html", re.IGNORECASE)
_ID: Final = re.compile(r"[!-~]{1,200}")


def _success(reply: Reply, *, read: Callable[[Any], Verdict]) -> Verdict:
    kind = reply.headers.get("Content-Type", "").lower()
    if "html" in kind or _PAGE.match(reply.body):
        # Somebody between us and Marketing Cloud answered: it may have passed the batch on or not.
        return Ambiguous(
            reason="html_answer", detail=f"a web page with status {reply.status}: {reply.excerpt()}"
        )

    return read(parse(reply.body))


def read_instance(content: object, keys: Sequence[str] = ()) -> Taken:
    """What a 2xx says where the status is the verdict: it may name the event's instance."""
    if isinstance(content, dict) and "eventInstanceId" in content:
        content = content["eventInstanceId"]
    elif isinstance(content, dict):
        named = {str(name).lower(): value for name, value in content.items()}
        content = named.get("eventinstanceid")

    return Taken(event_instance_id=clean_id(content))


def clean_id(content: object) -> str | None:
    """An id as Marketing Cloud gives them; None for what cannot be one."""
    return content if isinstance(content, str) and _ID.fullmatch(content) else None


def _redirect(reply: Reply) -> Fatal:
    there = printable(reply.headers.get("Location", "").partition("?")[0])
    return Fatal(
        error=EndpointError(
            f"Marketing Cloud's address answers with a redirect (status {reply.status}) to "
            f"{there or 'nowhere'}, which is not followed: the token would go there. "
            "Look at account.rest_url or account.subdomain"
        )
    )


def _no_answer(broken: Broken) -> Verdict:
    if broken.breakage is Breakage.CERTIFICATE:
        return Fatal(
            error=EndpointError(
                f"The server's certificate was refused ({broken.detail}). Look at "
                "account.rest_url or account.subdomain, and at this machine's certificates"
            )
        )

    if broken.body_started:
        return Ambiguous(reason=broken.breakage.value, detail=broken.detail)

    if broken.breakage is Breakage.DNS:
        detail = f"{broken.detail}: look at account.rest_url or account.subdomain"
        return TryLater(reason=broken.breakage.value, detail=detail)

    return TryLater(reason=broken.breakage.value, detail=broken.detail)
