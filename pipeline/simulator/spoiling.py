"""What a fault makes of an honest answer."""

from __future__ import annotations

import math
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

import orjson

from . import answers
from .answers import Answer, of_status
from .faults import Kind, Muddle, RetryAfterForm

if TYPE_CHECKING:
    from .faults import Fault

__all__ = ("spoilt", "too_many")

_LIMITED: Final = 50100
_BLOCKED: Final = 50200


def too_many(seconds: float) -> Answer:
    """The 429 of a server that is asked too often: come back in `seconds`, rounded up."""
    return _told_to_wait(of_status(429, errorcode=_LIMITED), math.ceil(seconds))


def spoilt(honest: Answer, fault: Fault, *, now: float) -> Answer:
    """What arrives instead of the honest answer. A refusal cannot be spoilt into a success."""
    success = honest.status < 300
    match fault.kind:
        case Kind.STATUS:
            return _of_fault(fault, now)
        case Kind.HTML:
            body, kind = answers.HTML_PAGE, "text/html; charset=utf-8"
            return Answer(status=fault.status, body=body, content_type=kind)
        case Kind.EMPTY if success:
            return replace(honest, body=b"")
        case Kind.GARBLED if success:
            return replace(honest, body=honest.body[: len(honest.body) // 2])
        case Kind.MUDDLED if success and b'"members"' in honest.body:
            return _muddled(honest, fault.by)
        case _:
            return honest


def _muddled(honest: Answer, by: Muddle) -> Answer:
    content = orjson.loads(honest.body)
    match by:
        case Muddle.ORDER:
            content["members"].append(content["members"].pop(0))
        case Muddle.LENGTH:
            content["members"].pop()
        case Muddle.COUNT:
            content["notQueuedCount"] += 1

    return replace(honest, body=orjson.dumps(content))


def _of_fault(fault: Fault, now: float) -> Answer:
    if fault.status < 400:
        location = (("Location", "https://example.com/moved"),)
        return Answer(status=fault.status, body=b"", headers=location)

    code = fault.errorcode
    if fault.status == 429 and code is None:
        code = _BLOCKED if fault.retry_after is None else _LIMITED

    answer = of_status(fault.status, errorcode=code)
    if fault.retry_after is None:
        return answer

    match fault.form:
        case RetryAfterForm.HEADER:
            return _told_to_wait(answer, fault.retry_after)
        case RetryAfterForm.DATE:
            date = formatdate(now + fault.retry_after, usegmt=True)
            return replace(answer, headers=(("Retry-After", date),))
        case RetryAfterForm.BODY:
            return replace(_told_to_wait(answer, fault.retry_after), headers=())


def _told_to_wait(answer: Answer, seconds: float) -> Answer:
    """The documented form: seconds in the header, and as `retryAfter` in the body."""
    shown = int(seconds) if float(seconds).is_integer() else seconds
    content = {**orjson.loads(answer.body), "retryAfter": shown}
    headers = (("Retry-After", str(shown)),)
    return replace(answer, body=orjson.dumps(content), headers=headers)
